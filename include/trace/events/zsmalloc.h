/* SPDX-License-Identifier: GPL-2.0 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM zsmalloc

#if !defined(_TRACE_ZSMALLOC_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_ZSMALLOC_H

#include <linux/tracepoint.h>

/* A zspage has lost its last object and waits to be freed. */
TRACE_EVENT(zs_retire,
	    TP_PROTO(const char *pool, int pages, long retired),
	    TP_ARGS(pool, pages, retired),
	    TP_STRUCT__entry(__string(pool, pool)
			     __field(int, pages)
			     __field(long, retired)),
	    TP_fast_assign(__assign_str(pool);
			   __entry->pages = pages;
			   __entry->retired = retired;),
	    TP_printk("pool=%s pages=%d retired=%ld", __get_str(pool),
		      __entry->pages, __entry->retired)
);

/* What waited was freed, but for zspages whose pages are locked. */
TRACE_EVENT(zs_drain,
	    TP_PROTO(const char *pool, const char *by, unsigned long pages,
		     long retired),
	    TP_ARGS(pool, by, pages, retired),
	    TP_STRUCT__entry(__string(pool, pool)
			     __string(by, by)
			     __field(unsigned long, pages)
			     __field(long, retired)),
	    TP_fast_assign(__assign_str(pool);
			   __assign_str(by);
			   __entry->pages = pages;
			   __entry->retired = retired;),
	    TP_printk("pool=%s by=%s pages=%lu retired=%ld", __get_str(pool),
		      __get_str(by), __entry->pages, __entry->retired)
);

#endif /* _TRACE_ZSMALLOC_H */

/* This part must be outside protection */
#include <trace/define_trace.h>
