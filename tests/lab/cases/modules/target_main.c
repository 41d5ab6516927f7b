// SPDX-License-Identifier: GPL-2.0
/* An ordinary module to be patched: /proc/cases_target is made of two functions of the same name, a local function, one that cannot be traced, a variable, a static key. */
#include <linux/jump_label.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>

DEFINE_STATIC_KEY_FALSE(target_key);
static unsigned long secret __used = 42;

static __attribute__((__noipa__)) unsigned long helper(void)
{
	return READ_ONCE(secret);
}

static __attribute__((__noipa__)) int twin(struct seq_file *m, void *v)
{
	seq_puts(m, "first twin\n");
	return 0;
}

static notrace __attribute__((__noipa__)) int untraced(struct seq_file *m, void *v)
{
	return 0;
}

int second_twin(struct seq_file *m, void *v);

static __attribute__((__noipa__)) int target_show(struct seq_file *m, void *v)
{
	seq_printf(m, "target %lu%s\n", helper(), static_branch_unlikely(&target_key) ? ", key on" : "");
	untraced(m, v);
	twin(m, v);
	return second_twin(m, v);
}

static int set_key(const char *text, const struct kernel_param *param)
{
	bool on;
	int err = kstrtobool(text, &on);

	if (!err && on)
		static_branch_enable(&target_key);
	else if (!err)
		static_branch_disable(&target_key);
	return err;
}

static const struct kernel_param_ops key_ops = { .set = set_key };
module_param_cb(key, &key_ops, NULL, 0200);

static int __init cases_target_init(void)
{
	return proc_create_single("cases_target", 0444, NULL, target_show) ? 0 : -ENOMEM;
}

static void __exit cases_target_exit(void)
{
	remove_proc_entry("cases_target", NULL);
}

module_init(cases_target_init);
module_exit(cases_target_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("What the cases patch when they patch a module");
