"""The modules of all cases for one environment, in the cache: sources compiled once a kernel, then changed case by case."""
import lzma
import os
import shutil
import time
from pathlib import Path

from labkit import abis, kernels
from labkit.config import command, digest, locked

from . import sign
from .case import SECURE
from .convert import convert
from .elf import Elf
from .table import CASES, HELPERS, TARGET

CASES_FOLDER = Path(__file__).resolve().parent.parent
SOURCES = CASES_FOLDER / "modules"
GUEST = CASES_FOLDER / "guest"
FOLDER = sign.FOLDER


def file_of(number):
    return f"case-{number}.ko"


def name_of(case):
    """The module's name, as its file says it."""
    return case.module


def made(environment):
    """The folder for the host: case-N.ko, the helpers' modules, load, cases.sh; and {case number: module's name}."""
    series = environment.split()[0]
    names = {number: name_of(case) for number, case in enumerate(CASES, 1) if environment in case.where}
    compiled = {name: _compiled(name) for name in abis.preferred()}
    # Other checkouts share the cache and have cases of their own.
    key = digest(*sorted(CASES_FOLDER.glob("casekit/*.py")), *sorted(GUEST.iterdir()), *(str(path) for path in compiled.values()))
    final = FOLDER / f"host-{environment.replace(' ', '-')}-{key[:12]}"
    with locked(f"cases-{final.name}"):
        if _used(final):
            return final, names
        folder = Path(f"{final}.new")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name in ("cases.sh", "load", "fentry"):
            shutil.copy(GUEST / name, folder)
        for name, (module, edits) in HELPERS.items():
            elf = _edited(compiled[series] / f"{module}.ko", {}, edits)
            (folder / f"{name}.ko").write_bytes(_signed(elf.written(), "mok", environment))
        # as distributions install modules, and the kernel's own unpacker reads them
        (folder / f"{TARGET}.ko.xz").write_bytes(lzma.compress((folder / f"{TARGET}.ko").read_bytes(), check=lzma.CHECK_CRC32))
        for number, case in enumerate(CASES, 1):
            if environment not in case.where:
                continue
            built_for = next(other for other in compiled if other != series) if case.built_for == "other" else series
            elf = _edited(compiled[built_for] / f"{case.module}.ko", case.needs, case.edits)
            content = _signed(elf.written(), case.sign, environment)
            (folder / file_of(number)).write_bytes(case.file(content) if case.file else content)
        folder.rename(final)
    return final, names


def _used(folder):
    """Whether it is there. What nobody has used for a day goes."""
    for other in FOLDER.glob("*-*"):
        if other.is_dir() and other != folder and time.time() - other.stat().st_mtime > 24 * 3600:
            shutil.rmtree(other, ignore_errors=True)
    if folder.exists():
        os.utime(folder)
    return folder.exists()


def _edited(path, needs, edits):
    elf = Elf(path.read_bytes())
    convert(elf, needs)
    for edit in edits:
        edit(elf)
    return elf


def _signed(content, by, environment):
    wanted = by if environment in SECURE else by.replace("mok", "")
    return sign.sign(content, wanted, environment.split()[0]) if wanted else content


def _compiled(series):
    """The folder with the modules as kbuild made them, without debug information (BTF is some)."""
    headers = kernels.headers(series)
    sources = sorted(SOURCES.iterdir())
    final = FOLDER / f"kernel-{series}-{digest(*sources, *(path.name for path in sources), str(headers), Path(__file__))[:12]}"
    with locked(f"cases-{final.name}"):
        if _used(final):
            return final
        folder = Path(f"{final}.new")
        shutil.rmtree(folder, ignore_errors=True)
        build = folder / "build"
        shutil.copytree(SOURCES, build)
        # Undefined symbols are the converter's matter, hence a warning only.
        command("make", "-C", headers, f"M={build}", "KBUILD_MODPOST_WARN=1", f"KCFLAGS=-ffile-prefix-map={build}=.", "modules", timeout=600)
        for module in build.glob("*.ko"):
            command("strip", "--strip-debug", "--remove-section=.BTF", "-o", folder / module.name, module)
        folder.rename(final)
    return final
