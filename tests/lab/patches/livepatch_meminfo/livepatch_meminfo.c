// SPDX-License-Identifier: GPL-2.0
/*
 * Carries meminfo_proc_show of fs/proc/meminfo.c over whole and changes one line: VmallocChunk
 * is shown as VMALLOCCHUNK. What the function needs and modules cannot link to is looked up by
 * name when the module loads; README.md says how, and why that is not how it should be done.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/hugetlb.h>
#include <linux/kallsyms.h>
#include <linux/kprobes.h>
#include <linux/livepatch.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/static_call.h>
#include <linux/swap.h>
#include <linux/version.h>
#include <linux/vmalloc.h>
#include <linux/vmstat.h>

/* The function differs between kernel releases and configurations; what was not compared is not built. */
#define RELEASE (LINUX_VERSION_CODE >> 8)
#if RELEASE != (KERNEL_VERSION(6, 1, 0) >> 8) && RELEASE != (KERNEL_VERSION(6, 12, 0) >> 8)
#error "meminfo_proc_show is carried over from 6.1 and 6.12 only"
#endif
#if !defined(CONFIG_X86_64) || !defined(CONFIG_TRANSPARENT_HUGEPAGE) || defined(CONFIG_ZSWAP) || \
	defined(CONFIG_CMA) || defined(CONFIG_MEMTEST)
#error "meminfo_proc_show of this configuration has other lines than those carried over"
#endif

/*
 * Functions that are not exported. Each is called through a static call, which patches a direct
 * call into the code: an indirect one through a pointer would fault where indirect branch
 * tracking is on, as the kernel removes the landing pads of functions it does not call so itself.
 * The types come from the kernel's headers.
 */
#define EACH_FUNCTION(X) \
	X(seq_put_decimal_ull_width) \
	X(si_swapinfo) \
	X(vm_commit_limit) \
	X(vmalloc_nr_pages) \
	X(pcpu_nr_pages) \
	X(hugetlb_report_meminfo) \
	X(arch_report_meminfo)

#define DEFINE_FUNCTION(name) DEFINE_STATIC_CALL_NULL(found_##name, name);
EACH_FUNCTION(DEFINE_FUNCTION)
DEFINE_STATIC_CALL_NULL(found_kallsyms_lookup_name, kallsyms_lookup_name);

#define CALL(name) static_call(found_##name)

#ifdef CONFIG_MEMORY_FAILURE
static typeof(num_poisoned_pages) *found_num_poisoned_pages;
#endif

static void show_val_kb(struct seq_file *m, const char *s, unsigned long num)
{
	CALL(seq_put_decimal_ull_width)(m, s, num << (PAGE_SHIFT - 10), 8);
	seq_write(m, " kB\n", 4);
}

