"""Which QEMU hosts run in: that of Debian's backports, unpacked into the cache, nothing installed here. It emulates what the
tests do in about two thirds of the time of Debian 12's own, which is taken where the newer one is not to be had."""
import os
import re
import shutil
import tempfile
import time
from pathlib import Path

from .abis import APT
from .config import CACHE, LabError, command, install_dependencies, locked, replace_directory, say
from .packages import unpack

PROGRAM = "qemu-system-x86_64"
PACKAGES = ("qemu-system-x86", "qemu-system-common", "qemu-system-data", "seabios")
HOME = CACHE / "qemu"
AGAIN_SECONDS = 24 * 3600  # after which one that was not to be had is asked for again

_words = None


def command_line():
    """The first words of a host's command line: the program, and where its firmware is."""
    global _words
    if not _words:
        _words = _chosen()
    return _words


def identity():
    """Changes with the QEMU: a frozen state is resumed only by the one that made it."""
    program = command_line()[0]
    stat = os.stat(program)
    return f"{program} {stat.st_size} {stat.st_mtime_ns}"


def _chosen():
    own = os.environ.get("LIVEPATCH_LAB_QEMU")
    if not own and _newer():
        return [str(HOME / "usr/bin" / PROGRAM), "-L", str(HOME / "usr/share/qemu"), "-L", str(HOME / "usr/share/seabios")]
    program = shutil.which(own or PROGRAM)
    if not program:
        raise LabError(f"cannot find {own or PROGRAM}: not installed; run tests/lab/install-deps")
    return [program]


def _newer():
    """Whether the cache has the newer one, after a try to get it."""
    if (HOME / "package").exists():
        return True
    note = CACHE / "qemu-not-to-be-had"
    if note.exists() and time.time() - note.stat().st_mtime < AGAIN_SECONDS:
        return False
    with locked("qemu"):
        if (HOME / "package").exists():
            return True
        install_dependencies()  # Debian 12's QEMU brings the libraries
        say("downloading QEMU of bookworm-backports")
        try:
            _download()
            return True
        except LabError as failed:
            say(f"taking this machine's QEMU, which is slower: {failed}")
            note.touch()
            return False


def _download():
    if "VERSION_CODENAME=bookworm\n" not in Path("/etc/os-release").read_text():
        raise LabError("cannot take QEMU of bookworm-backports: its libraries are Debian 12's, and this is none")
    with tempfile.TemporaryDirectory() as folder:
        apt = _apt(Path(folder))
        command("apt-get", *apt, "update", timeout=300)
        temporary = unpack(HOME, *(f"{name}/bookworm-backports" for name in PACKAGES), apt=apt)
    command(temporary / "usr/bin" / PROGRAM, "--version")  # one that does not run here is none
    replace_directory(temporary, HOME)


def _apt(folder):
    """Options by which apt knows of the backports, for as long as this folder is there: the machine's own sources stay as they are."""
    for needed in ("lists/partial", "cache/archives/partial"):
        (folder / needed).mkdir(parents=True)
    (folder / "backports.list").write_text(
        f"deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] {_mirror()} bookworm-backports main\n")
    return [*APT, "-o", f"Dir::Etc::sourcelist={folder}/backports.list", "-o", "Dir::Etc::sourceparts=/dev/null",
            "-o", f"Dir::State::lists={folder}/lists", "-o", f"Dir::Cache={folder}/cache"]


def _mirror():
    targets = command("apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME)", "Identifier: Packages").decode()
    found = re.search(r"^(\S+) bookworm$", targets, re.M)
    return found.group(1) if found else "http://deb.debian.org/debian"
