// SPDX-License-Identifier: GPL-2.0
/* A livepatch whose function asks a static key that modules cannot link to: the converter says which. */
#include <linux/jump_label.h>
#include <linux/kernel.h>
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/seq_file.h>

extern struct static_key_false needed_key;

/* what seq_puts is differs between kernels */
#define SAY(m, text) seq_write(m, text, sizeof(text) - 1)

static int patched_show(struct seq_file *m, void *v)
{
	if (static_branch_unlikely(&needed_key))
		SAY(m, "patched by cases, key on\n");
	else
		SAY(m, "patched by cases, key off\n");
	if (static_branch_unlikely(&needed_key)) /* a second entry in the table of jumps */
		SAY(m, "still on\n");
	return 0;
}

static struct klp_func funcs[3] = {
	{ .old_name = "cmdline_proc_show", .new_func = patched_show },
};

static struct klp_object objs[3] = {
	{ .name = NULL /* vmlinux */, .funcs = funcs },
};

static struct klp_patch patch = {
	.mod = THIS_MODULE,
	.objs = objs,
};

static int __init cases_key_init(void)
{
	return klp_enable_patch(&patch);
}

static void __exit cases_key_exit(void)
{
}

module_init(cases_key_init);
module_exit(cases_key_exit);
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
MODULE_DESCRIPTION("Livepatch of one function that asks a static key, for the cases");
MODULE_VERSION("1");
