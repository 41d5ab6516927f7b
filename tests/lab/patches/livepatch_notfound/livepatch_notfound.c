// SPDX-License-Identifier: GPL-2.0
/*
 * Patches a function that no kernel has: the kernel refuses to load it.
 */
#include <linux/livepatch.h>
#include <linux/module.h>

static void patched_function(void)
{
}

static struct klp_func funcs[] = {
	{ .old_name = "livepatch_agent_no_such_function", .new_func = patched_function },
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

static int __init livepatch_notfound_init(void)
{
	return klp_enable_patch(&patch);
}

static void __exit livepatch_notfound_exit(void)
{
}

module_init(livepatch_notfound_init);
module_exit(livepatch_notfound_exit);
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
MODULE_DESCRIPTION("Livepatch of a function that does not exist, refused by the kernel");
MODULE_VERSION("1");
