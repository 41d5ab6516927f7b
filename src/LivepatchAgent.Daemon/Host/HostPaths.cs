namespace LivepatchAgent.Daemon.Host;

/// <summary>
/// Every path the daemon touches, under one root: <c>/</c>, or a test's folder. The literals stand here and nowhere
/// else.
/// </summary>
internal sealed class HostPaths(string root)
{
    private readonly string _root = root.TrimEnd('/');

    public string Livepatch => Under("sys/kernel/livepatch");

    public string Lockdown => Under("sys/kernel/security/lockdown");

    public string Tainted => Under("proc/sys/kernel/tainted");

    public string BootId => Under("proc/sys/kernel/random/boot_id");

    public string OsRelease => Under("proc/sys/kernel/osrelease");

    public string Hostname => Under("proc/sys/kernel/hostname");

    public string CommandLine => Under("proc/cmdline");

    public string Processes => Under("proc");

    public string KernelLog => Under("dev/kmsg");

    public string OsReleaseFile => Under("etc/os-release");

    /// <summary>Where the system may have its CAs in one file: Debian and Alpine, Fedora and RHEL, openSUSE.</summary>
    public IReadOnlyList<string> CaBundles =>
    [
        Under("etc/ssl/certs/ca-certificates.crt"),
        Under("etc/pki/tls/certs/ca-bundle.crt"),
        Under("etc/ssl/ca-bundle.pem"),
        Under("etc/ssl/cert.pem"),
    ];

    public string Config => Under("etc/livepatch-agent/agent.conf");

    /// <summary>The kill switch as a file: <c>off</c> or <c>observe</c>.</summary>
    public string Mode => Under("etc/livepatch-agent/mode");

    /// <summary>Further publisher certificates that this host's administrator trusts.</summary>
    public string TrustFolder => Under("etc/livepatch-agent/trust.d");

    public string StateFolder => Under("var/lib/livepatch-agent");

    /// <summary>
    /// The boot ids of the last boots that ended in order. livepatch-agent-clean-end.service writes it, and the daemon
    /// reads it.
    /// </summary>
    public string CleanEnd => Path.Combine(StateFolder, "clean-end");

    public string RunFolder => Under("run/livepatch-agent");

    public string Socket => Path.Combine(RunFolder, "agent.sock");

    public string StatusFile => Path.Combine(RunFolder, "status.json");

    public string Groups => Under("etc/group");

    public string Modules => Under("sys/module");

    public string LoadedModules => Under("proc/modules");

    public string KernelVersion => Under("proc/sys/kernel/version");

    public string Symbols => Under("proc/kallsyms");

    /// <summary>The kernel's memory as an ELF core file (/proc/kcore).</summary>
    public string KernelMemory => Under("proc/kcore");

    public string Keys => Under("proc/keys");

    /// <summary>The firmware's machine owner keys, as shim passes them on.</summary>
    public string MachineOwnerKeys => Under("sys/firmware/efi/efivars/MokListRT-605dab50-e046-4300-abb6-3dd810dd8b23");

    public string MemoryInfo => Under("proc/meminfo");

    public string FtraceEnabled => Under("proc/sys/kernel/ftrace_enabled");

    public string ModulesDisabled => Under("proc/sys/kernel/modules_disabled");

    /// <summary>module_blacklist=, as the kernel took it from its command line.</summary>
    public string BlockedModules => Under("sys/module/kernel/parameters/module_blacklist");

    public string SignaturesEnforced => Under("sys/module/module/parameters/sig_enforce");

    /// <summary>Where tracefs is mounted, the usual place first.</summary>
    public IEnumerable<string> Tracing => [Under("sys/kernel/tracing"), Under("sys/kernel/debug/tracing")];

    public string Probes => Under("sys/kernel/debug/kprobes/list");

    public string ConfigInKernel => Under("proc/config.gz");

    public string ConfigOf(string release) => Under("boot/config-" + release);

    public string InstalledModules(string release) => Under("lib/modules/" + release);

    public string ScheduledShutdown => Under("run/systemd/shutdown/scheduled");

    public string NoLogin => Under("run/nologin");

    public string Module(string name) => Under("sys/module/" + name);

    /// <summary>Where a loaded module's struct module is.</summary>
    public string ModuleAddress(string name) => Path.Combine(Module(name), "sections/.gnu.linkonce.this_module");

    private string Under(string path) => $"{_root}/{path}";
}
