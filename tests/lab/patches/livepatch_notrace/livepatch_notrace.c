// SPDX-License-Identifier: GPL-2.0
/*
 * Patches bin2hex of lib/, whose files are built without call sites for ftrace: the kernel knows the
 * function and cannot redirect it, so it refuses the livepatch.
 */
#include <linux/kernel.h>
#include <linux/livepatch.h>
#include <linux/module.h>

static char *patched_bin2hex(char *dst, const void *src, size_t count)
{
	const unsigned char *byte = src;

	while (count--)
		dst = hex_byte_pack(dst, *byte++);
	return dst;
}

static struct klp_func funcs[] = {
	{ .old_name = "bin2hex", .new_func = patched_bin2hex },
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

static int __init livepatch_notrace_init(void)
{
	return klp_enable_patch(&patch);
}

static void __exit livepatch_notrace_exit(void)
{
}

module_init(livepatch_notrace_init);
module_exit(livepatch_notrace_exit);
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
MODULE_DESCRIPTION("Livepatch of a function that ftrace cannot reach, refused by the kernel");
MODULE_VERSION("1");
