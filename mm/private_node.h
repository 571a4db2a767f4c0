/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MM_PRIVATE_NODE_H
#define _MM_PRIVATE_NODE_H

#include <linux/private_node.h>

#ifdef CONFIG_PRIVATE_NODE
/* For memory tiering, which chooses the node. */
struct page *private_node_store(int nid, enum mt_private_use use, struct page *src,
				unsigned long cookie, unsigned int *bytes);

/* And what a node wants of whoever uses it. In mm/memory-tiers.c. */
void mt_private_add_node(enum mt_private_use use, int nid);
void mt_private_del_node(enum mt_private_use use, int nid);
int mt_private_evacuate(enum mt_private_use use, struct page *page,
			unsigned long cookie);
unsigned long mt_private_shrink(enum mt_private_use use, int nid,
				unsigned long nr);
#endif /* CONFIG_PRIVATE_NODE */

#endif /* _MM_PRIVATE_NODE_H */
