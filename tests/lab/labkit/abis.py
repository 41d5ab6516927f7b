"""Which exact kernel a series stands for: the ABI that kernels.conf prefers, or, when that is gone, the newest that apt still has."""
import os
import re
from pathlib import Path

from .config import CACHE, LAB, LabError, command, say

APT = ("-o", "APT::Sandbox::User=root", "-q")  # else apt warns about folders its own user cannot read
CONF = Path(os.environ.get("LIVEPATCH_LAB_KERNELS") or LAB / "kernels.conf")

_lists_are_fresh = False


def preferred():
    """series -> ABI, as kernels.conf has them."""
    table = {}
    for line in CONF.read_text().splitlines():
        words = line.split("#")[0].split()
        if len(words) == 2:
            table[words[0]] = words[1]
    return table


def abi_of(series):
    """The ABI that was taken before, the preferred one where its kernel is in the cache, else what apt has: no network then, and no apt."""
    wanted = _preferred(series)
    if _instead(wanted).exists():
        return _instead(wanted).read_text().strip()
    return wanted if (CACHE / "kernels" / wanted / "package").exists() else _choose(series, wanted)


def with_abi(series, get):
    """get(abi); where that fails, as what apt's lists name can be gone, once more with fresh lists and what they offer then."""
    abi = abi_of(series)
    try:
        return get(abi)
    except LabError as failed:
        _refresh()
        again = _choose(series, _preferred(series))
        say(f"{failed}; trying again{'' if again == abi else f' with {again}'}")
        return get(again)


def _preferred(series):
    table = preferred()
    if series not in table:
        raise LabError(f"cannot take kernel {series}: unknown series; known are {', '.join(table)} (kernels.conf)")
    return table[series]


def _instead(wanted):
    return CACHE / "kernels" / f"instead-of-{wanted}"


def _choose(series, wanted):
    available = _offered(series)
    if wanted not in available and _refresh():
        available = _offered(series)
    if wanted in available:
        _instead(wanted).unlink(missing_ok=True)
        return wanted
    if not available:
        raise LabError(f"cannot find a kernel {series}: apt offers no linux-image-{series}.*-cloud-amd64 with its headers; look at /etc/apt/sources.list")
    say(f"kernel {wanted} is no longer offered by apt; taking {available[-1]} (see tests/lab/kernels.conf)")
    _instead(wanted).parent.mkdir(parents=True, exist_ok=True)
    _instead(wanted).write_text(available[-1] + "\n")
    return available[-1]


def _offered(series):
    """ABIs of the series, oldest first, of which apt has the kernel and its headers. In two calls: where apt keeps no cache, each reads all lists."""
    pattern = re.compile(rf"linux-image-({re.escape(series)}\.[0-9][^ ]*-cloud-amd64)$")
    names = command("apt-cache", "pkgnames", f"linux-image-{series}.").decode().split()
    abis = [m.group(1) for m in map(pattern.match, names) if m]
    packages = [f"linux-{part}-{abi}" for abi in abis for part in ("image", "headers")]
    # It also lists names of packages that were once installed, and fails for one that is a name and no more.
    shown = command("sh", "-c", 'apt-cache show --no-all-versions "$@" || :', "sh", *packages).decode() if packages else ""
    here = {re.search(r"^Package: (\S+)", one, re.M).group(1) for one in shown.split("\n\n") if "\nFilename:" in one}
    return sorted((abi for abi in abis if {f"linux-image-{abi}", f"linux-headers-{abi}"} <= here), key=_version)


def _refresh():
    """apt's lists, anew, once in a process; whether they were."""
    global _lists_are_fresh
    if _lists_are_fresh:
        return False
    _lists_are_fresh = True
    say("asking apt for what it offers today")
    command("apt-get", *APT, "update", timeout=600)
    return True


def _version(abi):
    return [int(number) for number in re.findall(r"\d+", abi)]
