"""The cases. A row is a module, what is done to it, the host it meets, the kernel's answer, and the check of preflight that has to say so
first. The answers are what the kernels were seen to do; README.md says how to add one."""
from . import edit as x
from .case import PERMISSIVE, SECURE, Case, Crashes, Misleads, Refused, Runs, Spoils
from .convert import VMLINUX
from .elf import ALLOC, INFO_LINK, SHN_ABS, SHN_UNDEF
from .sign import by_openssl, cut_short, garbage, length_of, of_type, one_bit, signature_off

PLAIN, NEEDS, KEY, TARGET, HOOK, SPACE = "cases_plain", "cases_needs", "cases_key", "cases_target", "cases_hook", "cases_space"

# What the converter is told to look for, and where
KERNEL = {"needed_function": (VMLINUX, "nr_context_switches", 0), "needed_variable": (VMLINUX, "saved_command_line", 0)}
MODULE = {"needed_function": (TARGET, "helper", 0), "needed_variable": (TARGET, "secret", 0)}
IN_TARGET = (x.in_object(TARGET), x.old_name("target_show"))


def kernels(**changes):
    return {**KERNEL, **changes}


def modules(**changes):
    return {**MODULE, **changes}


# Modules that are there for the host's state: name -> (module, edits)
HELPERS = {
    TARGET: (TARGET, ()),
    HOOK: (HOOK, ()),
    PLAIN: (PLAIN, ()),
    "cases_first": (PLAIN, (x.named("cases_first"),)),
    "cases_second": (PLAIN, (x.named("cases_second"), x.old_name("version_proc_show"))),
    "cases_replacing": (PLAIN, (x.named("cases_replacing"), x.replace)),
    "cases_newer": (PLAIN, (x.named("cases_newer"), x.state(2))),
    "cases_older": (PLAIN, (x.named("cases_older"), x.state(1))),
    # its thread never leaves the function: the transition waits for it
    "cases_waiting": (PLAIN, (x.named("cases_waiting"), x.old_name("oom_reaper"))),
    "cases_ordinary": (TARGET, (x.named(PLAIN),)),
}

ARRIVES = "target; cat /proc/cases_target"
HERE = "cat /proc/cases_target"
THERE = "target | grep -qw 0"
INSTALLED, PACKED = {"before": "installed cases_target.ko", "after": "uninstalled"}, {"before": "installed cases_target.ko.xz", "after": "uninstalled"}
CONFIDENTIAL = "echo confidentiality >/sys/kernel/security/lockdown"
BOTH = "patched by cases, with 1 and 1"
FORCED = Misleads("patched by cases", "by force (CONFIG_MODULE_FORCE_LOAD): the kernel is tainted (F)")

