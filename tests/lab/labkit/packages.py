"""Debian packages: those that a test wants in its host besides ours, and those whose files the lab itself needs, unpacked."""
import shutil
from pathlib import Path

from .abis import APT
from .config import CACHE, LabError, command, locked


def download(name):
    """The package's file, for a host. What it depends on has to be there or named as well."""
    folder = CACHE / "packages" / name
    with locked(f"package-{name}"):
        if not list(folder.glob("*.deb")):
            folder.mkdir(parents=True, exist_ok=True)
            command("apt-get", *APT, "download", name, cwd=folder, timeout=300)
        found = sorted(folder.glob("*.deb"))
    if not found:
        raise LabError(f"cannot download package {name}: apt has no file for it; run apt-get update")
    return str(Path(found[-1]))


def unpack(folder, *packages, apt=APT):
    """The packages' files in a folder beside the given one, which is to take its place; `package` in it says which they are."""
    temporary = Path(f"{folder}.new")
    shutil.rmtree(temporary, ignore_errors=True)
    (temporary / "debs").mkdir(parents=True)
    command("apt-get", *apt, "download", *packages, cwd=temporary / "debs", timeout=600)
    names = sorted(deb.name for deb in (temporary / "debs").glob("*.deb"))
    for name in names:
        command("dpkg-deb", "-x", temporary / "debs" / name, temporary)
    shutil.rmtree(temporary / "debs")
    (temporary / "package").write_text(" ".join(names) + "\n")
    return temporary