static int patched_meminfo_proc_show(struct seq_file *m, void *v)
{
	struct sysinfo i;
	unsigned long committed;
	long cached;
	long available;
	unsigned long pages[NR_LRU_LISTS];
	unsigned long sreclaimable, sunreclaim;
	int lru;

	si_meminfo(&i);
	CALL(si_swapinfo)(&i);
	committed = vm_memory_committed();

	cached = global_node_page_state(NR_FILE_PAGES) -
			total_swapcache_pages() - i.bufferram;
	if (cached < 0)
		cached = 0;

	for (lru = LRU_BASE; lru < NR_LRU_LISTS; lru++)
		pages[lru] = global_node_page_state(NR_LRU_BASE + lru);

	available = si_mem_available();
	sreclaimable = global_node_page_state_pages(NR_SLAB_RECLAIMABLE_B);
	sunreclaim = global_node_page_state_pages(NR_SLAB_UNRECLAIMABLE_B);

	show_val_kb(m, "MemTotal:       ", i.totalram);
	show_val_kb(m, "MemFree:        ", i.freeram);
	show_val_kb(m, "MemAvailable:   ", available);
	show_val_kb(m, "Buffers:        ", i.bufferram);
	show_val_kb(m, "Cached:         ", cached);
	show_val_kb(m, "SwapCached:     ", total_swapcache_pages());
	show_val_kb(m, "Active:         ", pages[LRU_ACTIVE_ANON] +
					   pages[LRU_ACTIVE_FILE]);
	show_val_kb(m, "Inactive:       ", pages[LRU_INACTIVE_ANON] +
					   pages[LRU_INACTIVE_FILE]);
	show_val_kb(m, "Active(anon):   ", pages[LRU_ACTIVE_ANON]);
	show_val_kb(m, "Inactive(anon): ", pages[LRU_INACTIVE_ANON]);
	show_val_kb(m, "Active(file):   ", pages[LRU_ACTIVE_FILE]);
	show_val_kb(m, "Inactive(file): ", pages[LRU_INACTIVE_FILE]);
	show_val_kb(m, "Unevictable:    ", pages[LRU_UNEVICTABLE]);
	show_val_kb(m, "Mlocked:        ", global_zone_page_state(NR_MLOCK));

	show_val_kb(m, "SwapTotal:      ", i.totalswap);
	show_val_kb(m, "SwapFree:       ", i.freeswap);
	show_val_kb(m, "Dirty:          ",
		    global_node_page_state(NR_FILE_DIRTY));
	show_val_kb(m, "Writeback:      ",
		    global_node_page_state(NR_WRITEBACK));
	show_val_kb(m, "AnonPages:      ",
		    global_node_page_state(NR_ANON_MAPPED));
	show_val_kb(m, "Mapped:         ",
		    global_node_page_state(NR_FILE_MAPPED));
	show_val_kb(m, "Shmem:          ", i.sharedram);
	show_val_kb(m, "KReclaimable:   ", sreclaimable +
		    global_node_page_state(NR_KERNEL_MISC_RECLAIMABLE));
	show_val_kb(m, "Slab:           ", sreclaimable + sunreclaim);
	show_val_kb(m, "SReclaimable:   ", sreclaimable);
	show_val_kb(m, "SUnreclaim:     ", sunreclaim);
	seq_printf(m, "KernelStack:    %8lu kB\n",
		   global_node_page_state(NR_KERNEL_STACK_KB));
	show_val_kb(m, "PageTables:     ",
		    global_node_page_state(NR_PAGETABLE));
	show_val_kb(m, "SecPageTables:  ",
		    global_node_page_state(NR_SECONDARY_PAGETABLE));

	show_val_kb(m, "NFS_Unstable:   ", 0);
	show_val_kb(m, "Bounce:         ",
		    global_zone_page_state(NR_BOUNCE));
	show_val_kb(m, "WritebackTmp:   ",
		    global_node_page_state(NR_WRITEBACK_TEMP));
	show_val_kb(m, "CommitLimit:    ", CALL(vm_commit_limit)());
	show_val_kb(m, "Committed_AS:   ", committed);
	seq_printf(m, "VmallocTotal:   %8lu kB\n",
		   (unsigned long)VMALLOC_TOTAL >> 10);
	show_val_kb(m, "VmallocUsed:    ", CALL(vmalloc_nr_pages)());
	show_val_kb(m, "VMALLOCCHUNK:   ", 0ul); /* the change */
	show_val_kb(m, "Percpu:         ", CALL(pcpu_nr_pages)());

#ifdef CONFIG_MEMORY_FAILURE
	seq_printf(m, "HardwareCorrupted: %5lu kB\n",
		   atomic_long_read(found_num_poisoned_pages) << (PAGE_SHIFT - 10));
#endif

	show_val_kb(m, "AnonHugePages:  ",
		    global_node_page_state(NR_ANON_THPS));
	show_val_kb(m, "ShmemHugePages: ",
		    global_node_page_state(NR_SHMEM_THPS));
	show_val_kb(m, "ShmemPmdMapped: ",
		    global_node_page_state(NR_SHMEM_PMDMAPPED));
	show_val_kb(m, "FileHugePages:  ",
		    global_node_page_state(NR_FILE_THPS));
	show_val_kb(m, "FilePmdMapped:  ",
		    global_node_page_state(NR_FILE_PMDMAPPED));

#ifdef CONFIG_UNACCEPTED_MEMORY
	show_val_kb(m, "Unaccepted:     ",
		    global_zone_page_state(NR_UNACCEPTED));
#endif

	CALL(hugetlb_report_meminfo)(m);

	CALL(arch_report_meminfo)(m);

	return 0;
}

static unsigned long __init find(const char *name)
{
	unsigned long addr = CALL(kallsyms_lookup_name)(name);

	if (!addr)
		pr_err("cannot find %s: not in this kernel's symbol table\n", name);
	return addr;
}

/* A kprobe takes a name and gives back an address: the one look-up by name that modules are left. */
static int __init find_lookup(void)
{
	struct kprobe probe = {
		.symbol_name = "kallsyms_lookup_name",
		.flags = KPROBE_FLAG_DISABLED, /* the address is all that is wanted: arm nothing */
	};
	int err = register_kprobe(&probe);

	if (err) {
		pr_err("cannot find kallsyms_lookup_name: kprobe refused with error %d\n", err);
		return -ENOENT;
	}
	/* May point behind the function's endbr64, which a direct call does not need. */
	static_call_update(found_kallsyms_lookup_name, (void *)probe.addr);
	unregister_kprobe(&probe);
	return 0;
}

static int __init find_symbols(void)
{
	unsigned long addr;
	int err = find_lookup();

	if (err)
		return err;

#define FIND_FUNCTION(name) \
	addr = find(#name); \
	if (!addr) \
		return -ENOENT; \
	static_call_update(found_##name, (void *)addr);
	EACH_FUNCTION(FIND_FUNCTION)

#ifdef CONFIG_MEMORY_FAILURE
	addr = find("num_poisoned_pages");
	if (!addr)
		return -ENOENT;
	found_num_poisoned_pages = (void *)addr;
#endif
	return 0;
}

static struct klp_func funcs[] = {
	{ .old_name = "meminfo_proc_show", .new_func = patched_meminfo_proc_show },
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

static int __init livepatch_meminfo_init(void)
{
	int err = find_symbols();

	return err ? err : klp_enable_patch(&patch);
}

static void __exit livepatch_meminfo_exit(void)
{
}

module_init(livepatch_meminfo_init);
module_exit(livepatch_meminfo_exit);
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
MODULE_DESCRIPTION("Livepatch of meminfo_proc_show: VmallocChunk is shown as VMALLOCCHUNK");
MODULE_VERSION("1");
