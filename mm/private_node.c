// SPDX-License-Identifier: GPL-2.0
/*
 * NUMA nodes whose memory belongs to a driver.
 *
 * The page allocator manages it, and nothing gets it but through here: a page is
 * allocated, written once and read until it is freed. It is never mapped, never
 * on an LRU list, and never written to again. So the driver of a device that
 * compresses knows of each page before and after it is written, and nothing can
 * change how much a page takes up.
 *
 * Documentation/mm/private_nodes.rst has the model and who locks what.
 */
#define pr_fmt(fmt) "private_node: " fmt

#include <linux/bitmap.h>
#include <linux/cacheflush.h>
#include <linux/cleanup.h>
#include <linux/highmem.h>
#include <linux/libnvdimm.h>
#include <linux/memory.h>
#include <linux/memory-tiers.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/node.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/srcu.h>
#include <linux/workqueue.h>

#include "page_alloc.h"
#include "private_node.h"
#include "private_node_budget.h"

#undef MODULE_PARAM_PREFIX
#define MODULE_PARAM_PREFIX "private_node."

/* While pages are stored, the device is asked that often how much room is left. */
static unsigned int refresh_ms = 100;
module_param(refresh_ms, uint, 0644);
MODULE_PARM_DESC(refresh_ms, "Milliseconds between two questions to a device");

/* Whoever is refused has it asked again, but not more often than that. */
#define PN_KICK_MS	10
/*
 * How much to get rid of, and how long to wait until the device may have said that
 * it is enough, before more is: 64 pages, or a thousandth of what is there.
 */
#define PN_SHRINK_PAGES	64UL
#define PN_SHRINK_SHIFT	10
#define PN_SHRINK_MS	10
/* How often to try pages that cannot be evacuated, as long as others can. */
#define PN_EVACUATE_ROUNDS	3
/* Each page for which there is no memory has had somebody try hard to find some. */
#define PN_EVACUATE_NO_MEMORY	16
#define PN_MAX_RANGES	8

struct pn_range {
	unsigned long start_pfn;
	unsigned long nr_pages;
	/*
	 * A bit for each page that holds data. Set before data are written,
	 * cleared before the page is freed, both by whoever has the page alone:
	 * no lock.
	 */
	unsigned long *live;
};

struct private_node {
	struct private_node_desc desc;

	/* Stores take and settle, the worker asks. Leaf, any context. */
	raw_spinlock_t lock;
	struct pn_budget budget;	/* by @lock */
	struct private_node_usage usage;	/* the last answer, by @lock */
	unsigned int average;		/* bytes of a page, by @lock */

	/* Each written by one, read by all without a lock. */
	enum private_node_state state;	/* as the driver says */
	bool silent;			/* the device does not answer */
	bool gone;			/* the driver loses the device */
	bool closed;			/* as the administrator says */

	/*
	 * Above 0 there are no stores: none begins, and pn_freeze() has waited
	 * for the last one.
	 */
	atomic_t frozen;

	/*
	 * Changed under private_node_mutex with stores frozen and no page live,
	 * or, by adding one, before there are any.
	 */
	unsigned int nr_ranges;
	struct pn_range ranges[PN_MAX_RANGES];

	/* The block that is being taken offline. By mem_hotplug_lock. */
	unsigned long offlining_pfn;
	bool offlining;

	atomic_long_t nr_live;
	atomic_long_t nr_refused;
	unsigned long asked;		/* jiffies, by the work */
	struct delayed_work refresh;
	struct delayed_work pressure;
	struct kobject *kobj;
};

/*
 * Registration, and adding and removing memory. Taken before device_hotplug_lock
 * and mem_hotplug_lock; the memory notifier, which runs under these, does not
 * take it.
 */
static DEFINE_MUTEX(private_node_mutex);

/* Held by stores, from before they look at the node. */
DEFINE_STATIC_SRCU(private_node_srcu);

static struct private_node *page_private_node(struct page *page)
{
	return page_pgdat(page)->private_node;
}

static struct pn_range *pn_find_range(struct private_node *pn, unsigned long pfn)
{
	unsigned int i, nr;

	/* After what private_node_add_memory() has written to the last one. */
	nr = smp_load_acquire(&pn->nr_ranges);
	for (i = 0; i < nr; i++)
		if (pfn - pn->ranges[i].start_pfn < pn->ranges[i].nr_pages)
			return &pn->ranges[i];
	return NULL;
}

