"""The commands of `lab`: options in, the parts put together, exit codes out. README.md beside the lab explains them."""
import os
import secrets
import sys
import time
from pathlib import Path

from . import abis, config, emulator, fixtures, hosts, images, kernels, launch, options
from .config import EXIT_LAB, LabError, say


def main(argv):
    # argparse would take options of the command for its own
    argv, words = (argv[: argv.index("--")], argv[argv.index("--") + 1:]) if "--" in argv else (argv, [])
    chosen = options.parser(sys.modules[__name__]).parse_args(argv)
    chosen.words = words
    try:
        return chosen.function(chosen) or 0
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
    launch.sweep()
    choice = fixtures.options(options.kernel, options.secure_boot, _mok(options), options.memory, options.cpus, _revoked(options))
    fixture, spec = fixtures.with_packages(choice, _debs(options))
    held = [fixture.use()]
    spec = fixtures.resumed(fixture, spec)
    spec.update(name=name, append=options.append or "", forward=[_ports(text) for text in options.forward])
    if options.boot:
        spec["state"] = None
    if owner_pid is None or name == getattr(options, "name", None):
        spec["disk_cache"] = "writeback"  # what the host has synced is kept when its power is cut
    return launch.start(spec, held, owner_pid, options.lifetime)


def _boot_settled(host):
    host.wait()
    fixtures.settle(host)


def _mok(options):
    if not options.mok:
        return None
    if not options.secure_boot:
        raise LabError("cannot enrol a MOK certificate: only a host with --secure-boot has a MOK list")
    return str(Path(options.mok).resolve())


def _revoked(options):
    if options.revoked and not options.secure_boot:
        raise LabError("cannot revoke a file: only a host with --secure-boot has such a list")
    return options.revoked


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
    if options.lines:
        return _execute_lines(hosts.Host(options.host))
    if not options.words:
        raise LabError("cannot run: no command; write it after --, as in 'lab exec NAME -- uname -r'")
    return hosts.Host(options.host).run(options.words, options.timeout, 0 if options.stdin else None, _writer(1), _writer(2))


def _execute_lines(host):
    """One command after the other, each a line of JSON: {"words": […], "input": TEXT or null, "timeout": SECONDS}, answered by
    {"status": N, "out": TEXT, "error": TEXT}. For who has many: starting this program takes longer than most commands."""
    import json
    import tempfile

    for line in sys.stdin:
        asked = json.loads(line)
        out, error = bytearray(), bytearray()
        with tempfile.TemporaryFile() as given:
            given.write((asked["input"] or "").encode())
            given.seek(0)
            try:
                status = host.run(asked["words"], asked["timeout"], None if asked["input"] is None else given.fileno(), out.extend, error.extend)
            except LabError as failed:
                status = failed.code
                error += f"lab: {failed}\n".encode()
        answer = {"status": status, "out": out.decode(errors="replace"), "error": error.decode(errors="replace")}
        print(json.dumps(answer), flush=True)
    return 0


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
        if not host.alive:
            continue
        try:
            status = host.ask("status")
        except LabError as error:  # most likely on its way down, which must not hide the others
            say(str(error))
            continue
        _show(status)


def _show(status):
    why = f" ({status['why']})" if status["why"] else ""
    print(f"{status['name']} {status['state']}{why} kernel={status['kernel']} secure-boot={'on' if status['secure_boot'] else 'off'}"
          f" boots={status['boots']} answered-after={status['seconds']}s", flush=True)


# --- what hosts are made of

def image(options):
    """Everything a later `lab run` needs, so that it only has to resume."""
    choices = [(options.kernel, options.secure_boot)]
    if options.all:
        choices = [(series, secure) for series in abis.preferred() for secure in (False, True)]
    if options.unbooted:
        for series in sorted({series for series, _ in choices}):
            kernels.headers(series)
            print(images.image(kernels.fetch(series)), flush=True)
        return
    for series, secure in choices:
        options.secure_boot = secure
        fixture, spec = fixtures.with_packages(fixtures.options(series, secure, _mok(options) if secure else None), _debs(options))
        print(f"{spec['abi']} secure-boot={'on' if secure else 'off'} {fixture.folder}", flush=True)


def clean(_options):
    import shutil

    for name in hosts.names():
        hosts.Host(name).down()
    shutil.rmtree(config.CACHE, ignore_errors=True)


def emulated_by(_options):
    program = emulator.command_line()[0]
    print(program)
    print(config.command(program, "--version").decode().splitlines()[0])


def abi(options):
    print(abis.abi_of(options.kernel))


def headers(options):
    print(kernels.headers(options.kernel))


def mok(options):
    from . import secureboot

    print(secureboot.mok_pair()[options.which])
