"""docs/preflight-cases.md, from what was seen."""
from . import judge
from .table import CASES
from .table import FORCED as FORCE

INTRODUCTION = """# What preflight says and what the kernel does

Printed by `tests/lab/cases/run`: on a real host preflight judges each module, then the kernel does with it what it does, and each cell that
is run again has to say the same. `make test` asks each case that is the same on all its hosts on one of them, and all the others. The hosts are Debian's {kernels}, permissive; *(SB)* is under UEFI Secure Boot alone, *(also SB)* there too.
A row holds on all of its hosts unless a cell names one. *Takes it* means that finit_module answered 0, an *Oops* is a crash of the kernel that was seen.

The rule: what the kernel refuses or does not survive, preflight refuses, with the right reason; what runs, preflight does not refuse. In rows {untold} the host shows
nothing that tells (a module whose file is nowhere on it; the states of a loaded patch, while lockdown hides the kernel's memory and no file is installed): there preflight says
`cannot-tell`. So there is no row in which preflight says `ok` or `warning` and the kernel refuses.
What a check's name means is in [preflight.md](preflight.md); how to add a case in [tests/lab/cases](../tests/lab/cases/README.md).

| # | case | preflight | kernel |
|---|---|---|---|
"""

FORCED = """
Rows {forced} preflight refuses though the kernel takes them: a forced load is not "runs well". The kernel skips the comparison that would tell whether the module fits
and taints itself (F) for having done so, which nothing but a reboot takes away.
"""

SURPRISES = """
## What one would not guess of the kernels
- vermagic: where symbols have checksums (CONFIG_MODVERSIONS) its first word, the release, is not compared. The checksums are all that holds a module back.
- Without vermagic, or without any checksum, Debian's kernels load a module by force and set taint F; with checksums for some of its symbols alone it is refused.
- Two modules to be patched that share one table of functions: a BUG inside finit_module, because each entry is set up twice. The same function or the same module
  twice, each with an entry of its own, is refused with a stack trace of sysfs.
- A static key of another module: the livepatch loads and runs, whether the module is there or comes later, and never sees the key switched. The kernel entered the jump
  before it knew the key; it notices when the livepatch is removed (a warning in jump_label.c), and after the patched module is gone it runs into freed memory.
- Debian's kernels refuse a module whose whole file, signature included, has a SHA-256 that firmware or shim revoke (`bin:` in `.blacklist`); other kernels read that list for no module.
- A livepatch section without SHF_ALLOC works for symbols of the kernel, which are resolved while the file is at hand, and is an Oops for those of a module.
- A kprobe on a patched function is harmless unless it has a post handler; kretprobes, fprobes, BPF programs and the function tracer are harmless.
- Where such a one is on a function that is livepatched, `enabled_functions` names no livepatch for it any more (`arch_ftrace_ops_list_func`), and its I (IPMODIFY) is the livepatch's own.
- A symbol of a namespace (EXPORT_SYMBOL_NS) is refused to a module that does not import it, as if it were not there: `Unknown symbol … (err -22)`.
- A patch without replace may be stacked on one that replaces.
- The states of a loaded patch decide whether the next one is compatible, and sysfs does not show them; preflight reads them where the kernel does, in its list of patches (`/proc/kcore`).
- A module that comes after the livepatch and lacks what is patched is refused itself: `modprobe` fails, whatever the module is good for.
- An object that is called vmlinux is a module of that name to the kernel: the patch counts as enabled, its transition ends, and nothing is patched.
- In `unresolvable ambiguity for symbol … in object '(null)'` the null is the kernel itself.
"""


def page(results, abis):
    """results: {number: {environment: Seen}}."""
    rows = []
    for number, case in enumerate(CASES, 1):
        environments = [environment for environment in case.where if environment in results.get(number, {})]
        by = results.get(number, {})
        preflight = _each({environment: judge.cell(by[environment]) for environment in environments})
        kernel = _each({environment: _escaped(str(case.answer(environment)).replace("{name}", case.module)) for environment in environments})
        rows.append(f"| {number} | {case.name}{_where(case)} | {preflight} | {kernel} |\n")
    untold = _numbers(lambda case: case.untold)
    return INTRODUCTION.format(kernels=" and ".join(abis), untold=untold) + "".join(rows) + FORCED.format(forced=_numbers(lambda case: case.kernel is FORCE)) + SURPRISES


def _numbers(of):
    *most, last = [str(number) for number, case in enumerate(CASES, 1) if of(case)]
    return f"{', '.join(most)} and {last}" if most else last


def _where(case):
    modes = {environment.endswith("SB") for environment in case.where}
    return {(True,): " (SB)", (False, True): " (also SB)"}.get(tuple(sorted(modes)), "")


def _each(cells):
    """One text when all environments have the same, else each with its environments before it."""
    by_text = {}
    for environment, text in cells.items():
        by_text.setdefault(text, []).append(environment)
    if len(by_text) == 1:
        return next(iter(by_text))
    return "; ".join(f"{', '.join(environments)}: {text}" for text, environments in by_text.items())


def _escaped(text):
    return text.replace("|", "\\|").replace("\n", " ")