static void pn_mark_live(struct private_node *pn, struct page *page)
{
	unsigned long pfn = page_to_pfn(page);
	struct pn_range *range = pn_find_range(pn, pfn);

	WARN_ON_ONCE(test_and_set_bit(pfn - range->start_pfn, range->live));
	atomic_long_inc(&pn->nr_live);
}

static void pn_mark_dead(struct private_node *pn, struct page *page)
{
	unsigned long pfn = page_to_pfn(page);
	struct pn_range *range = pn_find_range(pn, pfn);

	WARN_ON_ONCE(!test_and_clear_bit(pfn - range->start_pfn, range->live));
	atomic_long_dec(&pn->nr_live);
}

static enum private_node_state pn_state(const struct private_node *pn)
{
	if (READ_ONCE(pn->closed) || READ_ONCE(pn->gone) || READ_ONCE(pn->silent))
		return PN_CLOSED;
	return READ_ONCE(pn->state);
}

static unsigned long pn_total_pages(struct private_node *pn)
{
	unsigned long total = 0;
	unsigned int i, nr;

	/* As in pn_find_range(). */
	nr = smp_load_acquire(&pn->nr_ranges);
	for (i = 0; i < nr; i++)
		total += pn->ranges[i].nr_pages;
	return total;
}

/*
 * What the device has room for
 */

static bool pn_take(struct private_node *pn)
{
	guard(raw_spinlock_irqsave)(&pn->lock);
	return pn_budget_take(&pn->budget, pn->desc.worst_case);
}

static void pn_settle(struct private_node *pn, u32 cost)
{
	guard(raw_spinlock_irqsave)(&pn->lock);
	pn_budget_settle(&pn->budget, pn->desc.worst_case, cost);
}

static unsigned int pn_average(struct private_node *pn)
{
	guard(raw_spinlock_irqsave)(&pn->lock);
	return pn->average;
}

/*
 * Of a device that does not tell what a page takes up, take what they take up on
 * average: less than a page in any case. Whoever stores a page to have more room
 * is not helped by one that takes up a page.
 */
static void pn_update_average(struct private_node *pn)
{
	unsigned long live = atomic_long_read(&pn->nr_live);

	if (live)
		pn->average = clamp(div64_ul(pn->usage.media_used, live), 1ULL,
				    (u64)PAGE_SIZE - 1);
}

/*
 * Who stores wants to know sooner or later how much room is left. Called after
 * what has changed it: whoever finds the work queued already can rely on that it
 * will see the change, which a look at the pending bit does not tell.
 */
static void pn_refresh_later(struct private_node *pn)
{
	queue_delayed_work(system_dfl_wq, &pn->refresh,
			   msecs_to_jiffies(READ_ONCE(refresh_ms)));
}

static void pn_refresh_work(struct work_struct *work)
{
	struct private_node *pn = container_of(to_delayed_work(work),
					       struct private_node, refresh);
	struct private_node_usage usage = {};
	int err;

	scoped_guard(raw_spinlock_irqsave, &pn->lock)
		pn_budget_ask(&pn->budget);
	WRITE_ONCE(pn->asked, jiffies);

	err = pn->desc.ops->usage(pn, &usage);

	scoped_guard(raw_spinlock_irqsave, &pn->lock) {
		if (err) {
			pn_budget_no_answer(&pn->budget);
		} else {
			pn_budget_answer(&pn->budget, usage.media_total -
					 usage.media_reserved - usage.media_used);
			pn->usage = usage;
			pn_update_average(pn);
		}
	}

	if (pn->silent != !!err)
		pr_warn("node %d: the device %s (%d), stores are %s\n",
			pn->desc.nid, err ? "does not answer" : "answers again",
			err, err ? "refused" : "accepted");
	WRITE_ONCE(pn->silent, err);
	if (err)
		pn_refresh_later(pn);
}

/**
 * private_node_kick() - have the device asked for its room, soon
 * @pn: the node
 *
 * For drivers that are told by their device that something has changed.
 *
 * Context: any but NMI.
 */
void private_node_kick(struct private_node *pn)
{
	unsigned long earliest = READ_ONCE(pn->asked) +
				 msecs_to_jiffies(PN_KICK_MS);
	unsigned long now = jiffies;

	mod_delayed_work(system_dfl_wq, &pn->refresh,
			 time_before(now, earliest) ? earliest - now : 0);
}
EXPORT_SYMBOL_GPL(private_node_kick);

