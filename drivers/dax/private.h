/* SPDX-License-Identifier: GPL-2.0 */
#ifndef __DAX_PRIVATE_NODE_H__
#define __DAX_PRIVATE_NODE_H__

#include <linux/list.h>
#include <linux/private_node.h>
#include <linux/range.h>

struct device;
struct module;

/**
 * struct private_dax_provider - who makes a private node of a dax device
 * @name: as it is written to the attribute "provider"
 * @owner: cannot be unloaded as long as a node of it exists
 * @register_node: private_node_register() for a node whose memory, all that will
 *	be added, is within @span
 * @unregister_node: undo that. The node has no memory.
 * @list: of private_dax
 *
 * Both in process context, may sleep.
 */
struct private_dax_provider {
	const char *name;
	struct module *owner;
	struct private_node *(*register_node)(struct device *dev, int nid,
					      const struct range *span);
	void (*unregister_node)(struct private_node *pn);
	struct list_head list;
};

int private_dax_add_provider(struct private_dax_provider *provider);
void private_dax_del_provider(struct private_dax_provider *provider);

#endif /* __DAX_PRIVATE_NODE_H__ */