CASES = [
    # --- what runs
    Case("one function of the kernel, exported symbols only", PLAIN, Runs()),
    Case("a function and a variable of the kernel that are not exported", NEEDS, Runs(BOTH), needs=KERNEL),
    Case("position 1 of a name that is there once", PLAIN, Runs(), edits=(x.sympos(1),)),
    Case("position 2 of a name that is there several times", PLAIN, Runs("alive"), edits=(x.old_name("name_show"), x.sympos(2)), call="echo alive"),
    Case("a clone by its whole name", PLAIN, Runs("alive"), edits=(x.old_name("__set_oom_adj.isra.0"),), call="echo alive"),
    Case("a static key of the kernel", KEY, Runs("patched by cases, key off"), needs={"needed_key": (VMLINUX, "sched_schedstats", 0)}),
    Case("a function of a module that is loaded", PLAIN, Runs(), edits=IN_TARGET, before=THERE, call=HERE),
    Case("a function of a module that is not loaded", PLAIN, Runs("not there"), edits=IN_TARGET, call="echo not there"),
    Case("a function of a module that arrives later", PLAIN, Runs(), edits=IN_TARGET, call=ARRIVES, **INSTALLED),
    Case("a function of a module that arrives later, installed as .ko.xz", PLAIN, Runs(), edits=IN_TARGET, call=ARRIVES, **PACKED),
    Case("a function of a module that arrives later and is installed nowhere", PLAIN, Runs(), edits=IN_TARGET, call=ARRIVES),
    Case("local symbols of a module that is loaded", NEEDS, Runs(BOTH), needs=MODULE, edits=IN_TARGET, before=THERE, call=HERE),
    Case("local symbols of a module that arrives later", NEEDS, Runs(BOTH), needs=MODULE, edits=IN_TARGET, call=ARRIVES, **INSTALLED),
    Case("local symbols of a module that arrives later and is installed nowhere", NEEDS, Runs(BOTH), needs=MODULE, edits=IN_TARGET, call=ARRIVES),
    Case("the second of two functions of the same name in a module", PLAIN, Runs("first twin\npatched by cases"),
         edits=(x.in_object(TARGET), x.old_name("twin"), x.sympos(2)), before=THERE, call=HERE),
    Case("a module that no system has", PLAIN, Runs("console="), edits=(x.in_object("cases_nowhere"),)),
    Case("stacked on an older patch of the same function", PLAIN, Runs(), before="patch cases_first"),
    Case("stacked on one that replaces", PLAIN, Runs(), before="patch cases_replacing"),
    Case("replaces two that are stacked", PLAIN, Runs(), edits=(x.replace,), before="patch cases_first && patch cases_second"),
    Case("replaces one with an older state", PLAIN, Runs(), edits=(x.replace, x.state(2)), before="patch cases_older"),
    Case("stacked on one with a state, and has none", PLAIN, Runs(), before="patch cases_newer"),
    Case("stacked on one with an older state", PLAIN, Runs(), edits=(x.state(2),), before="patch cases_older"),
    Case("a kprobe at the function's entry", PLAIN, Runs(), before="hook hook=kprobe"),
    Case("a kprobe in the middle of the function", PLAIN, Runs(), before="for o in 9 10 11 12 13 14 15; do hook hook=kprobe offset=$o && break; done"),
    Case("a kretprobe on the function", PLAIN, Runs(), before="hook hook=kretprobe"),
    Case("the function tracer on the function", PLAIN, Runs(), before="trace cmdline_proc_show", after="untrace"),
    Case("a kprobe of tracefs on the function", PLAIN, Runs(), before="event 'p:cases cmdline_proc_show'", after="no_event"),
    Case("an fprobe on the function", PLAIN, Runs(), before="event 'f:cases cmdline_proc_show'", after="no_event", where=("6.12", "6.12 SB")),
    Case("a BPF program at the function's entry", PLAIN, Runs(), before="bpf cmdline_proc_show", after="no_bpf"),
    Case("stacked on an older patch of the same function, with a kprobe on it", PLAIN, Runs(), before="patch cases_first && hook hook=kprobe"),
    Case("stacked on an older patch of the same function, with the function tracer on it", PLAIN, Runs(), before="patch cases_first && trace cmdline_proc_show", after="untrace"),
    Case("replaces an older patch of the same function, with a BPF program on it", PLAIN, Runs(), edits=(x.replace,), before="patch cases_first && bpf cmdline_proc_show", after="no_bpf"),
    Case("a function that shares its place with another name", PLAIN, Runs("alive"), edits=(x.old_name("__x64_sys_sgetmask"),), call="echo alive"),
    Case("of two functions of a name the one that can be traced", PLAIN, Runs("alive"), edits=(x.old_name("p_start"), x.sympos(2)), call="echo alive"),
    Case("symbols of a namespace that it imports", SPACE, Runs()),
    Case("livepatch symbol that is there and is the wrong one", NEEDS, Runs(BOTH, "the wrong function is called: that it is wrong no file and no kernel tells"), needs=kernels(needed_function=(VMLINUX, "nr_processes", 0))),
    Case("no vermagic", PLAIN, FORCED, "vermagic|module-format", edits=(x.modinfo(vermagic=None),)),
    Case("no checksum of one of its symbols", PLAIN, Refused("EINVAL", "no symbol version for seq_write"), "symbol-versions", edits=(x.crc_of("seq_write", None),)),
    Case("no checksums at all", PLAIN, FORCED, "symbol-versions", edits=(x.without("__versions"),)),
    Case("livepatch section: sh_link names no section", NEEDS, Runs(BOTH, "sh_link is not used"), needs=KERNEL, edits=(x.section_with(link=0),)),
    Case("livepatch section: entry size 0, alignment 1", NEEDS, Runs(BOTH, "neither is used"), needs=KERNEL, edits=(x.section_with(entry=0, align=1),)),
    Case("livepatch section: its name has no target section", NEEDS, Runs(BOTH, "only the object is read from the name"), needs=KERNEL, edits=(x.section_named(".klp.rela.vmlinux"),)),
    Case("livepatch section of the kernel without SHF_ALLOC", NEEDS, Runs(BOTH, "relocations of the kernel are applied while the file is at hand"), needs=KERNEL, edits=(x.section_with(flags=lambda f: f & ~ALLOC),)),

    Case("a stale index that names another livepatch symbol", NEEDS, Runs(BOTH, "a function's bytes are read as the variable: that it is wrong no file and no kernel tells"), needs=KERNEL, edits=(x.all_on(".klp.sym.vmlinux.nr_context_switches,0"),)),
    Case("livepatch section without SHF_INFO_LINK", NEEDS, Runs(BOTH, "it is not used"), needs=KERNEL, edits=(x.section_with(flags=lambda f: f & ~INFO_LINK),)),

    # --- what no kernel of this host takes
    Case("built for another kernel", PLAIN, {"": Refused("ENOEXEC", "disagrees about version of symbol module_layout"), "6.12": Refused("ENOEXEC", "section size must match the kernel's built struct module size")}, "vermagic|symbol-versions", built_for="other"),
    Case("vermagic names another release", PLAIN, Runs(note="where symbols have checksums the release is not compared"),
         edits=(x.vermagic(lambda text: "9.9.9-other " + text.split(" ", 1)[1]),)),
    Case("vermagic names other features", PLAIN, Refused("ENOEXEC", "version magic '"), "vermagic", edits=(x.vermagic(lambda text: text.replace("mod_unload ", "")),)),
    Case("checksum of a symbol is another", PLAIN, Refused("EINVAL", "disagrees about version of symbol seq_write"), "symbol-versions", edits=(x.crc_of("seq_write", 0x1234),)),
    Case("checksum of module_layout is another", PLAIN, Refused("ENOEXEC", "disagrees about version of symbol module_layout"), "symbol-versions", edits=(x.crc_of("module_layout", 0x1234),)),
    Case("needs a symbol that nobody has", PLAIN, Refused("ENOENT", "Unknown symbol cases_no_such_symbol (err -2)"), "needed-symbols", edits=(x.needs("cases_no_such_symbol"),)),
    Case("needs a symbol that is not exported, unconverted", PLAIN, Refused("ENOENT", "Unknown symbol nr_context_switches (err -2)"), "needed-symbols", edits=(x.needs("nr_context_switches"),)),
    Case("symbols of a namespace that it does not import", SPACE, Refused("EINVAL", "uses symbol (dma_buf_put) from namespace DMA_BUF, but does not import it."), "symbol-namespaces", edits=(x.modinfo(import_ns=None),)),
    Case("its licence is not the GPL's", PLAIN, Refused("ENOENT", "Unknown symbol klp_enable_patch (err -2)"), "licence|needed-symbols", edits=(x.modinfo(license="Proprietary"),), taints=True),
    Case("not an ELF file", PLAIN, Refused("ENOEXEC"), "module-format", file=lambda content: b"#!/bin/sh\n" * 400, where=PERMISSIVE),
    Case("cut off in the middle", PLAIN, Refused("ENOEXEC"), "module-format", file=lambda content: content[:len(content) // 2], where=PERMISSIVE),
    Case("for another architecture", PLAIN, Refused("ENOEXEC"), "architecture|module-format", edits=(x.machine(183),)),
    Case("stripped of its symbol table", PLAIN, Refused("ENOEXEC", "module has no symbols (stripped?)"), "module-format", edits=(x.without_symbol_table,)),
    Case("stripped of .gnu.linkonce.this_module", PLAIN, Refused("ENOEXEC"), "module-format", edits=(x.without(".gnu.linkonce.this_module"),)),
    Case("stripped of .modinfo", PLAIN, Refused("ENOENT", "Unknown symbol klp_enable_patch (err -2)"), "module-format|livepatch-marker|needed-symbols|vermagic", edits=(x.without(".modinfo"),), taints=True),
    Case("a variable of 2 GiB", PLAIN, Refused("ENOMEM"), "memory", edits=(x.memory(2 << 30),)),
    Case("no modinfo livepatch=Y", PLAIN, Refused("EINVAL", "module {name} is not marked as a livepatch module"), "livepatch-marker", edits=(x.modinfo(livepatch=None),)),

    # --- what it patches
    Case("a function that is not there", PLAIN, Refused("EINVAL", "symbol 'cases_no_such_function' not found in symbol table"), "patched-functions", edits=(x.old_name("cases_no_such_function"),)),
    Case("a function that is inlined everywhere", PLAIN, Refused("EINVAL", "symbol 'show_val_kb' not found in symbol table"), "patched-functions", edits=(x.old_name("show_val_kb"),)),
    Case("a function that is there as its clone .isra.0 alone", PLAIN, Refused("EINVAL", "symbol '__set_oom_adj' not found in symbol table"), "patched-functions", edits=(x.old_name("__set_oom_adj"),)),
    Case("a function that is there as its clone .constprop.0 alone", PLAIN, Refused("EINVAL", "symbol '__build_flow_key' not found in symbol table"), "patched-functions", edits=(x.old_name("__build_flow_key"),)),
    Case("a function that is there in part alone (.part.0)", PLAIN, Refused("EINVAL", "symbol '__do_pipe_flags' not found in symbol table"), "patched-functions", edits=(x.old_name("__do_pipe_flags"),)),
    Case("a name that is there several times, no position", PLAIN, Refused("EINVAL", "unresolvable ambiguity for symbol 'name_show' in object '(null)'"), "function-position", edits=(x.old_name("name_show"),)),
    Case("position 2 of a name that is there once", PLAIN, Refused("EINVAL", "symbol position 2 for symbol 'cmdline_proc_show' in object 'vmlinux' not found"), "function-position", edits=(x.sympos(2),)),
    Case("a function in a file built without call sites", PLAIN, Refused("EINVAL", "failed to find location for function 'bin2hex'"), "traceable-functions", edits=(x.old_name("bin2hex"),)),
    Case("a function marked notrace", PLAIN, Refused("EINVAL", "failed to find location for function 'ktime_get_mono_fast_ns'"), "traceable-functions", edits=(x.old_name("ktime_get_mono_fast_ns"),)),
    Case("of two functions of a name the one that cannot be traced", PLAIN, Refused("EINVAL", "failed to find location for function 'p_start'"), "traceable-functions", edits=(x.old_name("p_start"), x.sympos(1))),
    Case("the same function twice", PLAIN, Refused("EEXIST", "cannot create duplicate filename"), "patched-functions", edits=(x.also("cmdline_proc_show"),)),
    Case("the same module twice", PLAIN, Refused("EEXIST", "cannot create duplicate filename"), "patched-objects", edits=(*IN_TARGET, x.other_name("second_twin"), x.also_object(TARGET, "other_funcs"))),
    Case("two modules that share one table of functions", PLAIN, Crashes("load"), "patched-objects|patched-functions", edits=(*IN_TARGET, x.also_object("cases_nowhere"))),
    Case("a function that the loaded module has not", PLAIN, Refused("EINVAL", "symbol 'cmdline_proc_show' not found in symbol table"), "patched-functions", edits=(x.in_object(TARGET),), before=THERE),
    Case("a name that the loaded module has twice, no position", PLAIN, Refused("EINVAL", "unresolvable ambiguity for symbol 'twin' in object 'cases_target'"), "function-position",
         edits=(x.in_object(TARGET), x.old_name("twin")), before=THERE),
    Case("a function of the loaded module that cannot be traced", PLAIN, Refused("EINVAL", "failed to find location for function 'untraced'"), "traceable-functions",
         edits=(x.in_object(TARGET), x.old_name("untraced")), before=THERE),
    Case("a function that the module has not, as it arrives", PLAIN, Spoils("EINVAL", "symbol 'cmdline_proc_show' not found in symbol table"), "patched-functions", edits=(x.in_object(TARGET),), call="target", **INSTALLED),
    Case("a function that the module has not, installed as .ko.xz", PLAIN, Spoils("EINVAL", "symbol 'cmdline_proc_show' not found in symbol table"), "patched-functions", edits=(x.in_object(TARGET),), call="target", **PACKED),
    Case("a name that the module has twice, no position, as it arrives", PLAIN, Spoils("EINVAL", "unresolvable ambiguity for symbol 'twin' in object 'cases_target'"), "function-position",
         edits=(x.in_object(TARGET), x.old_name("twin")), call="target", **INSTALLED),
    Case("a position that the module has not, as it arrives", PLAIN, Spoils("EINVAL", "symbol position 3 for symbol 'twin' in object 'cases_target' not found"), "function-position",
         edits=(x.in_object(TARGET), x.old_name("twin"), x.sympos(3)), call="target", **INSTALLED),
    Case("a function that cannot be traced, as it arrives", PLAIN, Spoils("EINVAL", "failed to find location for function 'untraced'"), "traceable-functions",
         edits=(x.in_object(TARGET), x.old_name("untraced")), call="target", **INSTALLED),
    Case("a function that the module has not, as it arrives from nowhere", PLAIN, Spoils("EINVAL", "refusing to load module"), "patched-functions", edits=(x.in_object(TARGET),), call="target", untold=True),
    Case("a module's name of 56 letters", PLAIN, Refused("EINVAL"), "patched-objects", edits=(x.in_object("a" * 56),)),
    Case("a function without its name", PLAIN, Refused("EINVAL"), "patched-functions|module-format", edits=(x.without_pointer("old_name"),)),
    Case("a function without its replacement", PLAIN, Refused("EINVAL"), "patched-functions|module-format", edits=(x.without_pointer("new_func"),)),

    # --- what is there already
    Case("the same patch is loaded", PLAIN, Refused("EEXIST"), "module-name", before="patch cases_plain"),
    Case("an ordinary module has its name", PLAIN, Refused("EEXIST"), "module-name", before="[ $(load cases_ordinary.ko) = 0 ]"),
    Case("a kprobe with a post handler on the function", PLAIN, Refused("EBUSY", "failed to register ftrace handler for function 'cmdline_proc_show' (-16)"), "function-hooks", before="hook hook=kprobe-post"),
    Case("a tracer that changes where the function goes", PLAIN, Refused("EBUSY", "failed to register ftrace handler for function 'cmdline_proc_show' (-16)"), "function-hooks", before="hook hook=ipmodify"),
    Case("a trampoline that is called directly and does not share", PLAIN, Refused("EBUSY", "failed to register ftrace handler for function 'cmdline_proc_show' (-16)"), "function-hooks", before="hook hook=direct"),
    Case("ftrace is switched off", PLAIN, Refused("EBUSY", "failed to register ftrace handler for function 'cmdline_proc_show' (-16)"), "ftrace-enabled", before="echo 0 >/proc/sys/kernel/ftrace_enabled", after="echo 1 >/proc/sys/kernel/ftrace_enabled"),
    Case("another patch's transition has not ended", PLAIN, Refused("EBUSY"), "transition-running", before="[ $(load cases_waiting.ko) = 0 ] && is $patches/cases_waiting/transition 1", after="off cases_waiting"),
    Case("an older state than the one that is loaded", PLAIN, Refused("EINVAL", "is not compatible with the already installed livepatches"), "patch-stack", edits=(x.replace, x.state(1)), before="patch cases_newer"),
    Case("stacked, an older state than the one that is loaded", PLAIN, Refused("EINVAL", "is not compatible with the already installed livepatches"), "patch-stack", edits=(x.state(1),), before="patch cases_newer"),
    Case("replaces one whose state it lacks", PLAIN, Refused("EINVAL", "is not compatible with the already installed livepatches"), "patch-stack", edits=(x.replace,), before="patch cases_newer"),
    Case("the same under lockdown for confidentiality, the loaded one installed", PLAIN, Refused("EINVAL", "is not compatible with the already installed livepatches"), "patch-stack", edits=(x.replace,),
         before=f"patch cases_newer && installed cases_newer.ko && {CONFIDENTIAL}", where=SECURE, spoils=True),
    Case("the same under lockdown for confidentiality, the loaded one from nowhere", PLAIN, Refused("EINVAL", "is not compatible with the already installed livepatches"), "patch-stack", edits=(x.replace,),
         before=f"patch cases_newer && {CONFIDENTIAL}", where=SECURE, spoils=True, untold=True),

    # --- livepatch symbols and relocations that the kernel refuses
    Case("livepatch symbol left undefined", NEEDS, Refused("ENOENT", "Unknown symbol .klp.sym.vmlinux."), "livepatch-symbols", needs=KERNEL, edits=(x.symbol_as(section=SHN_UNDEF),)),
    Case("livepatch symbol in the absolute section", NEEDS, Refused("EINVAL", "is not marked as a livepatch symbol"), "livepatch-symbols|livepatch-relocations", needs=KERNEL, edits=(x.symbol_as(section=SHN_ABS),)),
    Case("livepatch symbol whose name cannot be read", NEEDS, Refused("EINVAL", "symbol .klp.sym.nr_context_switches has an incorrectly formatted name"), "livepatch-symbols", needs=KERNEL, edits=(x.symbol_as(name=".klp.sym.nr_context_switches"),)),
    Case("livepatch symbol that the kernel has not", NEEDS, Refused("EINVAL", "symbol 'cases_no_such_function' not found in symbol table"), "livepatch-symbols", needs=kernels(needed_function=(VMLINUX, "cases_no_such_function", 0))),
    Case("livepatch symbol that is there several times, no position", NEEDS, Refused("EINVAL", "unresolvable ambiguity for symbol 'name_show' in object '(null)'"), "livepatch-symbols", needs=kernels(needed_function=(VMLINUX, "name_show", 0))),
    Case("livepatch symbol at a position that is not there", NEEDS, Refused("EINVAL", "symbol position 2 for symbol 'nr_context_switches' in object 'vmlinux' not found"), "livepatch-symbols", needs=kernels(needed_function=(VMLINUX, "nr_context_switches", 2))),
    Case("livepatch section whose name cannot be read", NEEDS, Refused("EINVAL", "has an incorrectly formatted name"), "livepatch-relocations", needs=KERNEL, edits=(x.section_named(".klp.relavmlinux.text"),)),
    Case("a livepatch relocation on an ordinary symbol", NEEDS, Refused("EINVAL", "is not marked as a livepatch symbol"), "livepatch-relocations|livepatch-symbols", needs=KERNEL, edits=(x.relocation(symbol=lambda elf: elf.symbol_index("patched_show")),)),
    Case("a livepatch relocation of an unknown type", NEEDS, Refused("ENOEXEC", "Unknown rela relocation: 99"), "livepatch-relocations", needs=KERNEL, edits=(x.relocation(type=99),)),
    Case("bytes at a relocation's place that are not zero", NEEDS, Refused("ENOEXEC", "existing value is nonzero"), "livepatch-relocations", needs=KERNEL, edits=(x.target_bytes(0x11223344),)),
    Case("a symbol of the kernel in a loaded module's section", NEEDS, Refused("EINVAL", "invalid access to vmlinux symbol"), "livepatch-relocations|livepatch-symbols", needs=modules(needed_function=KERNEL["needed_function"]),
         edits=(x.all_in_section_of(TARGET), *IN_TARGET), before=THERE),
    Case("a symbol that the loaded module has not", NEEDS, Refused("EINVAL", "symbol 'cases_no_such' not found in symbol table"), "livepatch-symbols", needs=modules(needed_function=(TARGET, "cases_no_such", 0)), edits=IN_TARGET, before=THERE),

    # --- what the kernel takes and the host regrets
    Case("livepatch section without its flag", NEEDS, Crashes("call"), "livepatch-relocations", needs=KERNEL, edits=(x.section_with(flags=lambda f: f & ~0x100000),), where=("6.12", "6.1", "6.12 SB")),
    Case("livepatch section of an object that is not", NEEDS, Crashes("call"), "livepatch-relocations", needs=KERNEL, edits=(x.section_named(".klp.rela.cases_nowhere..text"),)),
    Case("livepatch section of a module without SHF_ALLOC", NEEDS, Crashes("object"), "livepatch-relocations", needs=MODULE, edits=(*IN_TARGET, x.section_with(flags=lambda f: f & ~ALLOC)), call=ARRIVES),
    Case("livepatch section for a section that is not", NEEDS, Crashes("call"), "livepatch-relocations", needs=KERNEL, edits=(x.section_with(info=60000),)),
    Case("livepatch section for a section that is not loaded", NEEDS, Crashes("call"), "livepatch-relocations", needs=KERNEL, edits=(lambda elf: x.section_with(info=elf.index(elf[".comment"]))(elf),)),
    Case("a livepatch relocation on a symbol number beyond the table", NEEDS, Crashes("load"), "livepatch-relocations", needs=KERNEL, edits=(x.relocation(symbol=0x7000000),)),
    Case("a livepatch relocation beyond its section", NEEDS, Crashes("load"), "livepatch-relocations", needs=KERNEL, edits=(x.relocation(offset=0x40000000),)),
    Case("a livepatch symbol in an ordinary relocation section", NEEDS, Crashes("call"), "livepatch-relocations|livepatch-symbols", needs=KERNEL, edits=(x.back_to_ordinary,)),
    Case("a symbol that the module has not, as it arrives", NEEDS, Spoils("EINVAL", "refusing to load module"), "livepatch-symbols", needs=modules(needed_function=(TARGET, "cases_no_such", 0)),
         edits=IN_TARGET, call="target", **INSTALLED),
    Case("a symbol at a position that the module has not, as it arrives", NEEDS, Spoils("EINVAL", "refusing to load module"), "livepatch-symbols", needs=modules(needed_function=(TARGET, "helper", 2)),
         edits=IN_TARGET, call="target", **INSTALLED),
    Case("a symbol that the module has not, as it arrives from nowhere", NEEDS, Spoils("EINVAL", "refusing to load module"), "livepatch-symbols", needs=modules(needed_function=(TARGET, "cases_no_such", 0)),
         edits=IN_TARGET, call="target", untold=True),
    Case("a symbol of the kernel in the section of a module that arrives later", NEEDS, Spoils("EINVAL", "invalid access to vmlinux symbol"), "livepatch-relocations|livepatch-symbols",
         needs=modules(needed_function=KERNEL["needed_function"]), edits=(x.all_in_section_of(TARGET), *IN_TARGET), call="target"),
    Case("a static key of a module", KEY, Misleads("key off\ntarget", "the function does not see the key switched; Oops when both modules are removed", "after"), "static-keys",
         needs={"needed_key": (TARGET, "target_key", 0)}, edits=IN_TARGET, call="target; echo 1 >/sys/module/cases_target/parameters/key; cat /proc/cases_target; off cases_key; within 30 gone cases_key; cat /proc/cases_target",
         after="rmmod cases_target; rmmod cases_key; log"),

    # --- signatures
    Case("signed by a key that the kernel does not know", PLAIN, {"": Runs(note="the kernel is tainted (E)"), "6.12 SB": Refused("EKEYREJECTED"), "6.1 SB": Refused("EKEYREJECTED")}, "module-signature", sign="stranger"),
    Case("not signed", PLAIN, Refused("EKEYREJECTED"), "module-signature", sign="", where=SECURE),
    Case("signature cut off", PLAIN, Refused("EKEYREJECTED"), "module-signature", file=signature_off, where=SECURE),
    Case("one bit changed after it was signed", PLAIN, Refused("EKEYREJECTED"), "module-signature", file=one_bit, where=SECURE),
    Case("the file itself is revoked by the firmware", PLAIN, Refused("EKEYREJECTED", "is blacklisted"), "module-signature", where=SECURE, revoked="file"),
    Case("its signer's certificate is revoked by the firmware", PLAIN, Refused("EKEYREJECTED"), "module-signature", where=SECURE, revoked="signer"),
    Case("signature that is no PKCS#7", PLAIN, Refused("EBADMSG"), "module-signature", sign="stranger", file=garbage),
    Case("signature over attributes", PLAIN, Refused("EKEYREJECTED"), "module-signature", sign="stranger", file=by_openssl()),
    Case("signature with the module in it once more", PLAIN, Refused("EBADMSG"), "module-signature", sign="stranger", file=by_openssl("-nodetach", "-noattr")),
    Case("signature of a type that the kernel does not know", PLAIN, {"": Runs(note="the kernel is tainted (E)"), "6.12 SB": Refused("EKEYREJECTED"), "6.1 SB": Refused("EKEYREJECTED")}, "module-signature", sign="stranger", file=of_type(1)),
    Case("signature longer than the file", PLAIN, Refused("EBADMSG"), "module-signature|module-format", sign="stranger", file=length_of(1 << 24)),
    Case("cut off in the middle of its signature", PLAIN, {"": Runs(note="it counts as not signed"), "6.12 SB": Refused("EKEYREJECTED"), "6.1 SB": Refused("EKEYREJECTED")}, "module-signature", sign="stranger", file=cut_short),

    # --- what other tools make
    Case("what klp-build leaves beside its relocations", NEEDS, Runs(BOTH), needs=KERNEL, edits=(x.as_klp_build,)),
    Case("a symbol of another module in the section of a loaded one", NEEDS, Runs(BOTH), needs=modules(needed_variable=(HOOK, "hook", 0)), edits=(*IN_TARGET, x.all_in_section_of(TARGET)),
         before=f"{THERE} && hook hook=kprobe", call=HERE),

    # --- what it takes, and does nothing with
    Case("the kernel as an object by its name, vmlinux", PLAIN, Misleads("console=", "it waits for a module of that name and patches nothing"), "patched-objects", edits=(x.in_object("vmlinux"),)),
]
