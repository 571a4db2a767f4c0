// SPDX-License-Identifier: GPL-2.0
/*
 * Somebody who uses private memory, for tests in userspace: pages with contents
 * that can be checked, by number. In /sys/kernel/debug/private_node_test:
 *
 * store	write "FIRST COUNT SEED PERCENT": store pages, of each that part
 *		random, as long as they are taken
 * check	write "FIRST COUNT": -EILSEQ for a wrong byte, -EIO for a lost page
 * free		write "FIRST COUNT"
 * evacuate	write 0 to refuse to, 1 not to
 * add		write "NODE START": add a block of memory there, with its struct pages
 *		in it, and remove it again; an error if that is not possible
 * allocate	write a node: what allocations that ask for it get. Read it: a line
 *		for each, with the node, or -1 for none
 * stats	how many were stored, refused (by error), wrong, lost, evacuated,
 *		shrunk, and are there, on a node or in RAM
 */
#include <linux/cleanup.h>
#include <linux/debugfs.h>
#include <linux/highmem.h>
#include <linux/irq_work.h>
#include <linux/memory.h>
#include <linux/memory-tiers.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/prandom.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>
#include <linux/xarray.h>

#include "page_alloc.h"

struct test_page {
	struct page *page;	/* private, or RAM once it is evacuated */
	bool private;
	bool lost;
	u32 seed;
	u8 percent;
	unsigned int bytes;
};

/* Pages by number. A number has one of these locks; they are what callbacks need. */
static DEFINE_XARRAY(test_pages);
static struct mutex test_locks[64];
static bool test_evacuate_allowed = true;

static atomic_long_t nr_stored, nr_wrong, nr_lost, nr_evacuated, nr_shrunk;
static atomic_long_t nr_present, nr_private, bytes_private;
static atomic_long_t nr_refused[MAX_ERRNO];

static struct mutex *test_lock(unsigned long nr)
{
	return &test_locks[nr % ARRAY_SIZE(test_locks)];
}

static void test_fill(void *data, u32 seed, u8 percent, unsigned long nr)
{
	unsigned int random = PAGE_SIZE * percent / 100;
	struct rnd_state state;

	prandom_seed_state(&state, (u64)seed << 32 | nr);
	prandom_bytes_state(&state, data, random);
	memset(data + random, 0, PAGE_SIZE - random);
}

static int test_store(unsigned long nr, u32 seed, u8 percent, struct page *src)
{
	struct test_page *tp;
	void *data;
	int err;

	guard(mutex)(test_lock(nr));
	if (xa_load(&test_pages, nr))
		return -EEXIST;
	tp = kzalloc_obj(*tp);
	if (!tp)
		return -ENOMEM;
	tp->seed = seed;
	tp->percent = percent;
	tp->private = true;
	data = kmap_local_page(src);
	test_fill(data, seed, percent, nr);
	kunmap_local(data);

	tp->page = ERR_PTR(-ENODEV);
	if (mt_private_active(MT_PRIVATE_TEST))
		tp->page = mt_migrate_page_to(MT_PRIVATE_TEST, src, nr,
					      &tp->bytes);
	if (IS_ERR(tp->page)) {
		err = PTR_ERR(tp->page);
		kfree(tp);
		atomic_long_inc(&nr_refused[-err]);
		return err;
	}
	err = xa_err(xa_store(&test_pages, nr, tp, GFP_KERNEL));
	if (err) {
		mt_private_page_free(tp->page);
		kfree(tp);
		return err;
	}
	atomic_long_inc(&nr_stored);
	atomic_long_inc(&nr_present);
	atomic_long_inc(&nr_private);
	atomic_long_add(tp->bytes, &bytes_private);
	return 0;
}

/* Away from the node. Caller holds the lock. */
static void test_leave_node(struct test_page *tp)
{
	mt_private_page_free(tp->page);
	atomic_long_dec(&nr_private);
	atomic_long_sub(tp->bytes, &bytes_private);
	tp->private = false;
	tp->page = NULL;
}

/* What is lost is so for good, and counted once. Caller holds the lock. */
static int test_copy(struct page *dst, struct test_page *tp)
{
	if (tp->lost)
		return -EIO;
	if (!tp->private) {
		copy_highpage(dst, tp->page);
		return 0;
	}
	if (!mt_copy_page_from(dst, tp->page))
		return 0;
	tp->lost = true;
	atomic_long_inc(&nr_lost);
	return -EIO;
}

