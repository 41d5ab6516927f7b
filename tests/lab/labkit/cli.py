"""The commands of `lab`: options in, the parts put together, exit codes out. README.md beside the lab explains them."""
import argparse
import os
import secrets
import sys
import time
from pathlib import Path

from . import config, fixtures, hosts, kernels
from .config import EXIT_LAB, LabError, say


def main(argv):
    # argparse would take options of the command for its own
    argv, words = (argv[: argv.index("--")], argv[argv.index("--") + 1:]) if "--" in argv else (argv, [])
    options = _parser().parse_args(argv)
    options.words = words
    try:
        return options.function(options) or 0
    except LabError as error:
        say(error)
        return error.code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return EXIT_LAB


# --- hosts for one command

def run(options):
    """A fresh host, one command, the end."""
    if not options.words:
        raise LabError("cannot run: no command; write it after --, as in 'lab run -- uname -r'")
    began = time.monotonic()
    host = _start(options, f"run-{secrets.token_hex(4)}", None if options.keep else os.getpid())
    try:
        if options.boot:
            _boot_settled(host)
        for pair in options.put:
            host.put(*_pair(pair, "--put LOCAL:REMOTE"))
        if options.verbose:
            host.wait()
            say(f"host {host.name} answers {time.monotonic() - began:.2f} s after the start")
        status = host.run(options.words, options.timeout, 0 if options.stdin else None, _writer(1), _writer(2))
        for pair in options.get:
            remote, local = _pair(pair, "--get REMOTE:LOCAL")
            host.get(remote, local)
        return status
    finally:
        if options.keep:
            say(f"host {host.name} stays up; end it with: lab down {host.name}")
        else:
            host.down()


def shell(options):
    """A terminal in a fresh host, or in one that is up."""
    import shutil
    import termios
    import tty

    host = hosts.Host(options.host) if options.host else _start(options, f"shell-{secrets.token_hex(4)}", os.getpid())
    columns, lines = shutil.get_terminal_size()
    inside = f"stty rows {lines} cols {columns}; export TERM={os.environ.get('TERM', 'linux')}; exec bash -l"
    saved = termios.tcgetattr(0) if os.isatty(0) else None
    try:
        if saved:
            tty.setraw(0)
        return host.run(["script", "-qec", inside, "/dev/null"], 24 * 3600, 0, _writer(1), _writer(2))
    finally:
        if saved:
            termios.tcsetattr(0, termios.TCSADRAIN, saved)
        if not options.host:
            host.down()


def _start(options, name, owner_pid):
    if options.append:
        options.boot = True  # a frozen host has its command line already
    hosts.sweep()
    choice = fixtures.options(options.kernel, options.secure_boot, _mok(options), options.memory, options.cpus)
    fixture, spec = fixtures.with_packages(choice, _debs(options))
    held = [fixture.use()]
    spec = fixtures.resumed(fixture, spec)
    spec.update(name=name, append=options.append or "", forward=[_ports(text) for text in options.forward])
    if options.boot:
        spec["state"] = None
    if owner_pid is None or name == getattr(options, "name", None):
        spec["disk_cache"] = "writeback"  # what the host has synced is kept when its power is cut
    return hosts.start(spec, held, owner_pid, options.lifetime)


def _boot_settled(host):
    host.wait()
    fixtures.settle(host)


def _mok(options):
    if not options.mok:
        return None
    if not options.secure_boot:
        raise LabError("cannot enrol a MOK certificate: only a host with --secure-boot has a MOK list")
    return str(Path(options.mok).resolve())


def _debs(options):
    if options.no_deb:
        return [*options.deb, *_packages(options)]
    own = os.environ.get("LIVEPATCH_DEB")
    if own:
        if not Path(own).exists():
            raise LabError(f"cannot install {own}: LIVEPATCH_DEB names no file")
        ours = [own]
    else:
        built = (config.REPOSITORY / "out" / "deb").glob("livepatch-agent_*_amd64.deb")
        ours = [str(path) for path in sorted(built, key=lambda path: path.stat().st_mtime)[-1:]]
    return [*_packages(options), *ours, *options.deb]


def _packages(options):
    from . import packages

    return [packages.download(name) for name in options.package]


def _pair(text, form):
    left, colon, right = text.partition(":")
    if not (left and colon and right):
        raise LabError(f"cannot read '{text}': it is {form}")
    return left, right


def _ports(text):
    try:
        outer, inner = text.split(":")
        return int(outer), int(inner)
    except ValueError:
        raise LabError(f"cannot read --forward '{text}': it is HOSTPORT:GUESTPORT") from None


def _writer(descriptor):
    def write(data):
        while data:
            data = data[os.write(descriptor, data):]
    return write


# --- hosts for several commands

def up(options):
    owner = options.owner_pid
    host = _start(options, options.name, owner)
    try:
        status = host.wait()
        if options.boot:
            fixtures.settle(host)
        for pair in options.put:
            host.put(*_pair(pair, "--put LOCAL:REMOTE"))
    except BaseException:
        host.down()
        raise
    _show(status)


def execute(options):
    if not options.words:
        raise LabError("cannot run: no command; write it after --, as in 'lab exec NAME -- uname -r'")
    return hosts.Host(options.host).run(options.words, options.timeout, 0 if options.stdin else None, _writer(1), _writer(2))


def put(options):
    hosts.Host(options.host).put(options.local, options.remote, options.timeout)


def get(options):
    hosts.Host(options.host).get(options.remote, options.local, options.timeout)


def reset(options):
    """A power cut, then a real boot of what the disk had."""
    host = hosts.Host(options.host)
    boots = host.ask("reset")["boots"]
    _await_boot(host, boots, options)


