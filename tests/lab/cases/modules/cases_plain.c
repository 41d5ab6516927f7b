// SPDX-License-Identifier: GPL-2.0
/*
 * The plain livepatch: one function of the kernel, exported symbols only. Its tables have room for one entry more, and there
 * are a table of functions and one of states that nothing refers to: the cases fill them in.
 */
#include <linux/kernel.h>
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/seq_file.h>

/* what seq_puts is differs between kernels */
#define SAY(m, text) seq_write(m, text, sizeof(text) - 1)

static int patched_show(struct seq_file *m, void *v)
{
	SAY(m, "patched by cases\n");
	return 0;
}

static struct klp_func funcs[3] = {
	{ .old_name = "cmdline_proc_show", .new_func = patched_show },
};

static struct klp_func other_funcs[2] __used = {
	{ .old_name = "version_proc_show", .new_func = patched_show },
};

static struct klp_object objs[3] = {
	{ .name = NULL /* vmlinux */, .funcs = funcs },
};

static struct klp_state states[2] __used = {
	{ .id = 0, .version = 1 /* not 0: it would not be in .data */ },
};

static struct klp_patch patch = {
	.mod = THIS_MODULE,
	.objs = objs,
};

static int __init cases_plain_init(void)
{
	return klp_enable_patch(&patch);
}

static void __exit cases_plain_exit(void)
{
}

module_init(cases_plain_init);
module_exit(cases_plain_exit);
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
MODULE_DESCRIPTION("Livepatch of one function, for the cases");
MODULE_VERSION("1");