/**
 * private_node_begin_refund() - a released page is about to leave room
 * @pn: the node
 *
 * Context: any but NMI.
 *
 * Return: what private_node_refund() wants.
 */
unsigned int private_node_begin_refund(struct private_node *pn)
{
	guard(raw_spinlock_irqsave)(&pn->lock);
	return pn_budget_begin_refund(&pn->budget);
}
EXPORT_SYMBOL_GPL(private_node_begin_refund);

/**
 * private_node_refund() - room that a released page has left
 * @pn: the node
 * @begin: of private_node_begin_refund(), before any of it was free
 * @bytes: what is free on the media now, exactly
 *
 * For drivers that know without asking. Others need not do anything: the next
 * answer of the device has it.
 *
 * Context: any but NMI.
 */
void private_node_refund(struct private_node *pn, unsigned int begin, u32 bytes)
{
	guard(raw_spinlock_irqsave)(&pn->lock);
	pn_budget_refund(&pn->budget, begin, bytes);
}
EXPORT_SYMBOL_GPL(private_node_refund);

static void pn_pressure_work(struct work_struct *work)
{
	struct private_node *pn = container_of(to_delayed_work(work),
					       struct private_node, pressure);
	unsigned long live = atomic_long_read(&pn->nr_live), shrunk;

	if (READ_ONCE(pn->state) == PN_OPEN || !live)
		return;

	shrunk = mt_private_shrink(pn->desc.use, pn->desc.nid,
				   max(PN_SHRINK_PAGES, live >> PN_SHRINK_SHIFT));
	/* What the driver still keeps is no room. */
	if (shrunk && pn->desc.ops->quiesce)
		pn->desc.ops->quiesce(pn);

	/* Or nothing can be done at present, but the device still wants it. */
	queue_delayed_work(system_dfl_wq, &pn->pressure,
			   msecs_to_jiffies(shrunk ? PN_SHRINK_MS :
						     READ_ONCE(refresh_ms)));
}

/**
 * private_node_set_state() - the device is short of room, or is not any more
 * @pn: the node
 * @state: what it can take
 *
 * A hint that makes things better: the budget alone keeps the device from being
 * written to beyond what it can take, also if this comes late or never.
 *
 * Context: any but NMI.
 */
void private_node_set_state(struct private_node *pn,
			    enum private_node_state state)
{
	WRITE_ONCE(pn->state, state);
	if (state != PN_OPEN)
		mod_delayed_work(system_dfl_wq, &pn->pressure, 0);
	private_node_kick(pn);
}
EXPORT_SYMBOL_GPL(private_node_set_state);

/**
 * private_node_close() - store nothing any more
 * @pn: the node
 *
 * For drivers that lose their device and cannot wait until the node is empty.
 * What is on it can be read as long as the device lets it be. Nobody opens the
 * node again.
 *
 * Context: any.
 */
void private_node_close(struct private_node *pn)
{
	WRITE_ONCE(pn->gone, true);
}
EXPORT_SYMBOL_GPL(private_node_close);

/*
 * Pages
 */

/* The page will never be used again, and nothing but this bit tells others so. */
static void pn_poison(struct page *page)
{
	/*
	 * memory_failure(), which is queued by whoever has found out, comes
	 * later. Until then the page might be freed, and allocated.
	 */
	if (!TestSetPageHWPoison(page))
		num_poisoned_pages_inc(page_to_pfn(page));
}

static void pn_free_page(struct private_node *pn, struct page *page)
{
	/* While there still is a page, there is @pn. */
	pn_refresh_later(pn);
	set_page_private(page, 0);
	/* With PG_hwpoison it goes nowhere. */
	__free_page(page);
}

static void pn_release(struct private_node *pn, struct page *page)
{
	const struct private_node_ops *ops = pn->desc.ops;

	if (ops->release && ops->release(pn, page))
		return;
	/* A device that compresses takes this as "free". */
	if (!PageHWPoison(page))
		clear_highpage(page);
	pn_free_page(pn, page);
}

/**
 * private_node_release_done() - a page that the driver has kept may be used again
 * @pn: the node
 * @page: one for which &private_node_ops.release has returned true
 *
 * Context: any but NMI.
 */
void private_node_release_done(struct private_node *pn, struct page *page)
{
	WARN_ON_ONCE(page_private_node(page) != pn);
	pn_free_page(pn, page);
}
EXPORT_SYMBOL_GPL(private_node_release_done);

