"""The client's side of a host that is up: run commands in it, move files, end it."""
import fcntl
import json
import os
import re
import select
import shutil
import socket
import subprocess
import time
from pathlib import Path

from . import frames
from .config import EXIT_GONE, EXIT_LAB, EXIT_PANIC, EXIT_TIMEOUT, HOSTS, LabError
from .frames import CONSUMED, CONTROL, CREDIT, EXEC, EXITED, GONE, KILL, REPLY, STDERR, STDIN, STDOUT

CONSOLE_LINES = 40
FAULT = re.compile(r"Kernel panic - not syncing|BUG: |Oops: |general protection fault|watchdog: ")


def excerpt(console):
    """The last lines of a console; where a fault began a little above them, from there on, its middle left out if need be."""
    lines = console.splitlines()
    end = lines[-CONSOLE_LINES:]
    faults = [at for at in range(max(0, len(lines) - 4 * CONSOLE_LINES), len(lines)) if FAULT.search(lines[at])]
    if not faults or faults[0] >= len(lines) - CONSOLE_LINES:
        return end
    above = lines[max(0, faults[0] - 2):faults[0] + CONSOLE_LINES // 2]
    left = len(lines) - max(0, faults[0] - 2) - len(above)
    return above + (["[...]"] if left > CONSOLE_LINES // 2 else []) + lines[-min(left, CONSOLE_LINES // 2):]


class Host:
    def __init__(self, name):
        self.name = name
        self.folder = HOSTS / name

    @property
    def alive(self):
        return supervised(self.folder)

    # --- talking to the supervisor

    def _connect(self):
        sock = socket.socket(socket.AF_UNIX)
        try:
            # Through /proc, because a socket's path may have 107 characters only and a cache can be anywhere.
            folder = os.open(self.folder, os.O_PATH)
            try:
                sock.connect(f"/proc/self/fd/{folder}/control")
            finally:
                os.close(folder)
        except OSError:
            raise LabError(f"cannot reach host {self.name}: it is not up; see 'lab hosts', start one with 'lab up'") from None
        return frames.Pipe(sock)

    def ask(self, op, timeout=60, **details):
        pipe = self._connect()
        pipe.send(0, CONTROL, json.dumps({"op": op, **details}).encode())
        deadline = time.monotonic() + timeout
        while True:
            select.select([pipe], [], [], max(0, deadline - time.monotonic()))
            arrived = pipe.receive()
            if arrived is None:
                raise LabError(f"cannot {op} host {self.name}: {self._lost()}")
            for _, kind, payload in arrived:
                if kind in (REPLY, GONE):
                    return json.loads(payload)
            if time.monotonic() > deadline:
                raise LabError(f"cannot {op} host {self.name}: its supervisor did not answer within {timeout} s")

    def wait(self, boots=0, timeout=400):
        """Until the host answers; a LabError with the console's end when it never will."""
        status = self.ask("wait", timeout, boots=boots)
        if status["state"] != "up":
            raise self.gone(status)
        return status

    def gone(self, status):
        codes = {"panicked": EXIT_PANIC, "hung": EXIT_TIMEOUT, "off": EXIT_GONE, "rebooted": EXIT_GONE}
        why = f": {status['why']}" if status["why"] else ""
        verb = "is" if status["state"] == "off" else "has"
        if status["state"] == "off":
            text = f"host {self.name} is off{why}"
        else:
            text = f"host {self.name} {verb} {status['state']}{why}"
        if status["state"] in ("panicked", "hung", "failed"):
            text += f"; the last lines of its console:\n{self.console_end()}"
        return LabError(text, codes.get(status["state"], EXIT_LAB))

    def _lost(self):
        try:
            said = (self.folder / "supervisor.log").read_text(errors="replace").strip().splitlines()
        except FileNotFoundError:
            said = []
        return f"its supervisor failed: {said[-1]}" if said else "it was taken down, or its owner or lifetime ended"

    def console(self):
        try:
            return (self.folder / "console.log").read_bytes()
        except FileNotFoundError:
            return b""

    def console_end(self):
        return "\n".join(f"    {line}" for line in excerpt(self.console().decode(errors="replace").replace("\r", "")))

    # --- commands

    def run(self, argv, timeout=600, stdin=None, stdout=None, stderr=None):
        """The command's status. stdin is a file descriptor or None; stdout and stderr take bytes."""
        pipe = self._connect()
        pipe.send(0, EXEC, b"\0".join(os.fsencode(word) for word in argv))
        if stdin is None:
            pipe.send(0, STDIN)
        deadline = time.monotonic() + timeout
        window, sinks = frames.WINDOW, {STDOUT: stdout, STDERR: stderr}
        while True:
            inputs = [pipe] + ([stdin] if stdin is not None and window > 0 else [])
            ready, _, _ = select.select(inputs, [pipe] if pipe.outbound else [], [], max(0, deadline - time.monotonic()))
            pipe.flush()
            if stdin in ready:
                data = os.read(stdin, min(window, frames.CHUNK))
                pipe.send(0, STDIN, data)
                window -= len(data)
                if not data:
                    stdin = None
            if pipe in ready:
                arrived = pipe.receive()
                if arrived is None:
                    raise LabError(f"host {self.name} is gone: {self._lost()}", EXIT_GONE)
                for _, kind, payload in arrived:
                    if kind in sinks:
                        if sinks[kind]:
                            sinks[kind](payload)
                        pipe.send(0, CREDIT, frames.number(len(payload)))
                    elif kind == CONSUMED:
                        window += frames.as_number(payload)
                    elif kind == EXITED:
                        return frames.as_number(payload)
                    elif kind == GONE:
                        raise self.gone(json.loads(payload))
            if time.monotonic() > deadline:
                pipe.send(0, KILL)
                raise self._timed_out(argv, timeout)

    def _timed_out(self, argv, timeout):
        """A slow command and a dead host are different findings."""
        text = f"'{' '.join(argv)[:80]}' on host {self.name} did not end within {timeout:g} s"
        try:
            if self.run(["true"], timeout=15) == 0:
                return LabError(f"{text}; it was killed, the host still answers", EXIT_TIMEOUT)
        except LabError as error:
            if error.code != EXIT_TIMEOUT:
                return error
        return LabError(f"{text} and the host does not answer either; the last lines of its console:\n{self.console_end()}", EXIT_TIMEOUT)

    def check(self, *argv, timeout=120):
        """A command of the lab's own in the host: its output, or an error."""
        out, err = [], []
        status = self.run(argv, timeout, None, out.append, err.append)
        if status != 0:
            said = b"".join(err or out).decode(errors="replace").strip().splitlines()
            raise LabError(f"cannot run '{' '.join(argv)}' in host {self.name}: status {status}: {' / '.join(said[-3:])}")
        return b"".join(out)

    # --- files

    def put(self, local, remote, timeout=300):
        """A file (with its mode) or a folder; a remote path that ends with / is the folder to put it into."""
        local = Path(local)
        if not local.exists():
            raise LabError(f"cannot put {local}: no such file or folder here")
        if remote.endswith("/"):
            remote += local.name
        if local.is_dir():
            script = 'mkdir -p "$1" && tar -xpf - --no-same-owner -C "$1"'
            self._feed(local, remote, script, timeout, ["tar", "-C", str(local), "-cf", "-", "."])
        else:
            script = f'mkdir -p "$(dirname "$1")" && cat >"$1" && chmod {local.stat().st_mode & 0o7777:o} "$1"'
            self._feed(local, remote, script, timeout, ["cat", str(local)])

    def _feed(self, local, remote, script, timeout, source):
        said = []
        with subprocess.Popen(source, stdout=subprocess.PIPE) as process:
            status = self.run(["sh", "-c", script, "sh", remote], timeout, process.stdout.fileno(), None, said.append)
            process.stdout.close()
        if status != 0 or process.returncode != 0:
            raise LabError(f"cannot put {local} to {self.name}:{remote}: {b''.join(said).decode(errors='replace').strip()}")

    def get(self, remote, local, timeout=300):
        """A file; into a folder when local is one."""
        local = Path(local)
        if local.is_dir() or str(local).endswith("/"):
            local = local / Path(remote).name
        local.parent.mkdir(parents=True, exist_ok=True)
        said = []
        with open(local, "wb") as file:
            status = self.run(["cat", remote], timeout, None, file.write, said.append)
        if status != 0:
            local.unlink()
            raise LabError(f"cannot get {self.name}:{remote}: {b''.join(said).decode(errors='replace').strip()}")

    # --- the end

    def freeze(self, state, disk, vars):
        answer = self.ask("freeze", 300, state=str(state), disk=str(disk), vars=str(vars))
        if answer["error"]:
            raise LabError(answer["error"])

    def down(self):
        if not self.alive:
            shutil.rmtree(self.folder, ignore_errors=True)
            return
        try:
            self.ask("down")
        except LabError:  # it may be ending by itself
            if self.alive:
                time.sleep(0.5)
        deadline = time.monotonic() + 30
        while self.folder.exists() and self.alive and time.monotonic() < deadline:
            time.sleep(0.01)


def supervised(folder):
    """The supervisor holds this lock for as long as it lives, however it ends."""
    try:
        with open(folder / "lock") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return False
    except BlockingIOError:
        return True
    except OSError:
        return False


def names():
    return sorted(path.name for path in HOSTS.iterdir() if path.is_dir()) if HOSTS.exists() else []