static int test_check(unsigned long nr, struct page *dst, void *expected)
{
	struct test_page *tp;
	void *data;
	int err;

	guard(mutex)(test_lock(nr));
	tp = xa_load(&test_pages, nr);
	if (!tp)
		return -ENOENT;
	err = test_copy(dst, tp);
	if (err)
		return err;
	test_fill(expected, tp->seed, tp->percent, nr);
	data = kmap_local_page(dst);
	err = memcmp(data, expected, PAGE_SIZE) ? -EILSEQ : 0;
	kunmap_local(data);
	if (err)
		atomic_long_inc(&nr_wrong);
	return err;
}

static int test_free(unsigned long nr)
{
	struct test_page *tp;

	guard(mutex)(test_lock(nr));
	tp = xa_erase(&test_pages, nr);
	if (!tp)
		return -ENOENT;
	if (tp->private)
		test_leave_node(tp);
	else if (tp->page)
		__free_page(tp->page);
	atomic_long_dec(&nr_present);
	kfree(tp);
	return 0;
}

/*
 * From a node to RAM. A page that is lost leaves as well: there is nothing to
 * keep. Return -ENOENT if it is not there.
 */
static int test_move_to_ram(unsigned long nr, int nid)
{
	struct test_page *tp;
	struct page *dst;

	guard(mutex)(test_lock(nr));
	tp = xa_load(&test_pages, nr);
	if (!tp || !tp->private || page_to_nid(tp->page) != nid)
		return -ENOENT;
	dst = alloc_page(GFP_KERNEL);
	if (!dst)
		return -ENOMEM;
	if (test_copy(dst, tp)) {
		__free_page(dst);
		dst = NULL;
	}
	test_leave_node(tp);
	tp->page = dst;
	atomic_long_inc(&nr_evacuated);
	return 0;
}

static int test_evacuate(struct page *page, unsigned long cookie)
{
	int err;

	if (!READ_ONCE(test_evacuate_allowed))
		return -EBUSY;
	/* Somebody may have freed it. */
	err = test_move_to_ram(cookie, page_to_nid(page));
	return err == -ENOENT ? 0 : err;
}

static unsigned long test_shrink(int nid, unsigned long nr)
{
	unsigned long index, done = 0;
	struct test_page *tp;

	xa_for_each(&test_pages, index, tp) {
		if (test_move_to_ram(index, nid))
			continue;
		atomic_long_inc(&nr_shrunk);
		if (++done == nr)
			break;
	}
	return done;
}

static const struct mt_private_user_ops test_user_ops = {
	.evacuate = test_evacuate,
	.shrink = test_shrink,
};

/*
 * Files
 */

static int test_parse(const char __user *ubuf, size_t len, int want,
		      unsigned long args[4])
{
	char buf[64];

	if (len >= sizeof(buf))
		return -EINVAL;
	if (copy_from_user(buf, ubuf, len))
		return -EFAULT;
	buf[len] = '\0';
	if (sscanf(buf, "%lu %lu %lu %lu", &args[0], &args[1], &args[2],
		   &args[3]) != want)
		return -EINVAL;
	if (want == 4 && args[3] > 100)
		return -EINVAL;
	return 0;
}

static ssize_t store_write(struct file *file, const char __user *ubuf,
			   size_t len, loff_t *pos)
{
	unsigned long args[4], i;
	struct page *src;
	int err;

	err = test_parse(ubuf, len, 4, args);
	if (err)
		return err;
	src = alloc_page(GFP_KERNEL);
	if (!src)
		return -ENOMEM;
	for (i = 0; i < args[1]; i++) {
		if (signal_pending(current)) {
			err = -EINTR;
			break;
		}
		/* What is refused is counted, and not there. */
		err = test_store(args[0] + i, args[2], args[3], src);
		if (err == -EEXIST)
			break;
		err = 0;
		cond_resched();
	}
	__free_page(src);
	return err ?: len;
}

