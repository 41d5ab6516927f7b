// SPDX-License-Identifier: GPL-2.0
/*
 * Not a livepatch, but something for livepatch_stall_user to patch: whoever reads /proc/stall_target
 * sleeps in stall_target_read until somebody writes to that file, or until killed.
 */
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/wait.h>

static DECLARE_WAIT_QUEUE_HEAD(readers);
static unsigned int releases;

/* Killable: wake-ups for interruptible sleepers, such as livepatch's fake signal, do not end it. */
static ssize_t stall_target_read(struct file *file, char __user *buf, size_t count, loff_t *pos)
{
	static const char text[] = "released\n";
	unsigned int seen = READ_ONCE(releases);

	if (*pos == 0 && wait_event_killable(readers, READ_ONCE(releases) != seen))
		return -EINTR;
	return simple_read_from_buffer(buf, count, pos, text, sizeof(text) - 1);
}

static ssize_t stall_target_write(struct file *file, const char __user *buf, size_t count, loff_t *pos)
{
	WRITE_ONCE(releases, releases + 1);
	wake_up_all(&readers);
	return count;
}

static const struct proc_ops ops = {
	.proc_read = stall_target_read,
	.proc_write = stall_target_write,
	.proc_lseek = noop_llseek,
};

static int __init stall_target_init(void)
{
	return proc_create("stall_target", 0600, NULL, &ops) ? 0 : -ENOMEM;
}

/* Waits for readers inside; release or kill them first. */
static void __exit stall_target_exit(void)
{
	remove_proc_entry("stall_target", NULL);
}

module_init(stall_target_init);
module_exit(stall_target_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("A file that its readers sleep on, for livepatch_stall_user to patch");
MODULE_VERSION("1");
