// SPDX-License-Identifier: GPL-2.0
/*
 * Patches pause(2). A task sleeping in it holds the transition up until the kernel's fake signal,
 * 15 seconds in, takes the task out of the system call and lets it begin anew.
 */
#include <linux/errno.h>
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/sched/signal.h>

/* As the original: the point is who sleeps in it. */
static long patched_pause(const struct pt_regs *unused)
{
	while (!signal_pending(current)) {
		__set_current_state(TASK_INTERRUPTIBLE);
		schedule();
	}
	return -ERESTARTNOHAND;
}

static struct klp_func funcs[] = {
	{ .old_name = "__do_sys_pause", .new_func = patched_pause },
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

static int __init livepatch_slow_init(void)
{
	return klp_enable_patch(&patch);
}

static void __exit livepatch_slow_exit(void)
{
}

module_init(livepatch_slow_init);
module_exit(livepatch_slow_exit);
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
MODULE_DESCRIPTION("Livepatch of pause(2), held up by tasks that sleep in it");
MODULE_VERSION("1");
