// SPDX-License-Identifier: GPL-2.0
/*
 * private_dax: make a private NUMA node of a dax device.
 *
 * A dax device is memory of which the kernel knows where it is. What it is, and
 * what it can take, is known to a provider, which is chosen by name. Devices with
 * a driver of their own need no dax device: they call private_node_register().
 */
#include <linux/cleanup.h>
#include <linux/dax.h>
#include <linux/device.h>
#include <linux/ioport.h>
#include <linux/memory.h>
#include <linux/memory_hotplug.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>

#include "dax-private.h"
#include "bus.h"
#include "private.h"

struct private_dax {
	struct dev_dax *dev_dax;
	struct mutex lock;	/* all below */
	struct private_dax_provider *provider;
	struct private_node *pn;	/* while online */
	const char *name;		/* of resources, which may outlive the device */
	struct resource *res[];
};

static DEFINE_MUTEX(providers_lock);
static LIST_HEAD(providers);

/* A provider that is there, with a reference on its module. */
static struct private_dax_provider *get_provider(const char *name)
{
	struct private_dax_provider *provider;

	guard(mutex)(&providers_lock);
	list_for_each_entry(provider, &providers, list)
		if (sysfs_streq(name, provider->name))
			return try_module_get(provider->owner) ? provider : NULL;
	return NULL;
}

static void put_provider(struct private_dax_provider *provider)
{
	if (provider)
		module_put(provider->owner);
}

/**
 * private_dax_add_provider() - offer to make nodes of dax devices
 * @provider: how
 *
 * Context: process context, may sleep.
 *
 * Return: 0, or -EEXIST if there is one of that name.
 */
int private_dax_add_provider(struct private_dax_provider *provider)
{
	struct private_dax_provider *other;

	guard(mutex)(&providers_lock);
	list_for_each_entry(other, &providers, list)
		if (!strcmp(provider->name, other->name))
			return -EEXIST;
	list_add_tail(&provider->list, &providers);
	return 0;
}
EXPORT_SYMBOL_GPL(private_dax_add_provider);

/**
 * private_dax_del_provider() - do not offer that any more
 * @provider: one of private_dax_add_provider(). No device has it: devices hold a
 *	reference on its module.
 *
 * Context: process context, may sleep.
 */
void private_dax_del_provider(struct private_dax_provider *provider)
{
	guard(mutex)(&providers_lock);
	list_del(&provider->list);
}
EXPORT_SYMBOL_GPL(private_dax_del_provider);

/* The memory blocks that are wholly in a range. Empty for less than one. */
static struct range block_range(struct dev_dax *dev_dax, int i)
{
	return memory_block_aligned_range(&dev_dax->ranges[i].range);
}

static bool has_blocks(const struct range *range)
{
	return range->start < range->end;
}

static void release_resources(struct private_dax *data)
{
	int i;

	for (i = 0; i < data->dev_dax->nr_range; i++) {
		if (!data->res[i])
			continue;
		remove_resource(data->res[i]);
		kfree(data->res[i]);
		data->res[i] = NULL;
	}
}

static int request_resources(struct private_dax *data)
{
	struct dev_dax *dev_dax = data->dev_dax;
	struct range range;
	int i;

	for (i = 0; i < dev_dax->nr_range; i++) {
		range = block_range(dev_dax, i);
		if (!has_blocks(&range))
			continue;
		data->res[i] = request_mem_region(range.start, range_len(&range),
						  data->name);
		if (!data->res[i]) {
			dev_err(&dev_dax->dev, "%#llx-%#llx is in use\n",
				range.start, range.end);
			release_resources(data);
			return -EBUSY;
		}
		/* For the resource that is added below it. */
		data->res[i]->flags = IORESOURCE_SYSTEM_RAM;
	}
	return 0;
}

static struct range device_span(struct dev_dax *dev_dax)
{
	struct range span = { .start = U64_MAX }, range;
	int i;

	for (i = 0; i < dev_dax->nr_range; i++) {
		range = block_range(dev_dax, i);
		if (!has_blocks(&range))
			continue;
		span.start = min(span.start, range.start);
		span.end = max(span.end, range.end);
	}
	return span;
}

static int add_memory_of(struct private_dax *data)
{
	struct dev_dax *dev_dax = data->dev_dax;
	struct range range;
	int i, err;

	for (i = 0; i < dev_dax->nr_range; i++) {
		range = block_range(dev_dax, i);
		if (!has_blocks(&range))
			continue;
		err = private_node_add_memory(data->pn, range.start,
					      range_len(&range),
					      "System RAM (private_dax)");
		if (err) {
			dev_err(&dev_dax->dev, "%#llx-%#llx cannot be added: %d\n",
				range.start, range.end, err);
			return err;
		}
	}
	return 0;
}

static int private_dax_online(struct private_dax *data)
{
	struct dev_dax *dev_dax = data->dev_dax;
	struct device *dev = &dev_dax->dev;
	struct range span = device_span(dev_dax);
	int err;

	if (!data->provider) {
		dev_err(dev, "no provider: write its name to \"provider\" first\n");
		return -EINVAL;
	}
	err = request_resources(data);
	if (err)
		return err;

	data->pn = data->provider->register_node(dev, dev_dax->target_node, &span);
	if (IS_ERR(data->pn)) {
		err = PTR_ERR(data->pn);
		dev_err(dev, "node %d cannot be made private by %s: %d%s\n",
			dev_dax->target_node, data->provider->name, err,
			err == -EBUSY ? ", it has memory or CPUs, or is private" : "");
		goto release;
	}
	err = add_memory_of(data);
	if (!err)
		return 0;

	/* It has just been added, and there may be pages on it. */
	if (private_node_remove_memory(data->pn)) {
		dev_err(dev, "and what was added cannot be removed\n");
		return err;
	}
	data->provider->unregister_node(data->pn);
release:
	data->pn = NULL;
	release_resources(data);
	return err;
}

