// SPDX-License-Identifier: GPL-2.0
/*
 * A device that compresses, without the device: for testing private nodes.
 *
 * The memory is ordinary memory. What a page takes up on the media is found by
 * compressing it, so capacity depends on content as it does with a real one, and
 * what does not fit is lost as it is there. Everything that makes such a device
 * hard to live with can be switched on in debugfs; see
 * Documentation/mm/private_nodes.rst.
 *
 * It backs devices of private_dax, as provider "emul", or a range of memory that
 * was kept from the kernel with memmap=.
 */
#define pr_fmt(fmt) "private_emul: " fmt

#include <linux/cleanup.h>
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/highmem.h>
#include <linux/irq_work.h>
#include <linux/list.h>
#include <linux/lz4.h>
#include <linux/memory.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/private_node.h>
#include <linux/set_memory.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>
#include <linux/workqueue.h>

#include "private.h"

static unsigned long phys_mib;
module_param(phys_mib, ulong, 0644);
MODULE_PARM_DESC(phys_mib, "MiB of media of nodes to come (default: a quarter of the node)");

static bool verify;
module_param(verify, bool, 0644);
MODULE_PARM_DESC(verify, "Nodes to come read back what is written to them (default: no)");

static const char * const use_names[] = {
	[MT_PRIVATE_TEST]	= "test",
	[MT_PRIVATE_ZSWAP]	= "zswap",
};

static enum mt_private_use use = IS_ENABLED(CONFIG_ZSWAP_DIRECT) ?
				 MT_PRIVATE_ZSWAP : MT_PRIVATE_TEST;

static int use_set(const char *val, const struct kernel_param *kp)
{
	int ret = sysfs_match_string(use_names, val);

	if (ret < 0)
		return ret;
	use = ret;
	return 0;
}

static int use_get(char *buf, const struct kernel_param *kp)
{
	return sysfs_emit(buf, "%s\n", use_names[use]);
}

static const struct kernel_param_ops use_ops = { .set = use_set, .get = use_get };
module_param_cb(use, &use_ops, NULL, 0644);
MODULE_PARM_DESC(use, "What nodes to come are for: zswap or test");

static unsigned long range_start, range_size;
module_param(range_start, ulong, 0600);
MODULE_PARM_DESC(range_start, "Physical address of memory to use without a dax device, when it is onlined next");
module_param(range_size, ulong, 0600);
MODULE_PARM_DESC(range_size, "Bytes of it");

static int range_nid = NUMA_NO_NODE;
module_param(range_nid, int, 0600);
MODULE_PARM_DESC(range_nid, "The node that it becomes");

/* Of a page that is not stored. */
#define EMUL_FREE	0
/* Of a page that is, with whatever the knobs say, and with the worst ratio. */
#define EMUL_MAX_COST	(2 * PAGE_SIZE)
#define EMUL_MAX_SHIFT	1000
#define EMUL_WORST_CASE	(EMUL_MAX_COST * (1000 + EMUL_MAX_SHIFT) / 1000)

struct emul_page {
	u16 cost;		/* bytes on the media, before the ratio changes */
	bool poisoned;		/* not mapped: whoever reads it gets a machine check */
};

struct emul {
	struct private_node *pn;
	struct range span;

	/* Of each page of the span, by whoever has the page. */
	struct emul_page *pages;

	raw_spinlock_t lock;
	u64 used;		/* sum of the costs, by @lock */
	u64 max_used;		/* as the ratio made it, by @lock */
	enum private_node_state state;	/* to be reported, by @lock */
	struct irq_work report;

	/* Compressing takes more than the stack has. */
	struct mutex compress_lock;
	void *workmem;
	char *compressed;

	/* Pages that are discarded later, or need a context that may sleep. */
	spinlock_t discard_lock;
	struct list_head discards;
	unsigned int nr_discards;
	struct delayed_work discard;

