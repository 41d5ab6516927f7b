using System.Text.Json.Serialization;
using LivepatchAgent.Core.Kernel;
using LivepatchAgent.Core.Modules;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Core.Agent;

/// <summary>
/// What a preflight asks of a host, as <c>livepatch-agent facts</c> prints it: names and settings, no address and
/// nothing secret. What could not be read is null, and the check that asks for it says that it cannot tell.
/// </summary>
public sealed record HostFacts
{
    public const int CurrentSchema = 1;

    public int Schema { get; init; } = CurrentSchema;

    /// <summary><c>uname -r</c>.</summary>
    public required string KernelRelease { get; init; }

    /// <summary><c>uname -v</c>.</summary>
    public string? KernelVersion { get; init; }

    /// <summary><c>uname -m</c>.</summary>
    public required string Architecture { get; init; }

    /// <summary>
    /// The text that the kernel compares a module's vermagic with: its own, else that of a module that came with it.
    /// Null when neither could be read.
    /// </summary>
    public string? Vermagic { get; init; }

    /// <summary>The kernel's build options, without <c>CONFIG_</c>; those that preflight asks for.</summary>
    public IReadOnlyDictionary<string, string>? Config { get; init; }

    /// <summary>/sys/kernel/livepatch is there.</summary>
    public bool Livepatch { get; init; }

    /// <summary>kernel.modules_disabled.</summary>
    public bool? ModulesDisabled { get; init; }

    /// <summary>module_blacklist=, as the kernel took it from its command line.</summary>
    public IReadOnlyList<string> BlockedModules { get; init => field = value ?? []; } = [];

    public string? Lockdown { get; init; }

    /// <summary>module.sig_enforce; null where the kernel checks no signatures or does not say.</summary>
    public bool? SignaturesEnforced { get; init; }

    public KeyringFacts? Keys { get; init; }

    /// <summary>/proc/sys/kernel/tainted.</summary>
    public long Taint { get; init; }

    /// <summary>kernel.ftrace_enabled.</summary>
    public bool? FtraceEnabled { get; init; }

    /// <summary>/sys/kernel/livepatch.</summary>
    public IReadOnlyList<LoadedPatch> Patches { get; init => field = value ?? []; } = [];

    /// <summary>
    /// System states (struct klp_state) of those loaded patches whose states could be read, by the patch's name.
    /// </summary>
    public IReadOnlyDictionary<string, IReadOnlyList<SystemState>>? PatchStates { get; init; }

    /// <summary>
    /// MODULE_VERSION of those loaded patches that have one (/sys/module/NAME/version), by the patch's name.
    /// </summary>
    public IReadOnlyDictionary<string, string>? PatchVersions { get; init; }

    /// <summary>Names in /sys/module: loaded modules, and those built in that have parameters.</summary>
    public IReadOnlyList<string>? Modules { get; init; }

    /// <summary>Loaded modules (/proc/modules).</summary>
    public IReadOnlyList<string>? LoadedModules { get; init; }

    /// <summary>Modules that are installed for this kernel or built in.</summary>
    public IReadOnlyList<string>? InstalledModules { get; init; }

    /// <summary>Those of <see cref="InstalledModules"/> that are built in: no module of that name ever comes.</summary>
    public IReadOnlyList<string>? BuiltInModules { get; init; }

    /// <summary>/proc/kallsyms: per object, how often each name occurs.</summary>
    public IReadOnlyDictionary<string, IReadOnlyDictionary<string, int>>? Symbols { get; init; }

    /// <summary>
    /// The same out of the files of modules that are installed and not loaded; of those alone that were asked for.
    /// </summary>
    public IReadOnlyDictionary<string, IReadOnlyDictionary<string, int>>? InstalledSymbols { get; init; }

    /// <summary>available_filter_functions: per object, how often each name can be traced and so patched.</summary>
    public IReadOnlyDictionary<string, IReadOnlyDictionary<string, int>>? Traceable { get; init; }

    /// <summary>
    /// Of names that several functions of an object have: which of them, in the order of /proc/kallsyms, can be traced.
    /// Only the kernel's memory shows it, so no file has it.
    /// </summary>
    [JsonIgnore]
    public IReadOnlyDictionary<(string Object, string Name), IReadOnlyList<bool>>? TraceableInOrder { get; init; }

