"""QEMU: which accelerator works here, the command line of a host, the monitor."""
import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

from . import emulator
from .config import CACHE, LabError, digest, locked

# tsc=reliable: on a busy machine the emulated clocks look unstable to the kernel, and it would change to a slow one.
CONSOLE = "console=ttyS0 panic=-1 quiet tsc=reliable"


def accelerator(vmlinuz):
    """kvm where a kernel really starts under it, else tcg. That /dev/kvm opens proves little, so it is tried once a boot of
    this machine. LIVEPATCH_LAB_ACCEL=tcg|kvm decides it by hand."""
    chosen = os.environ.get("LIVEPATCH_LAB_ACCEL")
    if chosen:
        return chosen
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "tcg"
    note = CACHE / "accel" / digest(emulator.identity(), Path("/proc/sys/kernel/random/boot_id"))
    if not note.exists():
        with locked("accel"):
            note.parent.mkdir(parents=True, exist_ok=True)
            note.write_text("kvm" if _boots_under_kvm(vmlinuz) else "tcg")
    return note.read_text()


def _boots_under_kvm(vmlinuz):
    """Without a root disk a kernel that works panics within a second, and -no-reboot makes that a clean exit."""
    argv = [*emulator.command_line(), *_accelerated("kvm"), "-m", "512", "-nodefaults", "-display", "none", "-no-reboot", "-serial", "stdio",
            "-kernel", str(vmlinuz), "-append", "console=ttyS0 panic=-1"]
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=10, check=False)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0 and b"Kernel panic" in done.stdout


def _accelerated(name):
    if name == "kvm":
        return ["-accel", "kvm", "-cpu", "host"]
    return ["-accel", "tcg,thread=multi", "-cpu", "max"]


def arguments(spec, folder, agent_fd, monitor_fd):
    """The command line of a host. All of it but the paths is part of a frozen state's name."""
    argv = [
        *emulator.command_line(), "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-rtc", "base=utc",
        *_accelerated(spec["accel"]), "-smp", str(spec["cpus"]), "-m", str(spec["memory"]),
        "-kernel", f"{spec['kernel']}", "-initrd", f"{spec['initrd']}",
        "-append", " ".join(word for word in (CONSOLE, spec["append"]) if word),
        "-drive", f"file={folder}/disk.qcow2,if=none,id=disk0,format=qcow2,cache={spec['disk_cache']}",
        "-device", "virtio-blk-pci,drive=disk0,serial=lab",
        "-netdev", ",".join(["user", "id=net0", *(f"hostfwd=tcp:127.0.0.1:{a}-:{b}" for a, b in spec["forward"])]),
        "-device", "virtio-net-pci,netdev=net0,romfile=",
        "-device", "virtio-serial-pci",
        "-chardev", f"socket,id=agent,fd={agent_fd}", "-device", "virtserialport,chardev=agent,name=lab",
        "-chardev", f"file,id=console,path={folder}/console.log,append=on", "-serial", "chardev:console",
        "-chardev", f"socket,id=monitor,fd={monitor_fd}", "-mon", "chardev=monitor,mode=control",
    ]
    if spec["secure_boot"]:
        argv += [
            "-machine", "q35,smm=on", "-global", "driver=cfi.pflash01,property=secure,value=on",
            "-drive", "if=pflash,unit=0,format=raw,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.secboot.fd",
            "-drive", f"if=pflash,unit=1,format=raw,file={folder}/vars.fd",
        ]
    else:
        argv += ["-machine", "q35"]
    return argv


class Qemu:
    """One running QEMU, its monitor, and our end of the port to the agent."""

    def __init__(self, spec, folder, state=None):
        agent, agent_theirs = socket.socketpair()
        monitor, monitor_theirs = socket.socketpair()
        theirs = (agent_theirs.fileno(), monitor_theirs.fileno())
        argv = arguments(spec, folder, *theirs)
        if state:
            argv += ["-incoming", f"exec:zstd -dc {state}"]
        with open(folder / "qemu.log", "ab") as log:
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=theirs,
                                            preexec_fn=_die_with_parent)
        agent_theirs.close()
        monitor_theirs.close()
        self.agent = agent
        self.monitor = monitor
        self.events = []
        self._text = b""
        self.pidfd = os.pidfd_open(self.process.pid)

    def greet(self):
        self._answer(lambda message: "QMP" in message, 30)
        self.ask("qmp_capabilities")

    def ask(self, name, timeout=30, **details):
        request = {"execute": name, "arguments": details} if details else {"execute": name}
        self.monitor.settimeout(timeout)
        try:
            self.monitor.sendall(json.dumps(request).encode() + b"\n")
        except OSError as error:
            raise LabError(f"cannot ask QEMU to {name}: {error}") from None
        message = self._answer(lambda message: "return" in message or "error" in message, timeout)
        if "error" in message:
            raise LabError(f"cannot {name} in QEMU: {message['error'].get('desc')}")
        return message["return"]

    def _answer(self, wanted, timeout):
        deadline = time.monotonic() + timeout
        while True:
            for message in self._read(deadline):
                if wanted(message):
                    return message

    def _read(self, deadline):
        self.monitor.settimeout(max(0.001, deadline - time.monotonic()))
        try:
            data = self.monitor.recv(65536)
        except TimeoutError:
            raise LabError("cannot talk to QEMU: its monitor does not answer") from None
        except OSError as error:
            raise LabError(f"cannot talk to QEMU: {error}") from None
        if not data:
            raise LabError("cannot talk to QEMU: it ended")
        *lines, self._text = (self._text + data).split(b"\n")
        messages = [json.loads(line) for line in lines if line.strip()]
        self.events += [message for message in messages if "event" in message]
        return [message for message in messages if "event" not in message]

    def take_events(self):
        """What QEMU said by itself, for as long as more is there at once."""
        try:
            while True:
                self._read(time.monotonic())
        except LabError:
            pass

    def resume(self):
        """Waits until the frozen state is in, then lets the host go on."""
        deadline = time.monotonic() + 60
        while self.ask("query-status")["status"] == "inmigrate":
            if time.monotonic() > deadline:
                raise LabError("cannot resume the frozen state: not read within 60 s; run 'lab clean' and try again")
            time.sleep(0.005)
        self.ask("cont")

    def freeze(self, state):
        self.ask("stop")
        self.ask("migrate-set-parameters", **{"max-bandwidth": 0x7FFFFFFF0})
        self.ask("migrate", uri=f"exec:zstd -1 -q -f -o {state}")
        deadline = time.monotonic() + 120
        while (status := self.ask("query-migrate").get("status")) != "completed":
            if status == "failed" or time.monotonic() > deadline:
                raise LabError(f"cannot freeze the host: QEMU's migration to {state} is {status}")
            time.sleep(0.02)
        self.ask("quit")
        self.process.wait(30)

    def kill(self):
        """A power cut."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(30)

    def close(self):
        self.agent.close()
        self.monitor.close()
        os.close(self.pidfd)


def _die_with_parent():
    """A QEMU whose supervisor was killed must not run on unseen."""
    import ctypes

    ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