def reboot(options):
    host = hosts.Host(options.host)
    boots = host.ask("status")["boots"] + 1
    try:
        host.run(["systemctl", "reboot"], 120)
        host.run(["sleep", "120"], 120)  # until it goes
    except LabError as error:
        if error.code != config.EXIT_GONE:
            raise
    _await_boot(host, boots, options)


def _await_boot(host, boots, options):
    status = host.wait(boots)
    if not options.no_wait:
        fixtures.settle(host)
    _show(status)


def wait(options):
    _show(hosts.Host(options.host).wait())


def down(options):
    names = hosts.names() if options.all else options.hosts
    if not names and not options.all:
        raise LabError("cannot take down: name a host, or --all")
    for name in names:
        hosts.Host(name).down()


def console(options):
    host = hosts.Host(options.host)
    if not host.folder.exists():
        raise LabError(f"cannot show the console of {options.host}: there is no such host; see 'lab hosts'")
    _writer(1)(host.console())


def list_hosts(_options):
    for name in hosts.names():
        host = hosts.Host(name)
        if host.alive:
            _show(host.ask("status"))


def _show(status):
    why = f" ({status['why']})" if status["why"] else ""
    print(f"{status['name']} {status['state']}{why} kernel={status['kernel']} secure-boot={'on' if status['secure_boot'] else 'off'}"
          f" boots={status['boots']} answered-after={status['seconds']}s", flush=True)


# --- what hosts are made of

def image(options):
    """Everything a later `lab run` needs, so that it only has to resume."""
    choices = [(options.kernel, options.secure_boot)]
    if options.all:
        choices = [(series, secure) for series in kernels.preferred() for secure in (False, True)]
    for series, secure in choices:
        options.secure_boot = secure
        fixture, spec = fixtures.with_packages(fixtures.options(series, secure, _mok(options) if secure else None), _debs(options))
        print(f"{spec['abi']} secure-boot={'on' if secure else 'off'} {fixture.folder}", flush=True)


def clean(_options):
    import shutil

    for name in hosts.names():
        hosts.Host(name).down()
    shutil.rmtree(config.CACHE, ignore_errors=True)


def abi(options):
    print(kernels.abi_of(options.kernel))


def headers(options):
    print(kernels.headers(options.kernel))


def mok(options):
    from . import secureboot

    print(secureboot.mok_pair()[options.which])


# --- the command line

def _parser():
    parser = argparse.ArgumentParser(prog="lab", description="Debian hosts on real kernels, for tests, in seconds.",
                                     epilog="Exit codes of the lab's own: 123 host gone, 124 timed out or hung, 125 lab failure, 126 kernel panic.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name, function, help, **parents):
        command = commands.add_parser(name, help=help, **parents)
        command.set_defaults(function=function)
        return command

    kernel, choice, timed = _kernel_options(), _host_options(), _timeout_option()
    one = add("run", run, "a fresh host, one command (after --), the end", parents=[kernel, choice, timed])
    one.add_argument("--get", action="append", default=[], metavar="REMOTE:LOCAL", help="afterwards, a file out of the host")
    one.add_argument("--keep", action="store_true", help="leave the host up")
    one.add_argument("--stdin", action="store_true", help="pass standard input to the command")
    one.add_argument("--verbose", action="store_true", help="say how long the start took")

    terminal = add("shell", shell, "a terminal in a fresh host, or in HOST", parents=[kernel, choice])
    terminal.add_argument("host", nargs="?")

    long = add("up", up, "start a host that stays", parents=[kernel, choice])
    long.add_argument("--name", required=True)
    long.add_argument("--owner-pid", type=int, help="the host ends when this process has")

    inside = add("exec", execute, "a command (after --) in a host that is up", parents=[timed])
    inside.add_argument("host")
    inside.add_argument("--stdin", action="store_true", help="pass standard input to the command")
    for name, function, first, second in (("put", put, "local", "remote"), ("get", get, "remote", "local")):
        command = add(name, function, f"{name} a file", parents=[timed])
        for argument in ("host", first, second):
            command.add_argument(argument)
    for name, function, help in (("reset", reset, "cut the power, boot again"), ("reboot", reboot, "shut down and boot again")):
        command = add(name, function, help)
        command.add_argument("host")
        command.add_argument("--no-wait", action="store_true", help="return at the first answer, before the boot has settled")
    add("wait", wait, "until a host answers").add_argument("host")
    add("console", console, "what the host's console has said so far").add_argument("host")
    add("hosts", list_hosts, "the hosts that are up")
    end = add("down", down, "end hosts")
    end.add_argument("hosts", nargs="*")
    end.add_argument("--all", action="store_true")

    build = add("image", image, "build what a host of this kind needs", parents=[kernel, _package_options(), _secure_options()])
    build.add_argument("--all", action="store_true", help="for all kernels, with and without Secure Boot")
    add("clean", clean, "end all hosts, remove the cache")
    add("abi", abi, "the exact kernel ABI", parents=[kernel])
    add("headers", headers, "the folder for make -C, to build modules", parents=[kernel])
    add("mok-cert", mok, "the certificate that Secure Boot hosts trust (PEM)").set_defaults(which=0)
    add("mok-key", mok, "its key (PEM, no passphrase)").set_defaults(which=1)
    return parser


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
    group.add_argument("--cpus", type=int, default=2)
    group.add_argument("--lifetime", type=float, default=1800, metavar="S", help="the host ends after this at the latest")
    return group


def _timeout_option():
    group = _options()
    group.add_argument("--timeout", type=float, default=600, metavar="S", help="for the command (600)")
    return group
