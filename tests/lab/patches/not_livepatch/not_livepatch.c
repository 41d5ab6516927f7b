// SPDX-License-Identifier: GPL-2.0
/*
 * A plain module that loads and does nothing. It is no livepatch: modinfo has no "livepatch".
 */
#include <linux/module.h>

static int __init not_livepatch_init(void)
{
	return 0;
}

static void __exit not_livepatch_exit(void)
{
}

module_init(not_livepatch_init);
module_exit(not_livepatch_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("A module that is not a livepatch");
MODULE_VERSION("1");