	/* Knobs. Read without a lock: that they change is what they are for. */
	u64 phys_bytes;
	u32 granule;
	u32 meta_bytes;
	u32 fixed_bytes;	/* of each page, in place of compressing it */
	u32 low_permille;
	u32 high_permille;
	u32 report_lag_ms;
	u64 under_report_bytes;
	bool no_page_size;
	bool exact_refund;
	u32 discard_ms;
	bool drop;
	u32 ratio_shift;	/* permille */
	bool silent_link;
	u32 poison_next_store;
	u32 refuse_nth;		/* of so many pages one */
	u32 eio_nth;

	atomic_t nr_asked, nr_written;
	atomic_long_t stored;
	atomic_long_t drops;
	atomic_long_t poisons;
	atomic_long_t releases;
	struct dentry *dir;
};

static struct dentry *emul_root;

static struct emul_page *emul_page(struct emul *emul, struct page *page)
{
	return &emul->pages[page_to_pfn(page) - PHYS_PFN(emul->span.start)];
}

/* What @bytes are on the media since the ratio has changed. */
static u64 emul_scale(const struct emul *emul, u64 bytes)
{
	return bytes + bytes * READ_ONCE(emul->ratio_shift) / 1000;
}

/*
 * Media
 */

/* The interrupt: nothing may sleep here, and a page may be in the making. */
static void emul_report(struct irq_work *work)
{
	struct emul *emul = container_of(work, struct emul, report);

	private_node_set_state(emul->pn, READ_ONCE(emul->state));
}

/* Caller holds emul->lock. */
static void emul_check_thresholds(struct emul *emul)
{
	u64 used = emul_scale(emul, emul->used);
	u64 room = emul->phys_bytes > used ? emul->phys_bytes - used : 0;
	u64 permille = div64_u64(room * 1000, max(emul->phys_bytes, 1ULL));
	enum private_node_state state = emul->state;

	emul->max_used = max(emul->max_used, used);
	if (permille < emul->low_permille)
		state = PN_CLOSED;
	else if (permille >= emul->high_permille)
		state = PN_OPEN;
	else if (state == PN_OPEN)
		state = PN_PRESSURE;

	if (state != emul->state) {
		WRITE_ONCE(emul->state, state);
		irq_work_queue(&emul->report);
	}
}

static bool all_zero(const void *data)
{
	return !memchr_inv(data, 0, PAGE_SIZE);
}

/* What a page takes up: found out by compressing it. */
static u32 emul_cost(struct emul *emul, struct page *src)
{
	u32 granule = clamp(READ_ONCE(emul->granule), 64U, (u32)PAGE_SIZE);
	u32 fixed = READ_ONCE(emul->fixed_bytes);
	int bytes = PAGE_SIZE;
	void *data;

	if (fixed)
		return min_t(u32, fixed, EMUL_MAX_COST);
	data = kmap_local_page(src);
	if (all_zero(data)) {
		bytes = 0;
	} else {
		guard(mutex)(&emul->compress_lock);
		bytes = LZ4_compress_default(data, emul->compressed, PAGE_SIZE,
					     PAGE_SIZE - 1, emul->workmem);
		if (bytes <= 0)
			bytes = PAGE_SIZE;
	}
	kunmap_local(data);
	return min_t(u32, round_up(bytes, granule) + READ_ONCE(emul->meta_bytes),
		     EMUL_MAX_COST);
}

/* Take room for it, or not if there is none. */
static bool emul_take(struct emul *emul, u32 cost)
{
	guard(raw_spinlock_irqsave)(&emul->lock);
	if (emul_scale(emul, emul->used + cost) > emul->phys_bytes)
		return false;
	emul->used += cost;
	emul_check_thresholds(emul);
	return true;
}

static void emul_give_back(struct emul *emul, u32 cost)
{
	guard(raw_spinlock_irqsave)(&emul->lock);
	emul->used -= cost;
	emul_check_thresholds(emul);
}

/* Whoever reads it from now on gets what a machine check gives. */
static int emul_poison(struct emul *emul, struct page *page)
{
	int err = set_mce_nospec(page_to_pfn(page));

	if (err)
		return err;
	emul_page(emul, page)->poisoned = true;
	atomic_long_inc(&emul->poisons);
	return 0;
}