/*
 * Read the page from the device and not from a cache, bit by bit as a poisoned
 * one can only be read by copying. Return 0, or -EIO for another page.
 */
static int pn_verify(struct page *page, struct page *src)
{
	char *vpage = page_address(page), *vsrc, buf[256];
	unsigned int i;
	int err = 0;

#ifdef CONFIG_X86
	clflush_cache_range(vpage, PAGE_SIZE);
#endif
	vsrc = kmap_local_page(src);
	for (i = 0; i < PAGE_SIZE && !err; i += sizeof(buf)) {
		if (copy_mc_to_kernel(buf, vpage + i, sizeof(buf))) {
			pn_poison(page);
			err = -EIO;
		} else if (memcmp(buf, vsrc + i, sizeof(buf))) {
			err = -EIO;
		}
	}
	kunmap_local(vsrc);
	return err;
}

/* Return the bytes that the page takes up, or an error. */
static int pn_write(struct private_node *pn, struct page *page, struct page *src)
{
	const struct private_node_desc *desc = &pn->desc;
	int ret;

	/* The source may be poisoned: then whoever needs it next finds out. */
	if (copy_mc_highpage(page, src))
		return -EIO;
	/*
	 * The device learns of what is in a CPU's cache when the line is evicted:
	 * after it has been asked how much room there is.
	 */
	arch_wb_cache_pmem(page_address(page), PAGE_SIZE);
	pmem_wmb();

	ret = desc->ops->stored ? desc->ops->stored(pn, page, src) : -EOPNOTSUPP;
	if ((desc->flags & PN_F_VERIFY) && (ret > 0 || ret == -EOPNOTSUPP) &&
	    pn_verify(page, src))
		return -EIO;
	return ret;
}

static struct page *pn_store(struct private_node *pn, struct page *src,
			     unsigned long cookie, unsigned int *bytes)
{
	const struct private_node_ops *ops = pn->desc.ops;
	struct page *page;
	int ret;

	if (atomic_read(&pn->frozen) || pn_state(pn) == PN_CLOSED)
		return ERR_PTR(-EBUSY);
	if (!pn_take(pn)) {
		if (!delayed_work_pending(&pn->refresh))
			private_node_kick(pn);
		return ERR_PTR(-ENOSPC);
	}

	page = alloc_private_page(pn->desc.nid);
	if (!page) {
		pn_settle(pn, 0);
		return ERR_PTR(-ENOMEM);
	}
	ret = ops->admit ? ops->admit(pn, page) : 0;
	if (ret) {
		pn_settle(pn, 0);
		pn_free_page(pn, page);
		return ERR_PTR(ret);
	}

	set_page_private(page, cookie);
	pn_mark_live(pn, page);
	ret = pn_write(pn, page, src);
	pn_refresh_later(pn);
	if (ret == -EOPNOTSUPP) {
		*bytes = pn_average(pn);
		pn_settle(pn, pn->desc.worst_case);
		return page;
	}
	if (ret > 0 && ret < PAGE_SIZE) {
		*bytes = ret;
		pn_settle(pn, ret);
		return page;
	}

	/* It is there, and takes up something until it is released. */
	pn_settle(pn, ret > 0 ? ret : pn->desc.worst_case);
	pn_mark_dead(pn, page);
	pn_release(pn, page);
	return ERR_PTR(ret < 0 ? ret : -E2BIG);
}

/**
 * private_node_store() - copy a page to a private node
 * @nid: the node
 * @use: what for
 * @src: what to copy
 * @cookie: for the user's callbacks
 * @bytes: set to what it takes up there, at least 1 and less than PAGE_SIZE
 *
 * Context: process context, may sleep. Does not reclaim.
 *
 * Return: the page, mt_private_page_free() frees it. Or an ERR_PTR() of -EBUSY (no
 * stores at present), -ENOSPC (no room on the device), -ENOMEM (no page), -E2BIG
 * (takes up more than it is worth), -EIO (the source is poisoned, or the device
 * did not take it), or what the driver says.
 */
struct page *private_node_store(int nid, enum mt_private_use use, struct page *src,
				unsigned long cookie, unsigned int *bytes)
{
	struct private_node *pn;
	struct page *page;

	guard(srcu)(&private_node_srcu);
	pn = READ_ONCE(NODE_DATA(nid)->private_node);
	/* It may have gone, and be there again for something else. */
	if (!pn || pn->desc.use != use)
		return ERR_PTR(-EBUSY);

	page = pn_store(pn, src, cookie, bytes);
	if (IS_ERR(page))
		atomic_long_inc(&pn->nr_refused);
	return page;
}

