"""The command line of `lab`: which command takes which options. cli.py has what they do."""
import argparse
import os

from .config import EXIT_LAB


class _Parser(argparse.ArgumentParser):
    """A wrong option is the lab's failure, never to be taken for the command's status 2."""

    def error(self, message):
        self.exit(EXIT_LAB, f"{self.prog}: {message}; see '{self.prog} --help'\n")


def parser(commands_of):
    top = _Parser(prog="lab", description="Debian hosts on real kernels, for tests, in seconds.",
                  epilog="Exit codes of the lab's own: 123 host gone, 124 timed out or hung, 125 lab failure, 126 kernel panic.")
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    def add(name, function, help, **parents):
        command = commands.add_parser(name, help=help, **parents)
        command.set_defaults(function=function)
        return command

    kernel, choice, timed = _kernel_options(), _host_options(), _timeout_option()
    one = add("run", commands_of.run, "a fresh host, one command (after --), the end", parents=[kernel, choice, timed])
    one.add_argument("--get", action="append", default=[], metavar="REMOTE:LOCAL", help="afterwards, a file out of the host")
    one.add_argument("--keep", action="store_true", help="leave the host up")
    one.add_argument("--stdin", action="store_true", help="pass standard input to the command")
    one.add_argument("--verbose", action="store_true", help="say how long the start took")

    terminal = add("shell", commands_of.shell, "a terminal in a fresh host, or in HOST", parents=[kernel, choice])
    terminal.add_argument("host", nargs="?")

    long = add("up", commands_of.up, "start a host that stays", parents=[kernel, choice])
    long.add_argument("--name", required=True)
    long.add_argument("--owner-pid", type=int, help="the host ends when this process has")

    inside = add("exec", commands_of.execute, "a command (after --) in a host that is up", parents=[timed])
    inside.add_argument("host")
    inside.add_argument("--stdin", action="store_true", help="pass standard input to the command")
    inside.add_argument("--lines", action="store_true", help="no command: many, as lines of JSON on standard input (see README.md)")
    for name, function, first, second in (("put", commands_of.put, "local", "remote"), ("get", commands_of.get, "remote", "local")):
        command = add(name, function, f"{name} a file", parents=[timed])
        for argument in ("host", first, second):
            command.add_argument(argument)
    for name, function, help in (("reset", commands_of.reset, "cut the power, boot again"), ("reboot", commands_of.reboot, "shut down and boot again")):
        command = add(name, function, help)
        command.add_argument("host")
        command.add_argument("--no-wait", action="store_true", help="return at the first answer, before the boot has settled")
    add("wait", commands_of.wait, "until a host answers").add_argument("host")
    add("console", commands_of.console, "what the host's console has said so far").add_argument("host")
    add("hosts", commands_of.list_hosts, "the hosts that are up")
    end = add("down", commands_of.down, "end hosts")
    end.add_argument("hosts", nargs="*")
    end.add_argument("--all", action="store_true")

    build = add("image", commands_of.image, "build what a host of this kind needs", parents=[kernel, _package_options(), _secure_options()])
    build.add_argument("--all", action="store_true", help="for all kernels, with and without Secure Boot")
    build.add_argument("--unbooted", action="store_true", help="downloads, headers and disk image alone: what needs neither a package nor keys")
    add("clean", commands_of.clean, "end all hosts, remove the cache")
    add("abi", commands_of.abi, "the exact kernel ABI", parents=[kernel])
    add("headers", commands_of.headers, "the folder for make -C, to build modules", parents=[kernel])
    add("emulator", commands_of.emulated_by, "the QEMU that hosts run in, and its version")
    add("mok-cert", commands_of.mok, "the certificate that Secure Boot hosts trust (PEM)").set_defaults(which=0)
    add("mok-key", commands_of.mok, "its key (PEM, no passphrase)").set_defaults(which=1)
    return top


def _options(*parents):
    return argparse.ArgumentParser(add_help=False, parents=parents)


def _kernel_options():
    group = _options()
    group.add_argument("--kernel", default=os.environ.get("LIVEPATCH_LAB_KERNEL") or "6.12", help="6.12 (default) or 6.1")
    return group


def _secure_options():
    group = _options()
    group.add_argument("--secure-boot", action="store_true", help="UEFI Secure Boot, kernel locked down")
    group.add_argument("--mok", metavar="CERT.pem", help="the machine owner certificate, instead of the lab's own")
    group.add_argument("--revoked", metavar="SHA256", help="a file that the host's firmware revokes (MokListX); tbs:SHA256: a certificate, by what is signed of it")
    return group


def _package_options():
    group = _options()
    group.add_argument("--deb", action="append", default=[], metavar="FILE", help="install this too")
    group.add_argument("--no-deb", action="store_true", help="without livepatch-agent")
    group.add_argument("--package", action="append", default=[], metavar="NAME", help="install this Debian package too")
    return group


def _host_options():
    group = _options(_package_options(), _secure_options())
    group.add_argument("--boot", action="store_true", help="really boot, not from the frozen state")
    group.add_argument("--append", metavar="WORDS", help="words for the kernel's command line (boots)")
    group.add_argument("--put", action="append", default=[], metavar="LOCAL:REMOTE", help="first, a file or folder into the host")
    group.add_argument("--forward", action="append", default=[], metavar="HOSTPORT:GUESTPORT", help="a TCP port of this machine's loopback")
    group.add_argument("--memory", type=int, default=1024, help="MiB")
    group.add_argument("--cpus", type=int, help="one where the processor is emulated, two under KVM")
    group.add_argument("--lifetime", type=float, default=1800, metavar="S", help="the host ends after this at the latest")
    return group


def _timeout_option():
    group = _options()
    group.add_argument("--timeout", type=float, default=600, metavar="S", help="for the command (600)")
    return group
