"""Where things are, what they are named by, and the rules every part shares: errors, locks, bounded commands."""
import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

LAB = Path(__file__).resolve().parent.parent
REPOSITORY = LAB.parent.parent
GUEST = LAB / "guest"
CACHE = Path(os.environ.get("LIVEPATCH_LAB_CACHE") or Path.home() / ".cache" / "livepatch-agent-lab")
HOSTS = CACHE / "hosts"
FIXTURES = CACHE / "fixtures"

LOCK_SECONDS = 1200  # longer than the longest build on a busy machine

# The lab's own exit codes; any other is the command's.
EXIT_GONE = 123  # the host shut down or rebooted before the command ended
EXIT_TIMEOUT = 124  # the command or the whole host did not come to an end in time
EXIT_LAB = 125  # the lab itself failed
EXIT_PANIC = 126  # the host's kernel panicked


class LabError(Exception):
    """One line for the user: what failed, on what, why, the cure."""

    def __init__(self, message, code=EXIT_LAB):
        super().__init__(message)
        self.code = code


def say(text):
    print(f"lab: {text}", file=sys.stderr, flush=True)


def digest(*inputs):
    """A short name for a thing made from these inputs: strings, bytes, or paths of files (their content)."""
    total = hashlib.sha256()
    for item in inputs:
        if isinstance(item, Path):
            item = item.read_bytes()
        elif isinstance(item, str):
            item = item.encode()
        total.update(len(item).to_bytes(8, "big") + item)
    return total.hexdigest()[:16]


@contextlib.contextmanager
def locked(name):
    """One builder at a time for this name, over all lab processes of this cache."""
    folder = CACHE / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / name, "w") as file:
        deadline = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise LabError(f"cannot build {name}: another lab has been at it for {LOCK_SECONDS} s; end that one") from None
                time.sleep(0.05)
        yield


def command(*argv, timeout=300, cwd=None, input=None):
    """Runs a tool of the developer's machine; its output, or a LabError with the end of what it said."""
    argv = [str(word) for word in argv]
    try:
        done = subprocess.run(argv, capture_output=True, timeout=timeout, cwd=cwd, input=input, check=False)
    except FileNotFoundError:
        raise LabError(f"cannot run {argv[0]}: not installed; run tests/lab/install-deps") from None
    except subprocess.TimeoutExpired:
        raise LabError(f"cannot finish '{' '.join(argv)[:120]}': no end after {timeout} s; try again") from None
    if done.returncode != 0:
        said = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()
        why = " / ".join(said[-3:]) or "it said nothing"
        raise LabError(f"cannot run '{' '.join(argv)[:120]}': status {done.returncode}: {why}")
    return done.stdout


_dependencies_checked = False


def install_dependencies():
    """Before anything is built, not at each start: finding out takes longer than starting a host."""
    global _dependencies_checked
    if not _dependencies_checked:
        command(LAB / "install-deps", timeout=900)
        _dependencies_checked = True


def replace_directory(temporary, final):
    """A fixture appears whole or not at all."""
    if final.exists():
        shutil.rmtree(final)
    os.rename(temporary, final)