/**
 * mt_copy_page_from() - copy a page from a private node
 * @dst: where to
 * @page: one of mt_migrate_page_to(), which the caller keeps from being freed
 *
 * Context: as copy_mc_highpage().
 *
 * Return: 0, or -EIO if the data are lost. Then they are for good, and the page
 * will not be touched again.
 */
int mt_copy_page_from(struct page *dst, struct page *page)
{
	if (PageHWPoison(page))
		return -EIO;
	if (!copy_mc_highpage(dst, page))
		return 0;
	pn_poison(page);
	return -EIO;
}

/**
 * mt_private_page_free() - free a page of a private node
 * @page: one of mt_migrate_page_to()
 *
 * Context: any but NMI.
 */
void mt_private_page_free(struct page *page)
{
	struct private_node *pn = page_private_node(page);

	/*
	 * Without the bit, whoever takes the memory offline does not see the page
	 * any more, but he does not get it before it is free. Then @pn may go.
	 */
	pn_mark_dead(pn, page);
	pn_release(pn, page);
}

/*
 * Memory comes and goes
 */

static void pn_freeze(struct private_node *pn)
{
	atomic_inc(&pn->frozen);
	synchronize_srcu(&private_node_srcu);
}

static void pn_thaw(struct private_node *pn)
{
	atomic_dec(&pn->frozen);
}

/*
 * Return the number of pages that have gone, or -EINTR. Those after the last for
 * which there was no memory count as not left.
 */
static long pn_evacuate_round(struct private_node *pn, struct pn_range *range,
			      unsigned long start, unsigned long end,
			      unsigned long *left)
{
	unsigned int no_memory = 0;
	unsigned long bit;
	long gone = 0;

	*left = 0;
	for (bit = start; bit < end && no_memory < PN_EVACUATE_NO_MEMORY; bit++) {
		struct page *page;
		int err;

		bit = find_next_bit(range->live, end, bit);
		if (bit == end)
			break;
		if (signal_pending(current))
			return -EINTR;
		cond_resched();

		page = pfn_to_page(range->start_pfn + bit);
		err = mt_private_evacuate(pn->desc.use, page,
					  READ_ONCE(page_private(page)));
		if (!test_bit(bit, range->live)) {
			gone++;
			continue;
		}
		(*left)++;
		no_memory += err == -ENOMEM;
	}
	return gone;
}

/*
 * Have pages of a range given back, while no new ones are stored: all, or as many
 * as can be without anything being lost. Takes as long as users take to try each
 * page a few times.
 */
static int pn_evacuate(struct private_node *pn, struct pn_range *range,
		       unsigned long start_pfn, unsigned long nr_pages)
{
	unsigned long start = start_pfn - range->start_pfn, left;
	int rounds;
	long gone;

	for (rounds = 0; rounds < PN_EVACUATE_ROUNDS; rounds++) {
		gone = pn_evacuate_round(pn, range, start, start + nr_pages, &left);
		if (gone < 0)
			return gone;
		if (!left) {
			if (pn->desc.ops->quiesce)
				pn->desc.ops->quiesce(pn);
			return 0;
		}
		if (!gone)
			break;
	}
	pr_info("node %d: %lu pages or more can't be evacuated\n", pn->desc.nid,
		left);
	return -EBUSY;
}

/*
 * Without this, offline_pages() would not come to an end: it looks for pages to
 * migrate, finds none, and tries again because not all are free.
 */
static int pn_going_offline(struct private_node *pn, struct memory_notify *arg)
{
	struct pn_range *range = pn_find_range(pn, arg->start_pfn);
	int err;

	if (WARN_ON_ONCE(!range))
		return -EBUSY;

	pn_freeze(pn);
	err = pn_evacuate(pn, range, arg->start_pfn, arg->nr_pages);
	if (err) {
		pn_thaw(pn);
		return err;
	}
	pn->offlining = true;
	pn->offlining_pfn = arg->start_pfn;
	return 0;
}

static int pn_memory_callback(struct notifier_block *nb, unsigned long action,
			      void *data)
{
	struct memory_notify *arg = data;
	struct private_node *pn = page_private_node(pfn_to_page(arg->start_pfn));

	if (!pn)
		return NOTIFY_OK;

	switch (action) {
	case MEM_GOING_OFFLINE:
		return notifier_from_errno(pn_going_offline(pn, arg));
	case MEM_CANCEL_OFFLINE:
	case MEM_OFFLINE:
		/* Also called if it was not us who went first. */
		if (pn->offlining && pn->offlining_pfn == arg->start_pfn) {
			pn->offlining = false;
			pn_thaw(pn);
		}
		break;
	}
	return NOTIFY_OK;
}

