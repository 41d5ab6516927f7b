"""A frozen host and a batch of cases on it: what preflight says of each, what the kernel does with it."""
import hashlib
import os
import re
import secrets
import shlex
import subprocess
import sys
from dataclasses import dataclass, field

from labkit import hosts, secureboot
from labkit.config import EXIT_PANIC, EXIT_TIMEOUT, LAB, LabError

from .build import file_of
from .table import CASES

BATCH_SECONDS = 2400


@dataclass
class Seen:
    """What happened to one case on one host."""
    preflight: str = ""  # the report's text, empty when it was not asked
    preflight_status: int = -1
    load: str = ""  # 0, an errno, killed; empty when it did not get so far
    call: str = ""
    log: list = field(default_factory=list)
    crash: str = ""  # load, call, after
    fault: str = ""  # the kernel's line
    failed: list = field(default_factory=list)  # what the host could not do
    ended: bool = False


def run(environment, folder, names, numbers, asked):
    """Takes cases from the list until the host is hurt or none is left; {number: Seen} of those it got to."""
    series, secure = environment.split()[0], environment.endswith("SB")
    name = f"cases-{os.getpid()}-{secrets.token_hex(3)}"
    words = [LAB / "lab", "up", "--name", name, "--owner-pid", str(os.getpid()), "--kernel", series, "--lifetime", "3000", "--put", f"{folder}:/root/cases"]
    if secure:
        words.append("--secure-boot")
    match CASES[numbers[0] - 1].revoked:  # it has a host to itself
        case "file":
            words += ["--revoked", hashlib.sha256((folder / file_of(numbers[0])).read_bytes()).hexdigest()]
        case "signer":
            words += ["--revoked", f"tbs:{secureboot.signed_part()}"]
    if not asked:
        words.append("--no-deb")
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabError(f"cannot start a host for the cases: {done.stderr.strip().splitlines()[-1:]}")
    host, output = hosts.Host(name), bytearray()
    try:
        lost = ""
        try:
            host.run(["bash", "-c", _script(names, numbers, asked)], BATCH_SECONDS, stdout=output.extend, stderr=_noise)
        except LabError as error:
            if error.code not in (EXIT_PANIC, EXIT_TIMEOUT, 123):
                raise
            lost = str(error)
        return _read(output.decode(errors="replace"), lost, host.console().decode(errors="replace"))
    finally:
        host.down()


def _noise(data):
    if os.environ.get("CASES_VERBOSE"):
        sys.stderr.buffer.write(data)


def _script(names, numbers, asked):
    lines = [f"asked={'1' if asked else ''}", ". /root/cases/cases.sh"]
    for number in numbers:
        case = CASES[number - 1]
        lines.append(shlex.join(["try", str(number), file_of(number), names[number], case.before, case.call, case.after]))
    return "\n".join(lines)


def _read(text, lost, console):
    seen, now = {}, None
    for line in text.split("\n"):
        kind, _, rest = line.removeprefix("@").partition(" ")
        rest = rest.strip()
        match kind if line.startswith("@") else "":
            case "begin":
                now = seen[int(rest)] = Seen()
            case "status":
                now.preflight_status = int(rest)
            case "preflight":
                now.preflight += rest
            case "load":
                now.load = rest
            case "call":
                now.call += rest + "\n"
            case "log":
                now.log.append(rest)
            case "crash":
                now.crash, _, now.fault = rest.partition(" ")
            case "failed" | "dirty":
                now.failed.append(rest)
            case "end":
                now.ended = True
    if lost and now and not now.ended:
        # The last mark on the console says how far the host came: what was on its way over the wire is lost.
        marks = re.findall(r"cases: (before|load|call|after)", console)
        now.crash = now.crash or (marks[-1] if marks else "load")
        faults = re.findall(r"(?:BUG: |Oops|general protection|kernel BUG|int3:|Kernel panic)[^\r\n]*", console)
        now.fault = now.fault or (faults[0] if faults else lost.splitlines()[0])
    return seen
