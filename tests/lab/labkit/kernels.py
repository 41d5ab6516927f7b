"""Which kernel a series stands for, and its files in the cache: vmlinuz, modules, headers."""
import os
import re
import shutil
from pathlib import Path

from .config import CACHE, LAB, LabError, command, install_dependencies, locked, replace_directory, say

APT = ("-o", "APT::Sandbox::User=root", "-q")  # else apt warns about folders its own user cannot read


class Kernel:
    """A kernel whose files are in the cache."""

    def __init__(self, series, abi):
        self.series = series
        self.abi = abi
        self.folder = CACHE / "kernels" / abi
        self.vmlinuz = self.folder / "boot" / f"vmlinuz-{abi}"
        self.modules = self.folder / "lib" / "modules" / abi

    @property
    def identity(self):
        return (self.folder / "package").read_text().strip()


def preferred():
    """series -> ABI, as kernels.conf has them."""
    table = {}
    for line in (LAB / "kernels.conf").read_text().splitlines():
        words = line.split("#")[0].split()
        if len(words) == 2:
            table[words[0]] = words[1]
    return table


def abi_of(series):
    """The preferred ABI where it is in the cache or apt has it, else the newest of the series that apt has."""
    table = preferred()
    if series not in table:
        raise LabError(f"cannot take kernel {series}: unknown series; known are {', '.join(table)} (kernels.conf)")
    wanted = table[series]
    if (CACHE / "kernels" / wanted / "package").exists():
        return wanted
    instead = CACHE / "kernels" / f"instead-of-{wanted}"
    if instead.exists() and (CACHE / "kernels" / instead.read_text().strip() / "package").exists():
        return instead.read_text().strip()

    offered = command("apt-cache", "pkgnames", f"linux-image-{series}.").decode().split()
    pattern = re.compile(rf"linux-image-({re.escape(series)}\.[0-9][^ ]*-cloud-amd64)$")
    available = sorted((m.group(1) for m in map(pattern.match, offered) if m and _downloadable(m.group(1))), key=_version)
    if wanted in available:
        return wanted
    if not available:
        raise LabError(f"cannot find a kernel {series}: apt offers no linux-image-{series}.*-cloud-amd64; run apt-get update")
    say(f"kernel {wanted} is no longer offered by apt; taking {available[-1]} (see tests/lab/kernels.conf)")
    instead.parent.mkdir(parents=True, exist_ok=True)
    instead.write_text(available[-1] + "\n")
    return available[-1]


def _downloadable(abi):
    """apt also lists names of packages that were once installed."""
    return b"Filename:" in command("apt-cache", "show", f"linux-image-{abi}")


def _version(abi):
    return [int(number) for number in re.findall(r"\d+", abi)]


def fetch(series):
    """The series' kernel, downloaded and unpacked when it is not in the cache yet."""
    kernel = Kernel(series, abi_of(series))
    if (kernel.folder / "package").exists():
        return kernel
    with locked(f"kernel-{kernel.abi}"):
        if not (kernel.folder / "package").exists():
            install_dependencies()
            say(f"downloading linux-image-{kernel.abi}")
            temporary = _unpack(kernel.folder, f"linux-image-{kernel.abi}")
            replace_directory(temporary, kernel.folder)
    return kernel


def _unpack(folder, *packages):
    temporary = Path(f"{folder}.new")
    shutil.rmtree(temporary, ignore_errors=True)
    (temporary / "debs").mkdir(parents=True)
    command("apt-get", *APT, "download", *packages, cwd=temporary / "debs", timeout=600)
    names = sorted(deb.name for deb in (temporary / "debs").glob("*.deb"))
    for name in names:
        command("dpkg-deb", "-x", temporary / "debs" / name, temporary)
    shutil.rmtree(temporary / "debs")
    (temporary / "package").write_text(" ".join(names) + "\n")
    return temporary


def headers(series):
    """The folder for `make -C`: headers of exactly this ABI, unpacked into the cache, nothing installed here."""
    abi = abi_of(series)
    final = CACHE / "headers" / abi
    build = final / "usr" / "src" / f"linux-headers-{abi}"
    if (final / "package").exists():
        return build
    with locked(f"headers-{abi}"):
        if not (final / "package").exists():
            install_dependencies()
            say(f"downloading linux-headers-{abi}")
            replace_directory(_unpack_headers(abi, final), final)
    return build


def _unpack_headers(abi, final):
    """The headers of a flavour, the common ones, kbuild's tools; their absolute links and includes turned to the cache."""
    common = re.sub(r"-cloud-amd64$", "-common", abi)
    kbuild = _dependency(f"linux-headers-{abi}", r"linux-kbuild-\S+")
    temporary = _unpack(final, f"linux-headers-{abi}", f"linux-headers-{common}", kbuild)
    sources = temporary / "usr" / "src"
    for file in [sources / f"linux-headers-{abi}" / "Makefile", sources / f"linux-headers-{abi}" / ".kernelvariables"]:
        if file.exists():
            file.write_text(file.read_text().replace("/usr/src/", f"{final}/usr/src/").replace("/usr/lib/linux-kbuild", f"{final}/usr/lib/linux-kbuild"))
    for path in list(sources.rglob("*")):
        if path.is_symlink() and os.readlink(path).startswith("/usr/"):
            target = f"{final}{os.readlink(path)}"
            path.unlink()
            path.symlink_to(target)
    return temporary


def _dependency(package, pattern):
    shown = command("apt-cache", "show", "--no-all-versions", package).decode()
    for line in shown.splitlines():
        if line.startswith("Depends:"):
            found = re.search(pattern, line)
            if found:
                return found.group(0).rstrip(",")
    raise LabError(f"cannot find what {package} needs: no {pattern} among its dependencies; run apt-get update")