static ssize_t check_write(struct file *file, const char __user *ubuf,
			   size_t len, loff_t *pos)
{
	unsigned long args[4], i;
	struct page *dst;
	void *expected;
	int ret, err;

	err = test_parse(ubuf, len, 2, args);
	if (err)
		return err;
	dst = alloc_page(GFP_KERNEL);
	expected = kmalloc(PAGE_SIZE, GFP_KERNEL);
	err = dst && expected ? 0 : -ENOMEM;
	for (i = 0; i < args[1] && err != -EILSEQ && err != -ENOMEM; i++) {
		ret = test_check(args[0] + i, dst, expected);
		/* Those that were refused are not there. */
		if (ret && ret != -ENOENT)
			err = ret;
		cond_resched();
	}
	kfree(expected);
	if (dst)
		__free_page(dst);
	return err ?: len;
}

static ssize_t free_write(struct file *file, const char __user *ubuf,
			  size_t len, loff_t *pos)
{
	unsigned long args[4], i;
	int err;

	err = test_parse(ubuf, len, 2, args);
	if (err)
		return err;
	for (i = 0; i < args[1]; i++) {
		test_free(args[0] + i);
		cond_resched();
	}
	return len;
}

/* No driver asks for this: it would store what the kernel writes all the time. */
static ssize_t add_write(struct file *file, const char __user *ubuf, size_t len,
			 loff_t *pos)
{
	unsigned long args[4], size = memory_block_size_bytes();
	int err;

	err = test_parse(ubuf, len, 2, args);
	if (err)
		return err;
	if (args[0] >= MAX_NUMNODES || !node_possible(args[0]))
		return -ENODEV;
	err = add_memory_driver_managed(args[0], args[1], size,
					"System RAM (private test)",
					MHP_PRIVATE | MHP_MEMMAP_ON_MEMORY);
	if (!err)
		err = offline_and_remove_memory(args[1], size);
	return err ?: len;
}

