/* SPDX-License-Identifier: GPL-2.0 */

#pragma once

/*
 * What mm/zsmalloc.c sees instead of the kernel: plain data types and lists
 * come from tools/include, the rest is stubbed or customised here. Each header
 * in linux/ that tools/include has not or that does not suit leads here.
 */

/* Before assert.h, whose static_assert() demands a message. */
#include <linux/build_bug.h>

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/param.h>

/* As in the kernel, the two may be unsigned types of different width. */
#define min(x, y) ({				\
	typeof(x) _min1 = (x);			\
	typeof(y) _min2 = (y);			\
	_min1 < _min2 ? _min1 : _min2; })

#include <linux/const.h>
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/kconfig.h>
#include <linux/kernel.h>
#include <linux/list.h>
#include <linux/log2.h>
#include <linux/sizes.h>
#include <linux/string.h>
#include <linux/types.h>

#undef static_assert
#define static_assert(expr, ...) __static_assert(expr, #expr)

#include "include/stubs.h"
#include "include/sync.h"
#include "include/custom.h"
#include "include/debugfs.h"
