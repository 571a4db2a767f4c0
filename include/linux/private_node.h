/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LINUX_PRIVATE_NODE_H
#define _LINUX_PRIVATE_NODE_H

#include <linux/bits.h>
#include <linux/mmzone.h>
#include <linux/types.h>

struct module;
struct page;
struct private_node;

#ifdef CONFIG_PRIVATE_NODE

/* What the pages of a node are for. A node has one use. */
enum mt_private_use {
	MT_PRIVATE_TEST,
	MT_PRIVATE_ZSWAP,
	NR_MT_PRIVATE_USES
};

/**
 * enum private_node_state - what a device can take
 * @PN_OPEN: stores
 * @PN_PRESSURE: stores, but had better get rid of some, too
 * @PN_CLOSED: no stores, and it had better get rid of some
 */
enum private_node_state { PN_OPEN, PN_PRESSURE, PN_CLOSED };

/**
 * struct private_node_usage - what a device says about its media, in bytes
 * @media_total: what there is
 * @media_used: what data take up
 * @media_reserved: what nobody may use
 */
struct private_node_usage {
	u64 media_total;
	u64 media_used;
	u64 media_reserved;
};

/**
 * struct private_node_ops - what the driver of a device does for its node
 * @owner: cannot be unloaded as long as the node is registered
 * @admit: may refuse a page before anything is written to it: 0, or an error.
 *	Optional. Process context, may sleep, but not reclaim.
 * @stored: a page has been copied from @src, and has left the CPU's caches.
 *	Returns what it takes up on the media, more than 0, in bytes;
 *	-EOPNOTSUPP if the device does not tell; or another error if the page is
 *	not there or should not be (-E2BIG: too big for what it is). The latter
 *	is followed by @release. Optional. Process context, may sleep, but not
 *	reclaim.
 * @release: a page is not needed any more. Returns true to keep it, for a
 *	private_node_release_done() that may come from here already; false to
 *	have it overwritten with zeroes and freed now. Optional. Any context,
 *	interrupts may be off.
 * @usage: ask the device. 0, or an error if it does not answer: then the node is
 *	closed until it does. Process context, may sleep.
 * @quiesce: do not return before the last private_node_release_done(). Called
 *	while the device is short of room, and before its memory goes. Optional.
 *	Process context, may sleep.
 */
struct private_node_ops {
	struct module *owner;
	int (*admit)(struct private_node *pn, struct page *page);
	int (*stored)(struct private_node *pn, struct page *page, struct page *src);
	bool (*release)(struct private_node *pn, struct page *page);
	int (*usage)(struct private_node *pn, struct private_node_usage *usage);
	void (*quiesce)(struct private_node *pn);
};

/* Read a page back after it is written, and refuse it if it is another one. */
#define PN_F_VERIFY	BIT(0)
#define PN_F_ALL	PN_F_VERIFY

/**
 * struct private_node_desc - what a driver registers
 * @name: of the driver, for people
 * @nid: the node, see node_set_private()
 * @use: what its pages are for
 * @worst_case: what a page may take up on the media at most, with whatever the
 *	device needs besides, in bytes; at least PAGE_SIZE
 * @nominal: what one takes up on average, to begin with, if the device does not
 *	tell; in bytes, less than PAGE_SIZE
 * @flags: PN_F_*
 * @ops: what the driver does
 * @drvdata: for the driver, see private_node_drvdata()
 */
struct private_node_desc {
	const char *name;
	int nid;
	enum mt_private_use use;
	u32 worst_case;
	u32 nominal;
	unsigned long flags;
	const struct private_node_ops *ops;
	void *drvdata;
};

struct private_node *private_node_register(const struct private_node_desc *desc);
int private_node_unregister(struct private_node *pn);
int private_node_add_memory(struct private_node *pn, u64 start, u64 size,
			    const char *resource_name);
int private_node_remove_memory(struct private_node *pn);
void private_node_set_state(struct private_node *pn,
			    enum private_node_state state);
void private_node_kick(struct private_node *pn);
void private_node_close(struct private_node *pn);
unsigned int private_node_begin_refund(struct private_node *pn);
void private_node_refund(struct private_node *pn, unsigned int begin, u32 bytes);
void private_node_release_done(struct private_node *pn, struct page *page);
void *private_node_drvdata(const struct private_node *pn);
int private_node_nid(const struct private_node *pn);

/*
 * Whether memory of this node is private: all of it, as long as it has any.
 * Locking: stable under mem_hotplug_lock, and wherever a page of it is held.
 */
static inline bool pgdat_is_private(const pg_data_t *pgdat)
{
	return READ_ONCE(pgdat->private_node);
}

#else

static inline bool pgdat_is_private(const pg_data_t *pgdat)
{
	return false;
}

#endif /* CONFIG_PRIVATE_NODE */

/* Whether some node has private memory online. Locking: none. */
static inline bool private_nodes_online(void)
{
	return IS_ENABLED(CONFIG_PRIVATE_NODE) &&
	       num_node_state(N_MEMORY_PRIVATE);
}

static inline bool zone_is_private(const struct zone *zone)
{
	return pgdat_is_private(zone->zone_pgdat);
}

#endif /* _LINUX_PRIVATE_NODE_H */
