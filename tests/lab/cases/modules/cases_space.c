// SPDX-License-Identifier: GPL-2.0
/* A livepatch that needs an exported symbol of a namespace, which it imports: one that does not is made of it, modpost would not link it. */
#include <linux/dma-buf.h>
#include <linux/kernel.h>
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/seq_file.h>

/* what seq_puts is differs between kernels */
#define SAY(m, text) seq_write(m, text, sizeof(text) - 1)

static struct dma_buf *volatile none;

static int patched_show(struct seq_file *m, void *v)
{
	if (none)
		dma_buf_put(none);
	SAY(m, "patched by cases\n");
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

static int __init cases_space_init(void)
{
	return klp_enable_patch(&patch);
}

static void __exit cases_space_exit(void)
{
}

module_init(cases_space_init);
module_exit(cases_space_exit);
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
MODULE_INFO(import_ns, "DMA_BUF");
MODULE_DESCRIPTION("Livepatch of one function that needs a symbol of a namespace, for the cases");
MODULE_VERSION("1");
