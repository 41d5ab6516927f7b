// SPDX-License-Identifier: GPL-2.0
/*
 * Replaces one function of vmlinux, so that /proc/cmdline reads a fixed text.
 * The smallest livepatch there is: the new function needs exported symbols only.
 */
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/seq_file.h>

static int patched_cmdline_proc_show(struct seq_file *m, void *v)
{
	seq_puts(m, "this has been live patched\n");
	return 0;
}

static struct klp_func funcs[] = {
	{ .old_name = "cmdline_proc_show", .new_func = patched_cmdline_proc_show },
	{ }
};

static struct klp_object objs[] = {
	{ .name = NULL /* vmlinux */, .funcs = funcs },
	{ }
};

static struct klp_patch patch = {
	.mod = THIS_MODULE,
	.objs = objs,
};

static int __init livepatch_cmdline_init(void)
{
	return klp_enable_patch(&patch);
}

/* Without an exit function the module could not be removed; klp has undone everything by then. */
static void __exit livepatch_cmdline_exit(void)
{
}

module_init(livepatch_cmdline_init);
module_exit(livepatch_cmdline_exit);
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
MODULE_DESCRIPTION("Livepatch of cmdline_proc_show: /proc/cmdline reads a fixed text");
MODULE_VERSION("1");