static bool emul_wants_poison(struct emul *emul)
{
	u32 nr = READ_ONCE(emul->poison_next_store);

	while (nr)
		if (try_cmpxchg(&emul->poison_next_store, &nr, nr - 1))
			return true;
	return false;
}

static bool is_nth(atomic_t *count, u32 nth)
{
	return nth && (u32)atomic_inc_return(count) % nth == 0;
}

/*
 * The node's driver
 */

static int emul_admit(struct private_node *pn, struct page *page)
{
	struct emul *emul = private_node_drvdata(pn);

	return is_nth(&emul->nr_asked, emul->refuse_nth) ? -EBUSY : 0;
}

static int emul_stored(struct private_node *pn, struct page *page,
		       struct page *src)
{
	struct emul *emul = private_node_drvdata(pn);
	u32 cost = emul_cost(emul, src);

	if (is_nth(&emul->nr_written, emul->eio_nth))
		return -EIO;

	if (emul_take(emul, cost)) {
		emul_page(emul, page)->cost = cost;
	} else {
		atomic_long_inc(&emul->drops);
		if (!READ_ONCE(emul->drop))
			return -EIO;
		/* It is lost, and nobody is told before he reads it. */
		memset(page_address(page), 0xbd, PAGE_SIZE);
		if (emul_poison(emul, page))
			return -EIO;
	}
	atomic_long_inc(&emul->stored);
	if (emul_wants_poison(emul))
		emul_poison(emul, page);

	if (READ_ONCE(emul->no_page_size))
		return -EOPNOTSUPP;
	return emul_scale(emul, cost);
}

static void emul_discard_page(struct emul *emul, struct page *page)
{
	struct emul_page *ep = emul_page(emul, page);
	unsigned int refund = private_node_begin_refund(emul->pn);
	u32 cost = ep->cost;

	ep->cost = EMUL_FREE;
	emul_give_back(emul, cost);
	if (READ_ONCE(emul->exact_refund))
		private_node_refund(emul->pn, refund, emul_scale(emul, cost));
	atomic_long_inc(&emul->releases);
}

static void emul_discard_work(struct work_struct *work)
{
	struct emul *emul = container_of(to_delayed_work(work), struct emul,
					 discard);
	struct page *page, *next;
	LIST_HEAD(list);

	scoped_guard(spinlock_irqsave, &emul->discard_lock)
		list_splice_init(&emul->discards, &list);

	list_for_each_entry_safe(page, next, &list, lru) {
		struct emul_page *ep = emul_page(emul, page);

		list_del_init(&page->lru);
		/*
		 * Also if it was found out, and is not used again: the mapping
		 * would stay as it is when the memory comes back another time.
		 */
		if (ep->poisoned) {
			clear_mce_nospec(page_to_pfn(page));
			ep->poisoned = false;
		}
		if (!PageHWPoison(page))
			clear_highpage(page);
		emul_discard_page(emul, page);
		private_node_release_done(emul->pn, page);
		scoped_guard(spinlock_irqsave, &emul->discard_lock)
			emul->nr_discards--;
	}
}

static bool emul_release(struct private_node *pn, struct page *page)
{
	struct emul *emul = private_node_drvdata(pn);
	u32 discard_ms = READ_ONCE(emul->discard_ms);

	/* To map it again takes a context that may sleep. */
	if (!discard_ms && !emul_page(emul, page)->poisoned) {
		emul_discard_page(emul, page);
		return false;
	}
	scoped_guard(spinlock_irqsave, &emul->discard_lock) {
		list_add_tail(&page->lru, &emul->discards);
		emul->nr_discards++;
	}
	queue_delayed_work(system_dfl_wq, &emul->discard,
			   msecs_to_jiffies(discard_ms));
	return true;
}

static void emul_quiesce(struct private_node *pn)
{
	struct emul *emul = private_node_drvdata(pn);

	flush_delayed_work(&emul->discard);
}