/*
 * nodeN/private/
 */

static struct private_node *kobj_to_pn(struct kobject *kobj)
{
	/* The folder goes before the node's owner does. */
	return NODE_DATA(kobj_to_dev(kobj->parent)->id)->private_node;
}

#define PN_ATTR_RO(_name, _fmt, _value)						\
static ssize_t _name##_show(struct kobject *kobj, struct kobj_attribute *attr,	\
			    char *buf)						\
{										\
	struct private_node *pn = kobj_to_pn(kobj);				\
										\
	return sysfs_emit(buf, _fmt "\n", _value);				\
}										\
static struct kobj_attribute _name##_attr = __ATTR_RO(_name)

static const char * const pn_state_names[] = {
	[PN_OPEN]	= "open",
	[PN_PRESSURE]	= "pressure",
	[PN_CLOSED]	= "closed",
};

static const char * const pn_use_names[] = {
	[MT_PRIVATE_TEST]	= "test",
	[MT_PRIVATE_ZSWAP]	= "zswap",
};

static s64 pn_budget_bytes(struct private_node *pn)
{
	guard(raw_spinlock_irqsave)(&pn->lock);
	return pn->budget.bytes;
}

static struct private_node_usage pn_usage(struct private_node *pn)
{
	guard(raw_spinlock_irqsave)(&pn->lock);
	return pn->usage;
}

PN_ATTR_RO(provider, "%s", pn->desc.name);
PN_ATTR_RO(use, "%s", pn_use_names[pn->desc.use]);
PN_ATTR_RO(state, "%s", pn_state_names[pn_state(pn)]);
PN_ATTR_RO(total_pages, "%lu", pn_total_pages(pn));
PN_ATTR_RO(stored_pages, "%ld", atomic_long_read(&pn->nr_live));
PN_ATTR_RO(refused, "%ld", atomic_long_read(&pn->nr_refused));
PN_ATTR_RO(media_total, "%llu", pn_usage(pn).media_total);
PN_ATTR_RO(media_used, "%llu", pn_usage(pn).media_used);
PN_ATTR_RO(budget_bytes, "%lld", pn_budget_bytes(pn));

static ssize_t closed_show(struct kobject *kobj, struct kobj_attribute *attr,
			   char *buf)
{
	return sysfs_emit(buf, "%d\n", kobj_to_pn(kobj)->closed);
}

static ssize_t closed_store(struct kobject *kobj, struct kobj_attribute *attr,
			    const char *buf, size_t len)
{
	struct private_node *pn = kobj_to_pn(kobj);
	bool closed;
	int err;

	err = kstrtobool(buf, &closed);
	if (err)
		return err;
	WRITE_ONCE(pn->closed, closed);
	return len;
}

static struct kobj_attribute closed_attr = __ATTR_RW(closed);

static struct attribute *pn_attrs[] = {
	&provider_attr.attr,
	&use_attr.attr,
	&state_attr.attr,
	&total_pages_attr.attr,
	&stored_pages_attr.attr,
	&refused_attr.attr,
	&media_total_attr.attr,
	&media_used_attr.attr,
	&budget_bytes_attr.attr,
	&closed_attr.attr,
	NULL,
};

static const struct attribute_group pn_attr_group = {
	.attrs = pn_attrs,
};

/* What it cannot be made for, it is not there for. */
static void pn_sysfs_add(struct private_node *pn)
{
	pn->kobj = kobject_create_and_add("private",
					  &node_devices[pn->desc.nid]->dev.kobj);
	if (pn->kobj && !sysfs_create_group(pn->kobj, &pn_attr_group))
		return;
	pr_warn("node %d: no memory for its folder \"private\"\n", pn->desc.nid);
	kobject_put(pn->kobj);
	pn->kobj = NULL;
}

static void pn_sysfs_del(struct private_node *pn)
{
	kobject_put(pn->kobj);
	pn->kobj = NULL;
}

/*
 * Drivers
 */

void *private_node_drvdata(const struct private_node *pn)
{
	return pn->desc.drvdata;
}
EXPORT_SYMBOL_GPL(private_node_drvdata);

