"""A kernel's files in the cache: vmlinuz, modules, headers."""
import os
import re

from .abis import with_abi
from .config import CACHE, LabError, command, install_dependencies, locked, replace_directory, say
from .packages import unpack


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


def fetch(series):
    """The series' kernel, downloaded and unpacked when it is not in the cache yet."""
    return with_abi(series, lambda abi: _fetched(Kernel(series, abi)))


def _fetched(kernel):
    if (kernel.folder / "package").exists():
        return kernel
    with locked(f"kernel-{kernel.abi}"):
        if not (kernel.folder / "package").exists():
            install_dependencies()
            say(f"downloading linux-image-{kernel.abi}")
            replace_directory(unpack(kernel.folder, f"linux-image-{kernel.abi}"), kernel.folder)
    return kernel


def headers(series):
    """The folder for `make -C`: headers of exactly this ABI, unpacked into the cache, nothing installed here."""
    return with_abi(series, _headers_of)


def _headers_of(abi):
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
    temporary = unpack(final, f"linux-headers-{abi}", f"linux-headers-{common}", kbuild)
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
