"""Frozen hosts: booted once, kept as disk + state, resumed by every test. A base fixture is a kernel with a plain Debian;
a package fixture is a base resumed, .deb files installed, frozen again, so that a new .deb costs seconds and no boot."""
import fcntl
import json
import os
import shutil
from pathlib import Path

from . import emulator, images, kernels, launch, prune, qemu
from .config import FIXTURES, LabError, digest, locked, say

SETTLED_SECONDS = 180
# Read once before freezing, so that a resumed host has them in memory.
WARM = "for tool in sh bash cat tar systemctl journalctl dmesg insmod modinfo openssl curl; do $tool --version; done; true"


class Fixture:
    def __init__(self, key, role):
        self.folder = FIXTURES / key
        self.role = role

    @property
    def complete(self):
        """Whole, and so is all that its disk is based on."""
        try:
            meta = json.loads((self.folder / "meta.json").read_text())
        except FileNotFoundError:
            return False
        return all(Path(path).exists() for path in meta["needs"])

    def use(self):
        """An open file that keeps the fixture from being pruned while it is in use."""
        file = open(self.folder / "meta.json")
        fcntl.flock(file, fcntl.LOCK_SH)
        os.utime(self.folder)
        return file


def options(series="6.12", secure_boot=False, mok=None, memory=1024, cpus=None, revoked=None):
    """What tells one base fixture from another."""
    return {"series": series, "secure_boot": secure_boot, "mok": mok, "memory": memory, "cpus": cpus, "revoked": revoked}


def spec_of(choice):
    """Everything but name, disk and state of a host."""
    kernel = kernels.fetch(choice["series"])
    image = images.image(kernel)
    accel = qemu.accelerator(kernel.vmlinuz)
    # A livepatch's transition rewrites code that other processors run. The emulator's processors, each a thread of its own,
    # now and then run the breakpoint of such a rewrite after it is over, and the kernel dies of a stray int3: one of them cannot.
    cpus = choice["cpus"] or (2 if accel == "kvm" else 1)
    spec = {
        "abi": kernel.abi, "accel": accel, "cpus": cpus, "memory": choice["memory"],
        "kernel": str(kernel.vmlinuz), "initrd": str(image / "initrd"), "disk": str(image / "disk.img"), "append": "",
        "disk_cache": "unsafe", "forward": [], "secure_boot": choice["secure_boot"], "vars": None,
    }
    if choice["secure_boot"]:
        from . import secureboot

        spec["kernel"] = str(secureboot.signed(kernel))
        spec["vars"] = str(secureboot.variables(choice["mok"], choice["revoked"]))
    return spec


def base(choice):
    spec = spec_of(choice)
    shape = "\n".join(qemu.arguments(spec, "HOST", 3, 4))
    key = digest(shape, spec["disk"], spec["vars"] or "", emulator.identity())
    mode = "revoking" if choice["revoked"] else "secure" if choice["secure_boot"] else "plain"
    fixture = Fixture(key, f"base-{choice['series']}-{mode}")
    if not fixture.complete:
        with locked(f"fixture-{key}"):
            if not fixture.complete:
                say(f"booting a host to freeze: {spec['abi']}{', Secure Boot' if choice['secure_boot'] else ''}")
                _build(fixture, spec, [], lambda host: None)
    return fixture, spec


def with_packages(choice, debs):
    """The base with these .deb files installed; without any, the base itself."""
    below, spec = base(choice)
    if not debs:
        return below, spec
    key = digest(below.folder.name, *(Path(deb) for deb in debs))
    fixture = Fixture(key, below.role.replace("base", "packages"))
    if not fixture.complete:
        with locked(f"fixture-{key}"):
            if not fixture.complete:
                say(f"installing {', '.join(Path(deb).name for deb in debs)} into a host to freeze")
                _build(fixture, resumed(below, spec), [below.use()], lambda host: _install(host, debs))
    return fixture, spec


def resumed(fixture, spec):
    """The spec of a host that starts from this fixture."""
    frozen = {**spec, "disk": str(fixture.folder / "disk.qcow2"), "state": str(fixture.folder / "state.zst")}
    if spec["secure_boot"]:
        frozen["vars"] = str(fixture.folder / "vars.fd")
    return frozen


def _build(fixture, spec, held, prepare):
    spec = {**spec, "name": f"build-{fixture.folder.name}", "hostname": "lab"}
    temporary = Path(f"{fixture.folder}.new")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    host = launch.start(spec, held, owner_pid=os.getpid())
    try:
        host.wait()
        prepare(host)
        settle(host)
        host.run(["sh", "-c", WARM])
        host.check("sh", "-c", "sync; sleep 1; sync")
        host.freeze(temporary / "state.zst", temporary / "disk.qcow2", temporary / "vars.fd")
    finally:
        host.down()
    meta = {"role": fixture.role, "needs": [spec["disk"]]}
    (temporary / "meta.json").write_text(json.dumps(meta) + "\n")
    os.chmod(temporary / "disk.qcow2", 0o444)
    shutil.rmtree(fixture.folder, ignore_errors=True)
    os.rename(temporary, fixture.folder)
    prune.after(fixture.role)


def settle(host):
    """Until systemd has nothing more to start; a failed unit is the test's business, not the lab's."""
    host.run(["systemctl", "is-system-running", "--wait", "--quiet"], timeout=SETTLED_SECONDS)
    host.run(["udevadm", "settle", "-t", "60"], timeout=SETTLED_SECONDS)


def _install(host, debs):
    for deb in debs:
        host.put(deb, "/tmp/lab-debs/")
    said = []
    script = "DEBIAN_FRONTEND=noninteractive dpkg -i /tmp/lab-debs/*.deb 2>&1; status=$?; rm -rf /tmp/lab-debs; exit $status"
    if host.run(["sh", "-c", script], 180, None, said.append) != 0:
        lines = b"".join(said).decode(errors="replace").strip().splitlines()
        raise LabError("cannot install the .deb files into the host: " + "\n    ".join(["dpkg said", *lines[-12:]]))
