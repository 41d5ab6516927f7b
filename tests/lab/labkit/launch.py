"""Starting a host: its folder, its disk overlay, and the supervisor, a process of its own that outlives the caller."""
import fcntl
import os
import secrets
import shutil
import socket
import sys
import time

from .config import HOSTS, LabError, command
from .hosts import Host, names, supervised


def sweep():
    """Takes away what supervisors that were killed have left."""
    for name in names():
        folder = HOSTS / name
        if not supervised(folder) and time.time() - folder.stat().st_mtime > 60:
            shutil.rmtree(folder, ignore_errors=True)


def start(spec, held, owner_pid=None, lifetime=1800):
    """A new host with this spec; it is on its way up when this returns. `held` are open files that lock what it is made of."""
    host = Host(spec["name"])
    HOSTS.mkdir(parents=True, exist_ok=True)
    try:
        host.folder.mkdir()
    except FileExistsError:
        if host.alive:
            raise LabError(f"cannot start host {host.name}: there is one of that name; take it down with 'lab down {host.name}'") from None
        shutil.rmtree(host.folder, ignore_errors=True)
        host.folder.mkdir()
    lock = open(host.folder / "lock", "w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    backing = spec["disk"]
    command("qemu-img", "create", "-q", "-f", "qcow2", "-b", backing, "-F", "raw" if backing.endswith(".img") else "qcow2",
            host.folder / "disk.qcow2")
    if spec["vars"]:
        shutil.copy(spec["vars"], host.folder / "vars.fd")
    spec.setdefault("machine_id", secrets.token_hex(16))
    spec.setdefault("hostname", spec["name"])
    listener = socket.socket(socket.AF_UNIX)
    folder = os.open(host.folder, os.O_PATH)
    listener.bind(f"/proc/self/fd/{folder}/control")
    os.close(folder)
    listener.listen(64)
    _fork_supervisor(host, spec, listener, owner_pid, lifetime)
    listener.close()
    lock.close()  # the supervisor's copy of it goes on holding the lock
    for file in held:
        file.close()
    return host


def _fork_supervisor(host, spec, listener, owner_pid, lifetime):
    sys.stdout.flush()
    sys.stderr.flush()
    if os.fork() > 0:
        return
    status = 1
    try:
        os.setsid()
        log = os.open(host.folder / "supervisor.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        null = os.open("/dev/null", os.O_RDONLY)
        os.dup2(null, 0)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.chdir("/")
        from .supervisor import Supervisor

        Supervisor(host.folder, spec, listener, owner_pid, lifetime).run()
        status = 0
    except BaseException:  # noqa: BLE001 the end of a process: its log is all that is left to say it
        import traceback

        traceback.print_exc()
    finally:
        os._exit(status)
