// SPDX-License-Identifier: GPL-2.0
/*
 * A livepatch whose function needs a function and a variable that modules cannot link to. kbuild leaves both undefined; the
 * converter gives them a name and an owner: nr_context_switches and saved_command_line of the kernel, or helper and secret of cases_target.
 */
#include <linux/kernel.h>
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/seq_file.h>

unsigned long needed_function(void);
extern unsigned long needed_variable;

static int patched_show(struct seq_file *m, void *v)
{
	seq_printf(m, "patched by cases, with %d and %d\n", needed_function() != 0, READ_ONCE(needed_variable) != 0);
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

static int __init cases_needs_init(void)
{
	return klp_enable_patch(&patch);
}

static void __exit cases_needs_exit(void)
{
}

module_init(cases_needs_init);
module_exit(cases_needs_exit);
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
MODULE_DESCRIPTION("Livepatch of one function that needs what is not exported, for the cases");
MODULE_VERSION("1");