int private_node_nid(const struct private_node *pn)
{
	return pn->desc.nid;
}
EXPORT_SYMBOL_GPL(private_node_nid);

static bool pn_desc_valid(const struct private_node_desc *desc)
{
	return desc->name && desc->ops && desc->ops->usage &&
	       desc->use < NR_MT_PRIVATE_USES && desc->worst_case >= PAGE_SIZE &&
	       desc->nominal && desc->nominal < PAGE_SIZE &&
	       !(desc->flags & ~PN_F_ALL);
}

/* Whether this machine survives to read what the device has lost. */
static bool pn_can_copy_mc(void)
{
#ifdef CONFIG_X86
	return boot_cpu_has(X86_FEATURE_ERMS);
#else
	return true;
#endif
}

/**
 * private_node_register() - claim a node that has no memory
 * @desc: what it is and who asks for it. Is copied.
 *
 * Context: process context, may sleep.
 *
 * Return: the node, private_node_unregister() gives it back. Or an ERR_PTR():
 * -EINVAL if @desc is not as it should be; -EOPNOTSUPP on a machine that does not
 * survive to read poisoned memory; -ENODEV if the driver is being unloaded;
 * -ENOMEM; and those of node_set_private().
 */
struct private_node *private_node_register(const struct private_node_desc *desc)
{
	struct private_node *pn;
	int err;

	if (!pn_desc_valid(desc))
		return ERR_PTR(-EINVAL);
	if ((desc->flags & PN_F_VERIFY) && !IS_ENABLED(CONFIG_X86))
		return ERR_PTR(-EOPNOTSUPP);
	if (!pn_can_copy_mc()) {
		pr_warn("node %d: the CPU cannot recover from reading lost data\n",
			desc->nid);
		return ERR_PTR(-EOPNOTSUPP);
	}

	pn = kzalloc_obj(*pn);
	if (!pn)
		return ERR_PTR(-ENOMEM);
	pn->desc = *desc;
	pn->average = desc->nominal;
	pn->asked = jiffies;
	raw_spin_lock_init(&pn->lock);
	INIT_DELAYED_WORK(&pn->refresh, pn_refresh_work);
	INIT_DELAYED_WORK(&pn->pressure, pn_pressure_work);

	err = -ENODEV;
	if (!try_module_get(desc->ops->owner))
		goto free;
	/* No stores before there is memory. */
	atomic_set(&pn->frozen, 1);
	err = node_set_private(desc->nid, pn);
	if (err)
		goto put;
	return pn;
put:
	module_put(desc->ops->owner);
free:
	kfree(pn);
	return ERR_PTR(err);
}
EXPORT_SYMBOL_GPL(private_node_register);

/**
 * private_node_unregister() - give back a node that has no memory
 * @pn: the node. Does not exist any more afterwards.
 *
 * Context: process context, may sleep.
 *
 * Return: 0, or -EBUSY for a node with memory: see private_node_remove_memory().
 */
int private_node_unregister(struct private_node *pn)
{
	int err;

	scoped_guard(mutex, &private_node_mutex)
		err = pn->nr_ranges ? -EBUSY : node_clear_private(pn->desc.nid);
	if (err)
		return err;

	/* A store may have seen it, and the driver may have kicked it. */
	synchronize_srcu(&private_node_srcu);
	cancel_delayed_work_sync(&pn->pressure);
	cancel_delayed_work_sync(&pn->refresh);
	module_put(pn->desc.ops->owner);
	kfree(pn);
	return 0;
}
EXPORT_SYMBOL_GPL(private_node_unregister);

static struct range pn_phys_range(const struct pn_range *range)
{
	return (struct range) {
		.start = PFN_PHYS(range->start_pfn),
		.end = PFN_PHYS(range->start_pfn + range->nr_pages) - 1,
	};
}

static bool pn_range_online(const struct pn_range *range)
{
	unsigned long pfn = range->start_pfn;

	for (; pfn < range->start_pfn + range->nr_pages; pfn += PAGES_PER_SECTION)
		if (!pfn_to_online_page(pfn))
			return false;
	return true;
}

static void pn_open_for_use(struct private_node *pn)
{
	pn_sysfs_add(pn);
	mt_private_add_node(pn->desc.use, pn->desc.nid);
	private_node_kick(pn);
	pn_thaw(pn);
}

