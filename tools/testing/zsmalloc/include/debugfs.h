/* SPDX-License-Identifier: GPL-2.0 */

#pragma once

/*
 * The files that zsmalloc makes in debugfs: a list of names with what belongs
 * to them, and a buffer that reading one of them fills.
 */
#include <sys/stat.h>

struct seq_file {
	void *private;
	char *text;
	size_t len;
	FILE *stream;
};

/* Without an attribute for the format: u64 is another type in the kernel. */
void seq_printf(struct seq_file *s, const char *fmt, ...);

struct file_operations {
	int (*show)(struct seq_file *s, void *v);
};

#define DEFINE_SHOW_ATTRIBUTE(name) \
	static const struct file_operations name##_fops = { .show = name##_show }

struct dentry {
	struct list_head list;
	struct dentry *parent;
	const struct file_operations *fops;
	unsigned int mode;
	void *data;
	char name[32];
};

struct dentry *debugfs_create_file(const char *name, unsigned int mode, struct dentry *parent,
				   void *data, const struct file_operations *fops);
void debugfs_remove_recursive(struct dentry *dentry);

#define debugfs_initialized()		(true)
#define debugfs_create_dir(name, parent) debugfs_create_file(name, S_IFDIR, parent, NULL, NULL)
