"""Debian packages that a test wants in its host besides ours. What they depend on has to be there or named as well."""
from pathlib import Path

from .config import CACHE, LabError, command, locked
from .kernels import APT


def download(name):
    folder = CACHE / "packages" / name
    with locked(f"package-{name}"):
        if not list(folder.glob("*.deb")):
            folder.mkdir(parents=True, exist_ok=True)
            command("apt-get", *APT, "download", name, cwd=folder, timeout=300)
        found = sorted(folder.glob("*.deb"))
    if not found:
        raise LabError(f"cannot download package {name}: apt has no file for it; run apt-get update")
    return str(Path(found[-1]))
