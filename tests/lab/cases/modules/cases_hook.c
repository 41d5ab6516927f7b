// SPDX-License-Identifier: GPL-2.0
/* Others who want a function: hook=kprobe, kprobe-post (with a handler after the instruction), kretprobe, ipmodify or direct (as BPF
 * trampolines are called, and without what makes them share), on symbol= and offset=. */
#include <linux/ftrace.h>
#include <linux/kernel.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/version.h>
#include <asm/ibt.h>
#include <asm/linkage.h>

static char *hook = "kprobe";
module_param(hook, charp, 0444);
static char *symbol = "cmdline_proc_show";
module_param(symbol, charp, 0444);
static unsigned int offset;
module_param(offset, uint, 0444);

static int before(struct kprobe *p, struct pt_regs *regs)
{
	return 0;
}

static void after(struct kprobe *p, struct pt_regs *regs, unsigned long flags)
{
}

static int returned(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	return 0;
}

static void traced(unsigned long ip, unsigned long parent_ip, struct ftrace_ops *op, struct ftrace_regs *regs)
{
}

static struct kprobe probe = { .pre_handler = before };
static struct kretprobe return_probe = { .handler = returned };
static struct ftrace_ops ops = { .func = traced, .flags = FTRACE_OPS_FL_SAVE_REGS | FTRACE_OPS_FL_IPMODIFY };

/* Called in place of the function's call to ftrace, and gives way at once. */
extern void cases_trampoline(void);
asm(".pushsection .text, \"ax\", @progbits\n"
    ".type cases_trampoline, @function\n"
    "cases_trampoline:\n"
    ASM_ENDBR
    ASM_RET
    ".size cases_trampoline, .-cases_trampoline\n"
    ".popsection\n");

static struct ftrace_ops direct;

static int set_direct(void)
{
	int err = ftrace_set_filter(&direct, symbol, strlen(symbol), 1);

	if (err)
		return err;
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 4, 0)
	return register_ftrace_direct_multi(&direct, (unsigned long)cases_trampoline);
#else
	return register_ftrace_direct(&direct, (unsigned long)cases_trampoline);
#endif
}

static void unset_direct(void)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 4, 0)
	unregister_ftrace_direct_multi(&direct, (unsigned long)cases_trampoline);
#else
	unregister_ftrace_direct(&direct, (unsigned long)cases_trampoline, true);
#endif
}

static int __init cases_hook_init(void)
{
	int err;

	if (!strcmp(hook, "kretprobe")) {
		return_probe.kp.symbol_name = symbol;
		return register_kretprobe(&return_probe);
	}
	if (!strcmp(hook, "ipmodify")) {
		err = ftrace_set_filter(&ops, symbol, strlen(symbol), 1);
		return err ? err : register_ftrace_function(&ops);
	}
	if (!strcmp(hook, "direct"))
		return set_direct();
	probe.symbol_name = symbol;
	probe.offset = offset;
	if (!strcmp(hook, "kprobe-post"))
		probe.post_handler = after;
	return register_kprobe(&probe);
}

static void __exit cases_hook_exit(void)
{
	if (!strcmp(hook, "kretprobe"))
		unregister_kretprobe(&return_probe);
	else if (!strcmp(hook, "ipmodify"))
		unregister_ftrace_function(&ops);
	else if (!strcmp(hook, "direct"))
		unset_direct();
	else
		unregister_kprobe(&probe);
}

module_init(cases_hook_init);
module_exit(cases_hook_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Others who hook the function that the cases patch");