/**
 * private_node_add_memory() - add memory to a private node, and have it used
 * @pn: the node
 * @start: physical address, a multiple of the size of a memory block
 * @size: in bytes, as well
 * @resource_name: as for __add_memory_driver_managed()
 *
 * Stores begin when the device has said how much room it has.
 *
 * Context: process context, may sleep. Takes device_hotplug_lock.
 *
 * Return: 0; -EINVAL, -EEXIST and others of __add_memory_driver_managed();
 * -ENOMEM; -ENOSPC for more ranges than there may be; -EIO if not all of it came
 * online. Nothing is added then. If a part came online, and cannot be taken back
 * for a signal or the like, it is used: 0.
 */
int private_node_add_memory(struct private_node *pn, u64 start, u64 size,
			    const char *resource_name)
{
	struct range phys = { .start = start, .end = start + size - 1 };
	struct pn_range *range;
	int err;

	if (!size || !IS_ALIGNED(start | size, memory_block_size_bytes()))
		return -EINVAL;

	guard(mutex)(&private_node_mutex);
	if (pn->nr_ranges == PN_MAX_RANGES)
		return -ENOSPC;
	range = &pn->ranges[pn->nr_ranges];
	range->start_pfn = PHYS_PFN(start);
	range->nr_pages = PHYS_PFN(size);
	range->live = kvcalloc(BITS_TO_LONGS(range->nr_pages), sizeof(long),
			       GFP_KERNEL);
	if (!range->live)
		return -ENOMEM;
	/* Before pages of it can be allocated. */
	smp_store_release(&pn->nr_ranges, pn->nr_ranges + 1);

	err = __add_memory_driver_managed(pn->desc.nid, start, size, resource_name,
					  MHP_PRIVATE, MMOP_ONLINE_MOVABLE);
	if (err)
		goto undo;
	if (!pn_range_online(range)) {
		err = offline_and_remove_memory_ranges(&phys, 1);
		if (!err) {
			err = -EIO;
			goto undo;
		}
		/* It stays, and is used as far as it is online. */
		pr_warn("node %d: %#llx-%#llx is online in part, and cannot be removed (%d)\n",
			pn->desc.nid, phys.start, phys.end, err);
	}

	if (pn->nr_ranges == 1)
		pn_open_for_use(pn);
	return 0;
undo:
	/* Others, whose pages are in use, are looked up meanwhile. */
	WRITE_ONCE(pn->nr_ranges, pn->nr_ranges - 1);
	kvfree(range->live);
	return err;
}
EXPORT_SYMBOL_GPL(private_node_add_memory);

static int pn_evacuate_all(struct private_node *pn)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < pn->nr_ranges && !err; i++)
		err = pn_evacuate(pn, &pn->ranges[i], pn->ranges[i].start_pfn,
				  pn->ranges[i].nr_pages);
	return err;
}

/**
 * private_node_remove_memory() - evacuate a node and take its memory out
 * @pn: the node
 *
 * All of it, or nothing: then the node can be used as before, and everything on
 * it is readable.
 *
 * Context: process context, may sleep. Takes device_hotplug_lock.
 *
 * Return: 0; -EBUSY if pages can't be evacuated; -EINTR on a signal; or others
 * of offline_and_remove_memory_ranges().
 */
int private_node_remove_memory(struct private_node *pn)
{
	struct range ranges[PN_MAX_RANGES];
	unsigned int i;
	int err;

	guard(mutex)(&private_node_mutex);
	if (!pn->nr_ranges)
		return 0;

	pn_freeze(pn);
	err = pn_evacuate_all(pn);
	if (err) {
		pn_thaw(pn);
		return err;
	}
	for (i = 0; i < pn->nr_ranges; i++)
		ranges[i] = pn_phys_range(&pn->ranges[i]);

	/* The node's device may go with its memory. */
	mt_private_del_node(pn->desc.use, pn->desc.nid);
	pn_sysfs_del(pn);
	err = offline_and_remove_memory_ranges(ranges, pn->nr_ranges);
	if (err) {
		pn_open_for_use(pn);
		return err;
	}

	cancel_delayed_work_sync(&pn->pressure);
	while (pn->nr_ranges)
		kvfree(pn->ranges[--pn->nr_ranges].live);
	/* Still frozen, until there is memory again. */
	return 0;
}
EXPORT_SYMBOL_GPL(private_node_remove_memory);

static int __init private_node_init(void)
{
	/* Last: with others' vetoes, evacuation would be for nothing. */
	hotplug_memory_notifier(pn_memory_callback, INT_MIN);
	return 0;
}
core_initcall(private_node_init);