    /// <summary>
    /// The same out of the files of <see cref="InstalledSymbols"/>: functions with a place for ftrace.
    /// </summary>
    public IReadOnlyDictionary<string, IReadOnlyDictionary<string, int>>? InstalledTraceable { get; init; }

    /// <summary>enabled_functions: what hangs on functions already.</summary>
    public IReadOnlyList<FunctionHook>? Hooks { get; init; }

    /// <summary>debugfs's kprobes/list.</summary>
    public IReadOnlyList<KernelProbe>? Probes { get; init; }

    /// <summary>
    /// The kernel's CRCs of exported symbols, where it shows them; without CONFIG_MODVERSIONS there are none.
    /// </summary>
    public IReadOnlyDictionary<string, uint>? SymbolVersions { get; init; }

    /// <summary>
    /// The namespaces of the kernel's exported symbols, of those that stand in one; null when they could not be read.
    /// </summary>
    public IReadOnlyDictionary<string, string>? SymbolNamespaces { get; init; }

    /// <summary>Bytes that are available for new allocations (MemAvailable).</summary>
    public long? MemoryAvailable { get; init; }

    /// <summary>How the host is seen to be going down; null when it is not.</summary>
    public string? GoingDown { get; init; }

    /// <summary>How often an object has a name; null when that is not known of this object.</summary>
    public int? CountOf(string objectName, string name) =>
        Names(Symbols, objectName) is { } names
            ? names.GetValueOrDefault(name)
            : Names(InstalledSymbols, objectName)?.GetValueOrDefault(name);

    /// <summary>How many functions of this name can be traced; null when that is not known of this object.</summary>
    public int? TraceableOf(string objectName, string name) =>
        Names(Traceable, objectName) is { } names
            ? names.GetValueOrDefault(name)
            : Names(InstalledTraceable, objectName)?.GetValueOrDefault(name);

    /// <summary>
    /// Whether the one of several functions of this name that has this position can be traced; null if not known.
    /// </summary>
    public bool? IsTraceable(PatchedFunction function)
    {
        if (TraceableInOrder?.GetValueOrDefault((function.Object, function.Name)) is not { } each) return null;
        var isThere = function.Position > 0 && function.Position <= each.Count;
        return isThere ? each[(int)function.Position - 1] : null;
    }

    /// <summary>
    /// Whether the object is a module that may come, from this host's files or from elsewhere, and whose symbols are
    /// not known.
    /// </summary>
    public bool IsUnknown(string objectName) =>
        IsLoaded(objectName) == false
        && BuiltInModules?.Contains(objectName) != true
        && Names(InstalledSymbols, objectName) is null;

    /// <summary>Whether the object is vmlinux or a loaded module.</summary>
    public bool? IsLoaded(string objectName) => objectName == "vmlinux" ? true : LoadedModules?.Contains(objectName);

    /// <summary>An option's value, <c>n</c> when it is off; null when the options are not known.</summary>
    public string? Option(string name) => Config is null ? null : Config.GetValueOrDefault(name, "n");

    internal static IReadOnlyDictionary<string, int>? Names(
        IReadOnlyDictionary<string, IReadOnlyDictionary<string, int>>? table,
        string objectName) =>
        table?.GetValueOrDefault(objectName);
}

/// <summary>The keys that the kernel has for signatures.</summary>
/// <param name="Keys">Keys and hashes in the kernel's rings, as /proc/keys describes them.</param>
/// <param name="Signers"> Asked of the kernel: signer (<see cref="HostQuestions.Signers"/>) → the ring that has its
/// key, or empty when none has. Null when it could not be asked. </param>
/// <param name="SignatureHolds">
/// Whether the module's signature verifies by a certificate that this host's agent has; null when it has none of the
/// signer's.
/// </param>
public sealed record KeyringFacts(
    IReadOnlyList<KernelKey> Keys,
    IReadOnlyDictionary<string, string>? Signers = null,
    bool? SignatureHolds = null);

/// <param name="Description">E.g. <c>Debian Secure Boot CA: 6cce…a1</c>: the subject and the subject key id.</param>
/// <param name="Ring">E.g. <c>.builtin_trusted_keys</c>; null where only the key was seen and not its ring.</param>
public sealed record KernelKey(string Description, string? Ring = null);
