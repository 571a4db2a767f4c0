/* SPDX-License-Identifier: GPL-2.0 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM zswap

#if !defined(_TRACE_ZSWAP_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_ZSWAP_H

#include <linux/tracepoint.h>

/* Neighbouring pages of a folio were stored together, or none of them was. */
TRACE_EVENT(zswap_store_batch,
	    TP_PROTO(unsigned int order, unsigned int pages,
		     unsigned int direct, unsigned long bytes, bool stored),
	    TP_ARGS(order, pages, direct, bytes, stored),
	    TP_STRUCT__entry(__field(unsigned int, order)
			     __field(unsigned int, pages)
			     __field(unsigned int, direct)
			     __field(unsigned long, bytes)
			     __field(bool, stored)),
	    TP_fast_assign(__entry->order = order;
			   __entry->pages = pages;
			   __entry->direct = direct;
			   __entry->bytes = bytes;
			   __entry->stored = stored;),
	    TP_printk("order=%u pages=%u direct=%u bytes=%lu stored=%d",
		      __entry->order, __entry->pages, __entry->direct,
		      __entry->bytes, __entry->stored)
);

#endif /* _TRACE_ZSWAP_H */

/* This part must be outside protection */
#include <trace/define_trace.h>
