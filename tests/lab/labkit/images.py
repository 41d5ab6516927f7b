"""What a host boots from: the Debian root file system (one per recipe), the disk image and the initrd (one per kernel)."""
import lzma
import os
import shutil
from pathlib import Path

from .config import CACHE, GUEST, LabError, command, digest, install_dependencies, locked, replace_directory, say

SUITE = "bookworm"
# What livepatch-agent's package depends on, what a Debian server has anyway, and a few tools for tests.
PACKAGES = (
    "systemd systemd-sysv dbus udev kmod iproute2 procps polkitd ca-certificates libssl3 libsystemd0 zlib1g"
    " curl socat openssl strace adduser"
).split()
DISK_SIZE = "3G"

NETWORK = """[Match]
Name=en* eth*
[Network]
Address=10.0.2.15/24
Gateway=10.0.2.2
DNS=10.0.2.3
LinkLocalAddressing=no
IPv6AcceptRA=no
"""

# Drivers of what the emulated machine has and no test wants: they load late, into the frozen state or right after it.
BLACKLIST = "".join(f"blacklist {name}\n" for name in "ahci kvm_amd kvm_intel powernow_k8 acpi_cpufreq psmouse".split())

# Done inside the new root, by mmdebstrap. Timers and first-boot questions only make hosts differ from each other.
CUSTOMIZE = r"""set -eu
root="$1"
rm -rf "$root"/usr/share/doc/* "$root"/usr/share/man/* "$root"/usr/share/locale/* "$root"/var/cache/apt/*
echo lab >"$root/etc/hostname"
printf '127.0.0.1 localhost\n10.0.2.2 devhost\n' >"$root/etc/hosts"
echo 'nameserver 10.0.2.3' >"$root/etc/resolv.conf"
echo '/dev/vda / ext4 defaults 0 1' >"$root/etc/fstab"
systemctl --root="$root" --quiet enable systemd-networkd
systemctl --root="$root" --quiet mask systemd-firstboot.service getty@tty1.service systemd-timesyncd.service \
    apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer \
    systemd-networkd-wait-online.service systemd-pcrphase.service systemd-pcrphase-sysinit.service
# Each `systemctl daemon-reload` runs all generators, and dpkg reloads a few times: half of its time, in an emulator, for what this host has none of.
mkdir -p "$root/etc/systemd/system-generators"
for what in cryptsetup debug gpt-auto hibernate-resume integritysetup rc-local run system-update sysv veritysetup; do
    ln -s /dev/null "$root/etc/systemd/system-generators/systemd-$what-generator"
done
"""

# Needed before the root disk is there: the disk, and the lab's own channel where it is a module (6.1).
EARLY_MODULES = ("virtio_pci", "virtio_blk", "virtio_console")


def recipe():
    return digest(SUITE, " ".join(PACKAGES), NETWORK, BLACKLIST, CUSTOMIZE, DISK_SIZE, GUEST / "lab-agent", GUEST / "lab-agent.service")


def _rootfs():
    """The root file system as a tar, the same for every kernel."""
    final = CACHE / "rootfs" / digest(SUITE, " ".join(PACKAGES), CUSTOMIZE)
    if (final / "rootfs.tar").exists():
        return final / "rootfs.tar"
    with locked(f"rootfs-{final.name}"):
        if not (final / "rootfs.tar").exists():
            install_dependencies()
            say(f"building the Debian root file system ({SUITE}; about a minute)")
            temporary = _fresh(final)
            hook = temporary / "customize"
            hook.write_text("#!/bin/sh\n" + CUSTOMIZE)
            hook.chmod(0o755)
            command("mmdebstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", f"--customize-hook={hook}",
                    SUITE, temporary / "rootfs.tar", timeout=900)
            replace_directory(temporary, final)
            _keep_newest(final)
    return final / "rootfs.tar"


