// SPDX-License-Identifier: GPL-2.0
/*
 * Patches the read function of the module stall_target. Its transition stalls for as long as a task
 * sleeps in a read of /proc/stall_target, which the kernel's fake signal does not end.
 */
#include <linux/fs.h>
#include <linux/livepatch.h>
#include <linux/module.h>

static ssize_t patched_stall_target_read(struct file *file, char __user *buf, size_t count, loff_t *pos)
{
	static const char text[] = "this has been live patched\n";

	/* A task may be switched over between two reads of one file; the second shall find its end. */
	if (*pos)
		return 0;
	return simple_read_from_buffer(buf, count, pos, text, sizeof(text) - 1);
}

static struct klp_func funcs[] = {
	{ .old_name = "stall_target_read", .new_func = patched_stall_target_read },
	{ }
};

static struct klp_object objs[] = {
	{ .name = "stall_target", .funcs = funcs },
	{ }
};

static struct klp_patch patch = {
	.mod = THIS_MODULE,
	.objs = objs,
};

static int __init livepatch_stall_user_init(void)
{
	return klp_enable_patch(&patch);
}

static void __exit livepatch_stall_user_exit(void)
{
}

module_init(livepatch_stall_user_init);
module_exit(livepatch_stall_user_exit);
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
MODULE_DESCRIPTION("Livepatch of the module stall_target, stalls on the tasks that read from it");
MODULE_VERSION("1");
