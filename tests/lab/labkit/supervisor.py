"""The process that owns one host: it starts QEMU, passes frames between clients and the agent inside, notices when the
host panics, hangs, reboots or goes off, and ends with its owner, its lifetime or a request. Nothing else ends a QEMU."""
import json
import os
import secrets
import selectors
import shutil
import socket
import time

from . import frames
from .config import LabError
from .frames import CONTROL, EXEC, EXITED, GONE, KILL, PING, READY, REPLY, WAKE
from .qemu import Qemu

PANIC = b"Kernel panic - not syncing"
RESTART = b"reboot: Restarting system"
BOOT_SECONDS = float(os.environ.get("LIVEPATCH_LAB_BOOT_SECONDS") or 300)
HANG_SECONDS = float(os.environ.get("LIVEPATCH_LAB_HANG_SECONDS") or 60)
PING_SECONDS = 5


class Supervisor:
    def __init__(self, folder, spec, listener, owner_pid, lifetime):
        self.folder = folder
        self.spec = spec
        self.deadline = time.monotonic() + lifetime
        self.selector = selectors.DefaultSelector()
        listener.setblocking(False)
        self.listener = listener
        self.selector.register(listener, selectors.EVENT_READ, self._accept)
        self.owner = None
        if owner_pid:
            self.owner = os.pidfd_open(owner_pid)
            self.selector.register(self.owner, selectors.EVENT_READ, self._owner_gone)
        self.clients = {}  # Pipe -> stream id, None before its first frame
        self.waiting = []  # (Pipe, boots): clients that asked to hear when the host answers
        self.early = []  # frames for the agent until it answers
        self.next_stream = 1
        self.boots = 0
        self.ended = False
        self.state, self.why = "starting", ""
        self.qemu = self.agent = None

    def run(self):
        try:
            self._start(self.spec.get("state"))
            while not self.ended:
                for key, mask in self.selector.select(1.0 if self._busy() else 10.0):
                    if not self.ended:
                        key.data(key, mask)
                self._watch()
        finally:
            if self.qemu and self.qemu.process.poll() is None:
                self.qemu.kill()
        shutil.rmtree(self.folder, ignore_errors=True)  # after a fault of ours its log stays

    # --- the host's life

    def _start(self, state=None):
        """From a frozen state, or a real boot."""
        self.boots += 1
        self.state, self.why = "starting", ""
        self.started = time.monotonic()
        self.asked = None  # since when the agent owes an answer
        self.pinged = 0
        self.panic_seen = None
        console = self.folder / "console.log"
        self.console_start = console.stat().st_size if console.exists() else 0
        try:
            self.qemu = Qemu(self.spec, self.folder, state)
            self.selector.register(self.qemu.pidfd, selectors.EVENT_READ, self._qemu_ended)
            self.qemu.greet()
            if state:
                self.qemu.resume()
        except LabError as error:
            return self._failed(str(error))
        self.selector.register(self.qemu.monitor, selectors.EVENT_READ, lambda *_: self.qemu.take_events())
        self.agent = frames.Pipe(self.qemu.agent)
        self.selector.register(self.agent, selectors.EVENT_READ, self._from_agent)
        text = [str(int(time.time() * 1e6)), self.spec["hostname"], self.spec["machine_id"], secrets.token_hex(64)]
        self._to_agent(0, WAKE, "\n".join(text).encode())

    def _stop(self):
        """Ends this QEMU, whatever it does."""
        for item in (self.qemu.pidfd, self.qemu.monitor, self.agent):
            try:
                self.selector.unregister(item)
            except (KeyError, ValueError):
                pass
        if self.qemu.process.poll() is None:
            self.qemu.kill()
        self.qemu.close()
        self.agent = None

    def _failed(self, why):
        log = (self.folder / "qemu.log").read_text(errors="replace").strip().splitlines()
        self._settle("failed", " / ".join([why, *log[-2:]]))
        self._stop()

    def _qemu_ended(self, *_):
        self.qemu.take_events()
        self.qemu.process.wait(30)
        reasons = [event["data"].get("reason") for event in self.qemu.events if event["event"] == "SHUTDOWN"]
        said = self._console()
        if PANIC in said:
            self._settle("panicked", "")
        elif "guest-shutdown" in reasons:
            self._settle("off", "")
        elif "guest-reset" in reasons and RESTART in said:
            self._settle("rebooted", "")
        elif "guest-reset" in reasons:
            self._settle("panicked", "it reset without a word (triple fault)")
        else:
            return self._failed(f"QEMU ended with status {self.qemu.process.returncode}")
        self._stop()
        if self.state == "rebooted":
            self._start()

    def _console(self):
        try:
            with open(self.folder / "console.log", "rb") as file:
                file.seek(self.console_start)
                return file.read()
        except FileNotFoundError:
            return b""

    def _settle(self, state, why):
        """The host no longer answers, for a known reason: everyone who waits for it hears that."""
        self.state, self.why = state, why
        self.early.clear()
        for client, stream in list(self.clients.items()):
            if stream is not None:
                client.send(0, GONE, json.dumps(self._status()).encode())
                self.clients[client] = None
        if state != "rebooted":
            self._answer_waiting()

    def _busy(self):
        return self.state == "starting" or any(stream is not None for stream in self.clients.values())

    def _watch(self):
        now = time.monotonic()
        if now > self.deadline:
            self._settle("off", "its lifetime is over")
            self.ended = True
        if not self._busy() or self.agent is None:
            return
        if PANIC in self._console():  # its reset follows at once; if not, the host has ended all the same
            self.panic_seen = self.panic_seen or now
            if now - self.panic_seen > 5:
                self._settle("panicked", "it did not reset by itself")
        elif self.state == "starting":
            if now - self.started > BOOT_SECONDS:
                self._settle("hung", f"no answer {BOOT_SECONDS:.0f} s after its start")
        elif self.asked and now - self.asked > HANG_SECONDS:
            self._settle("hung", f"no answer for {HANG_SECONDS:.0f} s")
        elif now - self.pinged > PING_SECONDS:
            self.pinged = now
            self.asked = self.asked or now
            self._to_agent(0, PING)

    def _owner_gone(self, *_):
        self.ended = True

    # --- the agent inside

    def _to_agent(self, stream, kind, payload=b""):
        if self.agent:
            self.agent.send(stream, kind, payload)
            self._want_write(self.agent, self._from_agent)

    def _want_write(self, pipe, handler):
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if pipe.outbound else 0)
        self.selector.modify(pipe, events, handler)

    def _from_agent(self, key, mask):
        pipe = key.fileobj
        if mask & selectors.EVENT_WRITE:
            pipe.flush()
            self._want_write(pipe, self._from_agent)
        if not mask & selectors.EVENT_READ:
            return
        arrived = pipe.receive()
        if arrived is None:  # QEMU is ending; its pidfd says more
            self.selector.unregister(pipe)
            self.agent = None
            return
        self.asked = None
        by_stream = {stream: client for client, stream in self.clients.items() if stream}
        for stream, kind, payload in arrived:
            if kind == READY:
                self._ready()
            elif stream in by_stream:
                by_stream[stream].send(0, kind, payload)
                if kind == EXITED:
                    self.clients[by_stream[stream]] = None
        for client in by_stream.values():
            self._want_write(client, self._from_client)

    def _ready(self):
        self.state = "up"
        self.seconds = time.monotonic() - self.started
        for stream, kind, payload in self.early:
            self._to_agent(stream, kind, payload)
        self.early.clear()
        self._answer_waiting()

    # --- clients

    def _accept(self, *_):
        client = frames.Pipe(self.listener.accept()[0])
        self.clients[client] = None
        self.selector.register(client, selectors.EVENT_READ, self._from_client)

    def _from_client(self, key, mask):
        client = key.fileobj
        if mask & selectors.EVENT_WRITE:
            client.flush()
        arrived = client.receive() if mask & selectors.EVENT_READ else []
        if arrived is None:
            stream = self.clients.pop(client)
            self.selector.unregister(client)
            client.socket.close()
            self.waiting = [(other, boots) for other, boots in self.waiting if other is not client]
            if stream is not None:
                self._relay(stream, KILL, b"")
            return
        for _, kind, payload in arrived:
            if kind == CONTROL:
                self._control(client, json.loads(payload))
            elif kind == EXEC:
                self._exec(client, payload)
            elif self.clients[client] is not None:
                self._relay(self.clients[client], kind, payload)
        if client in self.clients and not self.ended:
            self._want_write(client, self._from_client)

    def _exec(self, client, payload):
        if self.state not in ("starting", "up", "rebooted"):
            return client.send(0, GONE, json.dumps(self._status()).encode())
        self.clients[client] = self.next_stream
        self.next_stream += 1
        self._relay(self.clients[client], EXEC, payload)

    def _relay(self, stream, kind, payload):
        if self.state == "up":
            self._to_agent(stream, kind, payload)
        else:
            self.early.append((stream, kind, payload))

    def _status(self):
        return {"name": self.spec["name"], "state": self.state, "why": self.why, "boots": self.boots,
                "kernel": self.spec["abi"], "secure_boot": self.spec["secure_boot"],
                "seconds": round(getattr(self, "seconds", 0), 2), "pid": os.getpid()}

    def _reply(self, client, **more):
        client.send(0, REPLY, json.dumps({**self._status(), **more}).encode())

    def _answer_waiting(self):
        for client, boots in self.waiting[:]:
            if self.boots >= boots or self.state not in ("starting", "up", "rebooted"):
                self.waiting.remove((client, boots))
                self._reply(client)
                self._want_write(client, self._from_client)

    def _control(self, client, request):
        match request["op"]:
            case "wait":
                self.waiting.append((client, request.get("boots", 0)))
                if self.state != "starting":
                    self._answer_waiting()
            case "reset":
                if self.state not in ("off", "panicked", "failed"):
                    self._settle("rebooted", "the power was cut")
                    self._stop()
                self._start()
                self._reply(client)
            case "freeze":
                error = ""
                try:
                    self.qemu.freeze(request["state"])
                    os.rename(self.folder / "disk.qcow2", request["disk"])
                    if self.spec["secure_boot"]:
                        os.rename(self.folder / "vars.fd", request["vars"])
                except (LabError, OSError) as failure:
                    error = str(failure)
                self._reply(client, error=error)
                self.ended = True
            case "down":
                self.ended = True
                self._settle("off", "it was taken down")
                self._reply(client)
            case _:
                self._reply(client)
