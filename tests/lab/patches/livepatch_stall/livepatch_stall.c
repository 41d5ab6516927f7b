// SPDX-License-Identifier: GPL-2.0
/*
 * Its transition never ends by itself: the kernel thread oom_reaper spends its life inside the
 * function patched here, and a task cannot be switched over while that function is on its stack.
 */
#include <linux/livepatch.h>
#include <linux/module.h>

/* Never runs: oom_reaper is entered once, at boot, and is not left. */
static int patched_oom_reaper(void *unused)
{
	return 0;
}

static struct klp_func funcs[] = {
	{ .old_name = "oom_reaper", .new_func = patched_oom_reaper },
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

static int __init livepatch_stall_init(void)
{
	return klp_enable_patch(&patch);
}

static void __exit livepatch_stall_exit(void)
{
}

module_init(livepatch_stall_init);
module_exit(livepatch_stall_exit);
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
MODULE_DESCRIPTION("Livepatch whose transition stalls on a kernel thread (oom_reaper)");
MODULE_VERSION("1");