static int stats_show(struct seq_file *s, void *v)
{
	int err;

	seq_printf(s, "stored %ld\n", atomic_long_read(&nr_stored));
	seq_printf(s, "wrong %ld\n", atomic_long_read(&nr_wrong));
	seq_printf(s, "lost %ld\n", atomic_long_read(&nr_lost));
	seq_printf(s, "evacuated %ld\n", atomic_long_read(&nr_evacuated));
	seq_printf(s, "shrunk %ld\n", atomic_long_read(&nr_shrunk));
	seq_printf(s, "present %ld\n", atomic_long_read(&nr_present));
	seq_printf(s, "private %ld\n", atomic_long_read(&nr_private));
	seq_printf(s, "bytes %ld\n", atomic_long_read(&bytes_private));
	for (err = 0; err < MAX_ERRNO; err++)
		if (atomic_long_read(&nr_refused[err]))
			seq_printf(s, "refused %d %ld\n", err,
				   atomic_long_read(&nr_refused[err]));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(stats);

/*
 * Who asks for memory of that node, and should not get it
 */

static u32 allocate_nid;

/* The node of a page, which is freed. */
static int nid_of(struct page *page, unsigned int order)
{
	int nid = page ? page_to_nid(page) : NUMA_NO_NODE;

	if (page)
		__free_pages(page, order);
	return nid;
}

static int nid_of_address(void *address)
{
	struct page *page;
	int nid;

	if (!address)
		return NUMA_NO_NODE;
	page = is_vmalloc_addr(address) ? vmalloc_to_page(address) :
					  virt_to_page(address);
	nid = page_to_nid(page);
	kvfree(address);
	return nid;
}

static int nid_of_mask(void)
{
	nodemask_t mask = nodemask_of_node(allocate_nid);

	return nid_of(__alloc_pages_noprof(GFP_HIGHUSER_MOVABLE | __GFP_NOWARN |
					   __GFP_NORETRY, 0, allocate_nid, &mask,
					   ALLOC_DEFAULT), 0);
}

static int nid_of_contig(void)
{
	struct page *page = alloc_contig_pages(pageblock_nr_pages,
					       GFP_KERNEL | __GFP_MOVABLE |
					       __GFP_THISNODE | __GFP_NOWARN,
					       allocate_nid, NULL);
	int nid = page ? page_to_nid(page) : NUMA_NO_NODE;

	if (page)
		free_contig_range(page_to_pfn(page), pageblock_nr_pages);
	return nid;
}

/* Where cpusets have no say. */
struct irq_alloc {
	struct irq_work work;
	int nid;
};

static void alloc_in_irq(struct irq_work *work)
{
	struct irq_alloc *irq = container_of(work, struct irq_alloc, work);

	irq->nid = nid_of(alloc_pages_node(allocate_nid, GFP_ATOMIC |
					   __GFP_THISNODE | __GFP_NOWARN, 0), 0);
}

static int nid_of_irq(void)
{
	struct irq_alloc irq = { .work = IRQ_WORK_INIT_HARD(alloc_in_irq) };

	irq_work_queue(&irq.work);
	irq_work_sync(&irq.work);
	return irq.nid;
}

static int allocate_show(struct seq_file *s, void *v)
{
	const gfp_t only = __GFP_THISNODE | __GFP_NOWARN | __GFP_NORETRY;
	int nid = READ_ONCE(allocate_nid);

	if (nid >= nr_node_ids || !node_online(nid))
		return -ENODEV;
	seq_printf(s, "kernel %d\n", nid_of(alloc_pages_node(nid, GFP_KERNEL, 0), 0));
	seq_printf(s, "kernel_only %d\n",
		   nid_of(alloc_pages_node(nid, GFP_KERNEL | only, 0), 0));
	seq_printf(s, "movable_only %d\n",
		   nid_of(alloc_pages_node(nid, GFP_HIGHUSER_MOVABLE | only, 0), 0));
	seq_printf(s, "movable_only_block %d\n",
		   nid_of(alloc_pages_node(nid, (GFP_HIGHUSER_MOVABLE | only |
						 __GFP_COMP), pageblock_order),
			  pageblock_order));
	seq_printf(s, "atomic_only %d\n",
		   nid_of(alloc_pages_node(nid, GFP_ATOMIC | only, 0), 0));
	seq_printf(s, "irq_only %d\n", nid_of_irq());
	seq_printf(s, "memalloc %d\n",
		   nid_of(alloc_pages_node(nid, GFP_HIGHUSER_MOVABLE | only |
					   __GFP_MEMALLOC, 0), 0));
	seq_printf(s, "mask %d\n", nid_of_mask());
	seq_printf(s, "contig %d\n", nid_of_contig());
	seq_printf(s, "kmalloc %d\n",
		   nid_of_address(kmalloc_node(1024, GFP_KERNEL, nid)));
	seq_printf(s, "kmalloc_only %d\n",
		   nid_of_address(kmalloc_node(1024, GFP_KERNEL | only, nid)));
	seq_printf(s, "vmalloc %d\n",
		   nid_of_address(vmalloc_node(PAGE_SIZE, nid)));
	return 0;
}

static int allocate_open(struct inode *inode, struct file *file)
{
	return single_open(file, allocate_show, NULL);
}

static ssize_t allocate_write(struct file *file, const char __user *ubuf,
			      size_t len, loff_t *pos)
{
	int err = kstrtou32_from_user(ubuf, len, 0, &allocate_nid);

	return err ?: len;
}

static const struct file_operations allocate_fops = {
	.owner = THIS_MODULE, .open = allocate_open, .read = seq_read,
	.write = allocate_write, .release = single_release,
};

static const struct file_operations store_fops = {
	.owner = THIS_MODULE, .open = simple_open, .write = store_write,
};

static const struct file_operations check_fops = {
	.owner = THIS_MODULE, .open = simple_open, .write = check_write,
};

static const struct file_operations free_fops = {
	.owner = THIS_MODULE, .open = simple_open, .write = free_write,
};

static const struct file_operations add_fops = {
	.owner = THIS_MODULE, .open = simple_open, .write = add_write,
};

static int __init test_init(void)
{
	struct dentry *dir;
	int i, err;

	for (i = 0; i < ARRAY_SIZE(test_locks); i++)
		mutex_init(&test_locks[i]);
	err = mt_private_register_user(MT_PRIVATE_TEST, &test_user_ops);
	if (err)
		return err;
	dir = debugfs_create_dir("private_node_test", NULL);
	debugfs_create_file("store", 0200, dir, NULL, &store_fops);
	debugfs_create_file("check", 0200, dir, NULL, &check_fops);
	debugfs_create_file("free", 0200, dir, NULL, &free_fops);
	debugfs_create_file("add", 0200, dir, NULL, &add_fops);
	debugfs_create_file("allocate", 0600, dir, NULL, &allocate_fops);
	debugfs_create_file("stats", 0400, dir, NULL, &stats_fops);
	debugfs_create_bool("evacuate", 0600, dir, &test_evacuate_allowed);
	return 0;
}
late_initcall(test_init);
