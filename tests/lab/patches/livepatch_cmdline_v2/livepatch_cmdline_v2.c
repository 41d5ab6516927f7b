// SPDX-License-Identifier: GPL-2.0
/*
 * The cumulative successor of livepatch_cmdline: patches that function anew and a second one
 * besides, and takes the place of every livepatch loaded before it (atomic replace).
 */
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/utsname.h>

static int patched_cmdline_proc_show(struct seq_file *m, void *v)
{
	seq_puts(m, "this has been live patched, twice\n");
	return 0;
}

static int patched_version_proc_show(struct seq_file *m, void *v)
{
	/* As the original up to the release, so that whoever parses /proc/version still can. */
	seq_printf(m, "%s version %s (live patched) %s\n",
		   utsname()->sysname, utsname()->release, utsname()->version);
	return 0;
}

static struct klp_func funcs[] = {
	{ .old_name = "cmdline_proc_show", .new_func = patched_cmdline_proc_show },
	{ .old_name = "version_proc_show", .new_func = patched_version_proc_show },
	{ }
};

static struct klp_object objs[] = {
	{ .name = NULL /* vmlinux */, .funcs = funcs },
	{ }
};

static struct klp_patch patch = {
	.mod = THIS_MODULE,
	.objs = objs,
	.replace = true,
};

static int __init livepatch_cmdline_v2_init(void)
{
	return klp_enable_patch(&patch);
}

static void __exit livepatch_cmdline_v2_exit(void)
{
}

module_init(livepatch_cmdline_v2_init);
module_exit(livepatch_cmdline_v2_exit);
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
MODULE_DESCRIPTION("Cumulative livepatch of cmdline_proc_show and version_proc_show, replaces older ones");
MODULE_VERSION("2");