def image(kernel):
    """The folder with disk.img and initrd for a kernel: read-only for everyone who uses it."""
    final = CACHE / "images" / digest(recipe(), kernel.identity, GUEST / "initrd-init", *EARLY_MODULES)
    if (final / "disk.img").exists():
        return final
    with locked(f"image-{final.name}"):
        if not (final / "disk.img").exists():
            install_dependencies()
            if os.geteuid() != 0:
                raise LabError("cannot build the disk image: its files belong to root; run 'lab image' as root once")
            archive = _rootfs()
            say(f"building the disk image for {kernel.abi}")
            temporary = _fresh(final)
            root = temporary / "root"
            root.mkdir()
            command("tar", "-C", root, "--numeric-owner", "-xpf", archive)
            _furnish(root, kernel)
            command("mke2fs", "-q", "-t", "ext4", "-E", "lazy_itable_init=0,lazy_journal_init=0", "-d", root,
                    temporary / "disk.img", DISK_SIZE)
            _initrd(root, kernel, temporary)
            shutil.rmtree(root)
            (temporary / "abi").write_text(kernel.abi + "\n")
            replace_directory(temporary, final)
    return final


def _fresh(final):
    temporary = Path(f"{final}.new")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    return temporary


def _keep_newest(final):
    for other in final.parent.iterdir():
        if other != final:
            shutil.rmtree(other, ignore_errors=True)


def _furnish(root, kernel):
    """The kernel's modules, the network, the agent that runs the lab's commands."""
    shutil.copytree(kernel.modules, root / "usr" / "lib" / "modules" / kernel.abi, symlinks=True)
    command("depmod", "-b", root, kernel.abi)
    config = root / "boot" / f"config-{kernel.abi}"
    shutil.copy(kernel.folder / "boot" / config.name, config)  # tools look there for what the kernel can
    (root / "etc/systemd/network/10-lab.network").write_text(NETWORK)
    (root / "etc/modprobe.d/lab.conf").write_text(BLACKLIST)
    (root / "usr/local/lib/lab").mkdir(parents=True)
    agent = shutil.copy(GUEST / "lab-agent", root / "usr/local/lib/lab/lab-agent")
    os.chmod(agent, 0o755)
    shutil.copy(GUEST / "lab-agent.service", root / "etc/systemd/system/lab-agent.service")
    command("systemctl", f"--root={root}", "--quiet", "enable", "lab-agent.service")


def _initrd(root, kernel, folder):
    tree = folder / "initrd.tree"
    for name in ("bin", "dev", "proc", "root", "modules"):
        (tree / name).mkdir(parents=True)
    shutil.copy("/bin/busybox", tree / "bin" / "busybox")
    shutil.copy(GUEST / "initrd-init", tree / "init")
    os.chmod(tree / "init", 0o755)
    order = []
    for path in _module_order(root / "usr" / "lib" / "modules" / kernel.abi):
        content = path.read_bytes()
        name = path.name
        if name.endswith(".xz"):  # busybox cannot; the signature is over the unpacked file
            content, name = lzma.decompress(content), name[: -len(".xz")]
        (tree / "modules" / name).write_bytes(content)
        order.append(name)
    (tree / "modules" / "order").write_text("\n".join(order) + "\n")
    names = "\n".join(str(path.relative_to(tree)) for path in sorted(tree.rglob("*")))
    archive = command("cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0", cwd=tree, input=(names + "\n").encode())
    (folder / "initrd").write_bytes(archive)
    shutil.rmtree(tree)


def _module_order(modules):
    """The early modules and what they need, in the order of loading; what is built in is not listed."""
    needs = {}
    for line in (modules / "modules.dep").read_text().splitlines():
        path, _, rest = line.partition(":")
        needs[path] = rest.split()  # nearest first: to be loaded from the end
    order = []
    for wanted in EARLY_MODULES:
        for path, rest in needs.items():
            if path.rsplit("/", 1)[-1].split(".")[0] == wanted:
                order += [need for need in [*reversed(rest), path] if need not in order]
    return [modules / path for path in order]
