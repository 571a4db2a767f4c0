/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef _MM_ZSMALLOC_SPLIT_H
#define _MM_ZSMALLOC_SPLIT_H

#include <linux/math64.h>
#include <linux/minmax.h>

/*
 * An object of a zspage lies on one page, or straddles two neighbours that
 * may be on different nodes:
 *
 *            page j                 page j + 1
 *   +----------------------+   +----------------------+
 *   | ... object n-1 | obj n ->|-> n | object n+1 ... |
 *   +----------------------+   +----------------------+
 *                    bytes[0]   bytes[1]
 *
 * The class size is what the object takes up. What it stands for is one page
 * of original data, which is divided in the same proportion.
 */

/**
 * struct zs_split - how the bytes of one object divide between two pages
 * @bytes: bytes of the slot on the first and on the second page
 * @orig: bytes of original data that the two parts stand for
 *
 * The fields are signed: both are used as deltas, in both directions.
 */
struct zs_split {
	int bytes[2];
	int orig[2];
};

/**
 * zs_obj_split - divide an object between the page it begins on and the next
 * @page_size: size of the pages in bytes, a power of two
 * @size: size of the class in bytes, at most @page_size
 * @idx: index of the object in its zspage
 *
 * This is the only place where the bytes of an object are divided. The result
 * depends on nothing that can change while the object lives, so that what an
 * allocation adds to a counter is what a move or a free takes from it. The
 * rounding of the original size goes to the second page: the two parts always
 * add up to @size and to @page_size.
 *
 * Context: Any, takes no lock.
 *
 * Return: the parts in bytes; those of the second page are 0 if the object
 * lies on one page.
 */
static inline struct zs_split zs_obj_split(unsigned long page_size,
					   unsigned int size, unsigned int idx)
{
	unsigned long off = ((unsigned long)size * idx) & (page_size - 1);
	unsigned int first = min(size, page_size - off);
	unsigned int orig = page_size;

	/* 64 bits: the product does not fit in 32 with pages above 64 KiB */
	if (first < size)
		orig = div_u64((u64)page_size * first, size);

	return (struct zs_split) {
		.bytes = { first, size - first },
		.orig = { orig, page_size - orig },
	};
}

#endif /* _MM_ZSMALLOC_SPLIT_H */
