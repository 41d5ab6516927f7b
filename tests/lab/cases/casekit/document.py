"""docs/preflight-cases.md, from what was seen."""
from . import judge
from .table import CASES

INTRODUCTION = """# What preflight says and what the kernel does

Printed by `tests/lab/cases/run`, which has preflight judge each module on a real host and then lets the kernel do what it does with it;
`make test` checks that this page says the same. The hosts are Debian's {kernels}, permissive and (SB) under UEFI Secure Boot.
A case is seen on both kernels, permissive, unless it says otherwise. *Oops* is a crash of the kernel that was seen, and *takes it* means that
finit_module answered 0.

The rule: what the kernel refuses or does not survive, preflight refuses, with the right reason; what runs, preflight does not refuse.
Two rows say `cannot-tell`, where the answer depends on a module that the host has not loaded.

| # | case | preflight | kernel |
|---|---|---|---|
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
    return INTRODUCTION.format(kernels=" and ".join(abis)) + "".join(rows)


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
