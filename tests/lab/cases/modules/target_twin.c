// SPDX-License-Identifier: GPL-2.0
#include <linux/seq_file.h>

int second_twin(struct seq_file *m, void *v);

static __attribute__((__noipa__)) int twin(struct seq_file *m, void *v)
{
	seq_puts(m, "second twin\n");
	return 0;
}

int second_twin(struct seq_file *m, void *v)
{
	return twin(m, v);
}