static int private_dax_unplug(struct private_dax *data)
{
	int err = private_node_remove_memory(data->pn);

	if (err)
		return err;
	data->provider->unregister_node(data->pn);
	data->pn = NULL;
	release_resources(data);
	return 0;
}

static ssize_t state_show(struct device *dev, struct device_attribute *attr,
			  char *buf)
{
	struct private_dax *data = dev_get_drvdata(dev);

	guard(mutex)(&data->lock);
	return sysfs_emit(buf, "%s\n", data->pn ? "online" : "unplugged");
}

static ssize_t state_store(struct device *dev, struct device_attribute *attr,
			   const char *buf, size_t len)
{
	struct private_dax *data = dev_get_drvdata(dev);
	int err = 0;

	guard(mutex)(&data->lock);
	if (sysfs_streq(buf, "online")) {
		if (!data->pn)
			err = private_dax_online(data);
	} else if (sysfs_streq(buf, "unplugged")) {
		if (data->pn)
			err = private_dax_unplug(data);
	} else {
		dev_err(dev, "there is no state of that name: %.*s. Write online or unplugged\n",
			(int)strcspn(buf, "\n"), buf);
		err = -EINVAL;
	}
	return err ?: len;
}
static DEVICE_ATTR_RW(state);

static ssize_t provider_show(struct device *dev, struct device_attribute *attr,
			     char *buf)
{
	struct private_dax *data = dev_get_drvdata(dev);

	guard(mutex)(&data->lock);
	return sysfs_emit(buf, "%s\n", data->provider ? data->provider->name : "");
}

/* An empty line for none. */
static ssize_t provider_store(struct device *dev, struct device_attribute *attr,
			      const char *buf, size_t len)
{
	struct private_dax *data = dev_get_drvdata(dev);
	struct private_dax_provider *provider = NULL;

	guard(mutex)(&data->lock);
	if (data->pn)
		return -EBUSY;
	if (!sysfs_streq(buf, "")) {
		provider = get_provider(buf);
		if (!provider) {
			dev_err(dev, "there is no provider of that name: %.*s\n",
				(int)strcspn(buf, "\n"), buf);
			return -ENOENT;
		}
	}
	put_provider(data->provider);
	data->provider = provider;
	return len;
}
static DEVICE_ATTR_RW(provider);

static struct attribute *private_dax_attrs[] = {
	&dev_attr_state.attr,
	&dev_attr_provider.attr,
	NULL,
};
ATTRIBUTE_GROUPS(private_dax);

static int private_dax_probe(struct dev_dax *dev_dax)
{
	struct device *dev = &dev_dax->dev;
	struct private_dax *data;
	struct range span;

	if (dev_dax->target_node < 0) {
		dev_err(dev, "it is not known which node it is\n");
		return -EINVAL;
	}
	span = device_span(dev_dax);
	if (!has_blocks(&span)) {
		dev_err(dev, "less than a memory block of %lu MiB\n",
			memory_block_size_bytes() >> 20);
		return -EINVAL;
	}

	data = kzalloc_flex(*data, res, dev_dax->nr_range);
	if (!data)
		return -ENOMEM;
	data->name = kstrdup(dev_name(dev), GFP_KERNEL);
	if (!data->name) {
		kfree(data);
		return -ENOMEM;
	}
	data->dev_dax = dev_dax;
	mutex_init(&data->lock);
	dev_set_drvdata(dev, data);
	return 0;
}

/*
 * Nobody can refuse to be unbound, or wait for what is needed to take memory
 * out. What is online stays so until reboot, as with kmem, and takes no more.
 */
static void private_dax_remove(struct dev_dax *dev_dax)
{
	struct private_dax *data = dev_get_drvdata(&dev_dax->dev);

	if (data->pn) {
		private_node_close(data->pn);
		dev_warn(&dev_dax->dev, "unbound while online: node %d takes no more pages, and stays until reboot\n",
			 dev_dax->target_node);
		return;
	}
	put_provider(data->provider);
	dev_set_drvdata(&dev_dax->dev, NULL);
	mutex_destroy(&data->lock);
	kfree(data->name);
	kfree(data);
}

static struct dax_device_driver private_dax_driver = {
	.probe = private_dax_probe,
	.remove = private_dax_remove,
	.type = DAXDRV_PRIVATE_TYPE,
	.drv = {
		.dev_groups = private_dax_groups,
	},
};

static int __init private_dax_init(void)
{
	return dax_driver_register(&private_dax_driver);
}

static void __exit private_dax_exit(void)
{
	dax_driver_unregister(&private_dax_driver);
}

MODULE_DESCRIPTION("Private DAX: private NUMA nodes of dax devices");
MODULE_LICENSE("GPL");
module_init(private_dax_init);
module_exit(private_dax_exit);
MODULE_ALIAS_DAX_DEVICE(0);
