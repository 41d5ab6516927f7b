using LivepatchAgent.Core.Kernel;
using LivepatchAgent.Core.Modules;

namespace LivepatchAgent.Core.Agent;

/// <summary>
/// What a kernel can do, by its build options where they can be read, else by the symbols that they add.
/// </summary>
internal static class KernelFeatures
{
    private const string StackWalk = "arch_stack_walk_reliable";
    private const string Layout = "module_layout";
    private const string Exported = "__ksymtab_klp_enable_patch";
    private const string Enable = "klp_enable_patch";

    /// <summary>Words of a vermagic.</summary>
    private const string Preemptible = "preempt ", RealTime = "preempt_rt ";

    private static readonly string[] DeleteModule =
        ["__x64_sys_delete_module", "__arm64_sys_delete_module", "__s390x_sys_delete_module"];

    /// <summary>Symbols to look for, beside a module's own.</summary>
    public static IEnumerable<string> Symbols =>
        [StackWalk, Layout, Exported, Enable, HostQuestions.ExportPrefix + Layout, .. DeleteModule];

    /// <summary>CONFIG_MODVERSIONS.</summary>
    public static bool? HasModuleVersions(HostFacts host) => Is(host, "MODVERSIONS") ?? Has(host, Layout);

    /// <summary>
    /// The CRCs of a module that this kernel goes by: since 6.14 those of the section for long names if the module has
    /// it. Null where it has none that the kernel knows.
    /// </summary>
    public static IReadOnlyList<SymbolVersion>? Versions(ModuleFacts module, HostFacts host)
    {
        var series = KernelSeries.Of(host.KernelRelease) ?? default;
        var knowsExtended = series.CompareTo((6, 14)) >= 0;
        return knowsExtended ? module.ExtendedSymbolVersions ?? module.SymbolVersions : module.SymbolVersions;
    }

    /// <summary>Debian changed its kernels to refuse a symbol without a CRC; others warn once and take it.</summary>
    public static bool InsistsOnVersions(HostFacts host) =>
        host.KernelVersion?.Contains("Debian", StringComparison.Ordinal) == true;

    /// <summary>CONFIG_MODULE_UNLOAD.</summary>
    public static bool? CanUnload(HostFacts host)
    {
        if (Is(host, "MODULE_UNLOAD") is { } option) return option;
        return host.Symbols is null ? null : DeleteModule.Any(s => Has(host, s) == true);
    }

    /// <summary>CONFIG_HAVE_RELIABLE_STACKTRACE.</summary>
    public static bool? HasReliableStacks(HostFacts host) =>
        Is(host, "HAVE_RELIABLE_STACKTRACE") ?? Has(host, StackWalk);

    /// <summary>CONFIG_MODULE_SIG; null when the options are not known.</summary>
    public static bool? ChecksSignatures(HostFacts host) => Is(host, "MODULE_SIG");

    /// <summary>CONFIG_LIVEPATCH.</summary>
    public static bool? HasLivepatch(HostFacts host) =>
        host.Livepatch ? true : Is(host, "LIVEPATCH") ?? Has(host, Enable);

    /// <summary>Whether the symbol table shows what is exported.</summary>
    public static bool ShowsExports(HostFacts host) =>
        Has(host, Exported) == true || Has(host, HostQuestions.ExportPrefix + Layout) == true;

    /// <summary>
    /// What the kernel compares a module's vermagic with (include/linux/vermagic.h): its own text where that is known,
    /// else what its options make of it. More than one where they leave it open; null when a part of it is not known.
    /// </summary>
    public static IReadOnlyList<string>? Vermagics(HostFacts host)
    {
        if (OwnVermagic(host) is { } own) return [own];
        // Structures are shuffled by a secret of the build, and its hash is a part of the text.
        if (Is(host, "RANDSTRUCT") == true || Is(host, "GCC_PLUGIN_RANDSTRUCT") == true) return null;
        if (Word(host, "SMP", " SMP ") is not { } smp || Preempt(host) is not { } preempt) return null;
        if (CanUnload(host) is not { } unload || HasModuleVersions(host) is not { } versions) return null;
        var before = $"{host.KernelRelease} {(smp ? "SMP " : "")}";
        var arch = host.Architecture == "aarch64" ? "aarch64 " : "";
        var after = $"{(unload ? "mod_unload " : "")}{(versions ? "modversions " : "")}{arch}";
        return [.. preempt.Select(word => before + word + after)];
    }

    /// <summary>The kernel's own text; null when it is not known, or is that of another release.</summary>
    public static string? OwnVermagic(HostFacts host) =>
        host.Vermagic?.StartsWith(host.KernelRelease + " ", StringComparison.Ordinal) == true ? host.Vermagic : null;

    private static IReadOnlyList<string>? Preempt(HostFacts host)
    {
        if (host.Config is null) return PreemptByName(host);
        return (host.Option("PREEMPT_BUILD") == "y", host.Option("PREEMPT_RT") == "y") switch
        {
            (true, true) => OfBoth(host),
            (true, false) => [Preemptible],
            (false, true) => [RealTime],
            (false, false) => [""],
        };
    }

    /// <summary>By <c>uname -v</c>, which does not say whether a real-time kernel has PREEMPT_BUILD as well.</summary>
    private static IReadOnlyList<string>? PreemptByName(HostFacts host)
    {
        if (host.KernelVersion is not { } version) return null;
        if (!version.Contains("PREEMPT", StringComparison.Ordinal)) return [""];
        if (!version.Contains("PREEMPT_RT", StringComparison.Ordinal)) return [Preemptible];
        return AsksRealTimeFirst(host) == true ? [RealTime] : [Preemptible, RealTime];
    }

    private static IReadOnlyList<string> OfBoth(HostFacts host) => AsksRealTimeFirst(host) switch
    {
        true => [RealTime],
        false => [Preemptible],
        null => [Preemptible, RealTime],
    };

    /// <summary>
    /// Which of CONFIG_PREEMPT_RT and CONFIG_PREEMPT_BUILD names a kernel that has both. Up to 6.12 the second, from
    /// 7.0 on the first; null for those between, where it changed.
    /// </summary>
    private static bool? AsksRealTimeFirst(HostFacts host)
    {
        if (KernelSeries.Of(host.KernelRelease) is not { } series) return null;
        if (series.CompareTo((7, 0)) >= 0) return true;
        return series.CompareTo((6, 12)) <= 0 ? false : null;
    }

    private static bool? Word(HostFacts host, string option, string word) =>
        Is(host, option) ?? host.KernelVersion?.Contains(word, StringComparison.Ordinal);

    private static bool? Is(HostFacts host, string option) => host.Option(option) is { } value ? value == "y" : null;

    private static bool? Has(HostFacts host, string symbol) =>
        host.Symbols is null ? null : host.CountOf("vmlinux", symbol) > 0;
}