static int emul_usage(struct private_node *pn, struct private_node_usage *usage)
{
	struct emul *emul = private_node_drvdata(pn);
	u64 used, under = READ_ONCE(emul->under_report_bytes);

	if (READ_ONCE(emul->silent_link))
		return -ETIMEDOUT;

	scoped_guard(raw_spinlock_irqsave, &emul->lock)
		used = emul_scale(emul, emul->used);
	usage->media_total = READ_ONCE(emul->phys_bytes);
	usage->media_used = used > under ? used - under : 0;
	/* True when it was asked. */
	msleep(READ_ONCE(emul->report_lag_ms));
	return 0;
}

static const struct private_node_ops emul_ops = {
	.owner = THIS_MODULE,
	.admit = emul_admit,
	.stored = emul_stored,
	.release = emul_release,
	.usage = emul_usage,
	.quiesce = emul_quiesce,
};

/*
 * debugfs
 */

static int emul_used_get(void *data, u64 *value)
{
	struct emul *emul = data;

	guard(raw_spinlock_irqsave)(&emul->lock);
	*value = emul_scale(emul, emul->used);
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(emul_used_fops, emul_used_get, NULL, "%llu\n");

static int emul_ratio_get(void *data, u64 *value)
{
	*value = ((struct emul *)data)->ratio_shift;
	return 0;
}

static int emul_ratio_set(void *data, u64 value)
{
	struct emul *emul = data;

	if (value > EMUL_MAX_SHIFT)
		return -EINVAL;
	guard(raw_spinlock_irqsave)(&emul->lock);
	WRITE_ONCE(emul->ratio_shift, value);
	emul_check_thresholds(emul);
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(emul_ratio_fops, emul_ratio_get, emul_ratio_set, "%llu\n");

static int emul_poison_pfn_set(void *data, u64 pfn)
{
	struct emul *emul = data;
	struct page *page;

	if (pfn < PHYS_PFN(emul->span.start) || pfn > PHYS_PFN(emul->span.end))
		return -ERANGE;
	page = pfn_to_online_page(pfn);
	if (!page)
		return -ENXIO;
	/* Free pages are the page allocator's. */
	if (!emul_page(emul, page)->cost)
		return -ENOENT;
	return emul_poison(emul, page);
}
DEFINE_DEBUGFS_ATTRIBUTE(emul_poison_pfn_fops, NULL, emul_poison_pfn_set, "%llu\n");

static int emul_count_get(void *data, u64 *value)
{
	*value = atomic_long_read((atomic_long_t *)data);
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(emul_count_fops, emul_count_get, NULL, "%llu\n");

static void emul_add_files(struct emul *emul, int nid)
{
	struct dentry *dir;
	char name[12];

	snprintf(name, sizeof(name), "%d", nid);
	dir = debugfs_create_dir(name, emul_root);
	emul->dir = dir;

	debugfs_create_u64("phys_bytes", 0600, dir, &emul->phys_bytes);
	debugfs_create_u32("granule", 0600, dir, &emul->granule);
	debugfs_create_u32("meta_bytes", 0600, dir, &emul->meta_bytes);
	debugfs_create_u32("fixed_bytes", 0600, dir, &emul->fixed_bytes);
	debugfs_create_u32("low_permille", 0600, dir, &emul->low_permille);
	debugfs_create_u32("high_permille", 0600, dir, &emul->high_permille);
	debugfs_create_u32("report_lag_ms", 0600, dir, &emul->report_lag_ms);
	debugfs_create_u64("under_report_bytes", 0600, dir,
			   &emul->under_report_bytes);
	debugfs_create_bool("no_page_size", 0600, dir, &emul->no_page_size);
	debugfs_create_bool("exact_refund", 0600, dir, &emul->exact_refund);
	debugfs_create_u32("discard_ms", 0600, dir, &emul->discard_ms);
	debugfs_create_bool("drop", 0600, dir, &emul->drop);
	debugfs_create_file("ratio_shift", 0600, dir, emul, &emul_ratio_fops);
	debugfs_create_bool("silent_link", 0600, dir, &emul->silent_link);
	debugfs_create_u32("poison_next_store", 0600, dir,
			   &emul->poison_next_store);
	debugfs_create_file("poison_pfn", 0200, dir, emul, &emul_poison_pfn_fops);
	debugfs_create_u32("refuse_nth", 0600, dir, &emul->refuse_nth);
	debugfs_create_u32("eio_nth", 0600, dir, &emul->eio_nth);

	debugfs_create_file("media_used", 0400, dir, emul, &emul_used_fops);
	debugfs_create_u64("max_media_used", 0600, dir, &emul->max_used);
	debugfs_create_file("stored", 0400, dir, &emul->stored, &emul_count_fops);
	debugfs_create_file("drops", 0400, dir, &emul->drops, &emul_count_fops);
	debugfs_create_file("poisons", 0400, dir, &emul->poisons, &emul_count_fops);
	debugfs_create_file("releases", 0400, dir, &emul->releases,
			    &emul_count_fops);
	debugfs_create_u32("discards_pending", 0400, dir, &emul->nr_discards);
}

/*
 * Nodes
 */

static void emul_free(struct emul *emul)
{
	vfree(emul->workmem);
	kfree(emul->compressed);
	vfree(emul->pages);
	kfree(emul);
}

static struct emul *emul_alloc(const struct range *span)
{
	struct emul *emul = kzalloc_obj(*emul);

	if (!emul)
		return NULL;
	emul->span = *span;
	emul->pages = vcalloc(PHYS_PFN(range_len(span)), sizeof(*emul->pages));
	emul->compressed = kmalloc(PAGE_SIZE, GFP_KERNEL);
	emul->workmem = vmalloc(LZ4_MEM_COMPRESS);
	if (!emul->pages || !emul->compressed || !emul->workmem) {
		emul_free(emul);
		return NULL;
	}

	raw_spin_lock_init(&emul->lock);
	spin_lock_init(&emul->discard_lock);
	mutex_init(&emul->compress_lock);
	INIT_LIST_HEAD(&emul->discards);
	INIT_DELAYED_WORK(&emul->discard, emul_discard_work);
	init_irq_work(&emul->report, emul_report);

	emul->phys_bytes = phys_mib ? (u64)phys_mib << 20 : range_len(span) / 4;
	emul->granule = 64;
	emul->meta_bytes = 64;
	emul->low_permille = 50;
	emul->high_permille = 100;
	emul->exact_refund = true;
	return emul;
}

static struct private_node *emul_register_node(struct device *dev, int nid,
					       const struct range *span)
{
	struct private_node_desc desc = {
		.name = "emul",
		.nid = nid,
		.use = use,
		.worst_case = EMUL_WORST_CASE,
		.nominal = PAGE_SIZE / 2,
		.ops = &emul_ops,
	};
	struct private_node *pn;
	struct emul *emul;

	emul = emul_alloc(span);
	if (!emul)
		return ERR_PTR(-ENOMEM);
	desc.drvdata = emul;
	desc.flags = verify ? PN_F_VERIFY : 0;
	pn = private_node_register(&desc);
	if (IS_ERR(pn)) {
		emul_free(emul);
		return pn;
	}
	emul->pn = pn;
	emul_add_files(emul, nid);
	return pn;
}

static void emul_unregister_node(struct private_node *pn)
{
	struct emul *emul = private_node_drvdata(pn);

	/* First those who may call private_node_set_state(). */
	debugfs_remove(emul->dir);
	irq_work_sync(&emul->report);
	WARN_ON(private_node_unregister(pn));
	cancel_delayed_work_sync(&emul->discard);
	emul_free(emul);
}

static struct private_dax_provider emul_provider = {
	.name = "emul",
	.owner = THIS_MODULE,
	.register_node = emul_register_node,
	.unregister_node = emul_unregister_node,
};

/*
 * Without a dax device
 */

static DEFINE_MUTEX(range_lock);
static struct private_node *range_pn;	/* while online */
static bool initialized, online_at_init;

/* Found here, before anything is allocated for each page of nonsense. */
static int range_check(void)
{
	unsigned long block = memory_block_size_bytes();

	if (!range_size) {
		pr_err("no memory to online: set range_start and range_size first\n");
		return -EINVAL;
	}
	if (!IS_ALIGNED(range_start | range_size, block)) {
		pr_err("range_start %#lx and range_size %#lx have to be multiples of a memory block, %#lx\n",
		       range_start, range_size, block);
		return -EINVAL;
	}
	if (range_start + range_size - 1 < range_start) {
		pr_err("range_start %#lx and range_size %#lx go beyond the last address: set a smaller range_size\n",
		       range_start, range_size);
		return -EINVAL;
	}
	return 0;
}

/* What to do about it, where there is something. */
static const char *range_hint(int err)
{
	switch (err) {
	case -EINVAL:
		return ", there is no such node: set range_nid to a possible one";
	case -EBUSY:
		return ", it has memory or CPUs, or is private: set range_nid to another";
	case -EEXIST:
		return ", some are in use: choose others, see /proc/iomem";
	default:
		return "";
	}
}

/* Parameters do not change meanwhile: the lock for all of the module is held. */
static int range_online(void)
{
	struct range span = {
		.start = range_start,
		.end = range_start + range_size - 1,
	};
	struct private_node *pn;
	int err;

	err = range_check();
	if (err)
		return err;
	pn = emul_register_node(NULL, range_nid, &span);
	if (IS_ERR(pn)) {
		err = PTR_ERR(pn);
		pr_err("node %d cannot be made private: %d%s\n", range_nid, err,
		       range_hint(err));
		return err;
	}
	err = private_node_add_memory(pn, range_start, range_size,
				      "System RAM (private_emul)");
	if (err) {
		pr_err("%#lx bytes at %#lx cannot be added: %d%s\n", range_size,
		       range_start, err, range_hint(err));
		emul_unregister_node(pn);
		return err;
	}
	range_pn = pn;
	return 0;
}

static int range_offline(void)
{
	int err = private_node_remove_memory(range_pn);

	if (err)
		return err;
	emul_unregister_node(range_pn);
	range_pn = NULL;
	return 0;
}

static int online_set(const char *val, const struct kernel_param *kp)
{
	bool online;
	int err;

	err = kstrtobool(val, &online);
	if (err)
		return err;
	guard(mutex)(&range_lock);
	if (!initialized) {
		online_at_init = online;
		return 0;
	}
	if (online == !!range_pn)
		return 0;
	return online ? range_online() : range_offline();
}

static int online_get(char *buf, const struct kernel_param *kp)
{
	return sysfs_emit(buf, "%d\n", !!range_pn);
}

static const struct kernel_param_ops online_ops = {
	.set = online_set,
	.get = online_get,
};
module_param_cb(online, &online_ops, NULL, 0600);
MODULE_PARM_DESC(online, "Whether the memory of range_start is a private node");

static int __init emul_init(void)
{
	int err;

	emul_root = debugfs_create_dir("private_emul", NULL);
	err = private_dax_add_provider(&emul_provider);
	if (err) {
		debugfs_remove(emul_root);
		return err;
	}
	kernel_param_lock(THIS_MODULE);
	scoped_guard(mutex, &range_lock) {
		initialized = true;
		/* That fails by itself: the module has other uses. */
		if (online_at_init && range_size)
			range_online();
	}
	kernel_param_unlock(THIS_MODULE);
	return 0;
}

/* Not with a node, which holds a reference on the module. */
static void __exit emul_exit(void)
{
	private_dax_del_provider(&emul_provider);
	debugfs_remove(emul_root);
}

MODULE_DESCRIPTION("Emulation of a device that compresses its memory");
MODULE_LICENSE("GPL");
module_init(emul_init);
module_exit(emul_exit);
