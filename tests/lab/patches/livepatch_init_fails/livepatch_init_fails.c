// SPDX-License-Identifier: GPL-2.0
/*
 * Its init function fails with the error that the parameter says, before any patch is enabled.
 */
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/seq_file.h>

static int error = EBUSY;
module_param(error, int, 0);
MODULE_PARM_DESC(error, "errno that loading fails with, 0 to 4095 (default 16, EBUSY; 0 succeeds)");

static int patched_cmdline_proc_show(struct seq_file *m, void *v)
{
	seq_puts(m, "this has been live patched by livepatch_init_fails\n");
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

static int __init livepatch_init_fails_init(void)
{
	if (error < 0 || error > MAX_ERRNO)
		return -EINVAL;
	if (error)
		return -error;
	return klp_enable_patch(&patch);
}

static void __exit livepatch_init_fails_exit(void)
{
}

module_init(livepatch_init_fails_init);
module_exit(livepatch_init_fails_exit);
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
MODULE_DESCRIPTION("Livepatch whose init function fails with a given error");
MODULE_VERSION("1");
