using LivepatchAgent.Core.Agent;
using LivepatchAgent.Core.Modules;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Core.Tests.Agent;

/// <summary>
/// A module that a host would take, and each change to either that brings one check to another answer.
/// </summary>
public sealed class PreflightTests
{
    private const string Query = "ex:0102";

    private static readonly string Digest = new('a', 64);

    private static readonly ModuleFacts Module = new()
    {
        Name = "livepatch_two",
        Vermagic = "6.12.117+deb12-cloud-amd64 SMP preempt mod_unload modversions ",
        Architecture = "x86_64",
        IsLivepatch = true,
        Modinfo = [new("license", "GPL"), new("name", "livepatch_two")],
        Tables = PatchTables.KlpPatch,
        Replace = true,
        Functions = [new("vmlinux", "cmdline_proc_show"), new("vmlinux", "show", 2), new("ext4", "ext4_iget")],
        NeededSymbols = ["klp_enable_patch", "seq_printf"],
        SymbolVersions = [new("module_layout", 1), new("klp_enable_patch", 2), new("seq_printf", 3)],
        LivepatchSymbols = [new("vmlinux", "si_swapinfo", 0, true), new("ext4", "ext4_sops", 0, true)],
        LivepatchRelocations = [new("vmlinux", ".text", 1, true, true), new("ext4", ".text", 1, true, true)],
        Signatures = [new AppendedSignature
        {
            ContentLength = 1,
            Length = 1,
            Type = "PKCS#7",
            Signers = [new SignatureSigner
            {
                Issuer = "O=x, CN=publisher",
                Serial = "01",
                KeyringQuery = Query,
                Digest = "sha256",
                Algorithm = "rsa",
            }],
        }],
        Signature = new ModuleSignature(1, 1),
    };

    private static readonly HostFacts Host = new()
    {
        KernelRelease = "6.12.117+deb12-cloud-amd64",
        KernelVersion = "#1 SMP PREEMPT_DYNAMIC Debian",
        Architecture = "x86_64",
        Livepatch = true,
        ModulesDisabled = false,
        Lockdown = "integrity",
        SignaturesEnforced = false,
        Keys = new KeyringFacts(
            [new("publisher: 00ff", ".machine")],
            new Dictionary<string, string> { [Query] = ".secondary_trusted_keys" },
            true),
        FtraceEnabled = true,
        Modules = ["ext4", "printk"],
        LoadedModules = ["ext4"],
        InstalledModules = ["ext4", "xfs"],
        Symbols = new Dictionary<string, IReadOnlyDictionary<string, int>>
        {
            ["vmlinux"] = Names(
                "cmdline_proc_show",
                "show",
                "show",
                "inlined.isra.0",
                "split.cold",
                "si_swapinfo",
                "notrace",
                "module_layout",
                "klp_enable_patch",
                "seq_printf",
                "hidden",
                "__ksymtab_klp_enable_patch",
                "__ksymtab_seq_printf",
                "__x64_sys_delete_module",
                "arch_stack_walk_reliable"),
            ["ext4"] = Names("ext4_iget", "ext4_sops"),
        },
        Traceable = new Dictionary<string, IReadOnlyDictionary<string, int>>
        {
            ["vmlinux"] = Names("cmdline_proc_show", "show", "show"),
            ["ext4"] = Names("ext4_iget"),
        },
        Hooks = [],
        Probes = [],
        SymbolVersions = new Dictionary<string, uint>
        {
            ["module_layout"] = 1,
            ["klp_enable_patch"] = 2,
            ["seq_printf"] = 3,
        },
        SymbolNamespaces = new Dictionary<string, string> { ["dma_buf_put"] = "DMA_BUF" },
        MemoryAvailable = 500L << 20,
    };

    private sealed record Case(
        string Check,
        CheckOutcome Outcome,
        string Naming,
        Func<ModuleFacts, ModuleFacts>? Module = null,
        Func<HostFacts, HostFacts>? Host = null);

    private static readonly Case[] Cases =
    [
        new(
            "livepatch-support",
            CheckOutcome.Refused,
            "CONFIG_LIVEPATCH",
            Host: h => h with { Livepatch = false, Config = Options(("MODULES", "y")) }),
        new(
            "livepatch-support",
            CheckOutcome.Refused,
            "CONFIG_LIVEPATCH, which needs CONFIG_SYSFS, CONFIG_DYNAMIC_FTRACE too",
            Host: h => h with
            {
                Livepatch = false,
                Config = Options(("MODULES", "y"), ("KALLSYMS_ALL", "y"), ("HAVE_LIVEPATCH", "y")),
            }),
        new(
            "livepatch-support",
            CheckOutcome.Refused,
            "modules_disabled",
            Host: h => h with { ModulesDisabled = true }),
        new(
            "livepatch-support",
            CheckOutcome.CannotTell,
            "could be read",
            Host: h => h with { Livepatch = false, Symbols = null }),
        new("kernel-health", CheckOutcome.Warning, "oopsed", Host: h => h with { Taint = 1 << 7 }),
        new("kernel-health", CheckOutcome.Ok, "OK", Host: h => h with { Taint = (1 << 12) | (1 << 15) }),
        new(
            "system-state",
            CheckOutcome.Warning,
            "a shutdown",
            Host: h => h with { GoingDown = "a shutdown is scheduled" }),
        new("architecture", CheckOutcome.Refused, "aarch64", m => m with { Architecture = "aarch64" }),
        new(
            "vermagic",
            CheckOutcome.Refused,
            "\"SMP mod_unload modversions\"",
            m => m with { Vermagic = m.Vermagic.Replace("preempt ", "", StringComparison.Ordinal) }),
        new(
            "vermagic",
            CheckOutcome.Warning,
            "6.1.0",
            m => m with { Vermagic = m.Vermagic.Replace("6.12.117+deb12", "6.1.0", StringComparison.Ordinal) }),
        new(
            "vermagic",
            CheckOutcome.Refused,
            "6.1.0",
            m => m with
            {
                Vermagic = m.Vermagic.Replace("6.12.117+deb12", "6.1.0", StringComparison.Ordinal),
                SymbolVersions = null,
            }),
        new(
            "vermagic",
            CheckOutcome.Refused,
            "6.1.0",
            m => m with
            {
                Vermagic = m.Vermagic.Replace("6.12.117+deb12", "6.1.0", StringComparison.Ordinal),
                SymbolVersions = null,
                ExtendedSymbolVersions = m.SymbolVersions,
            }),
        new("vermagic", CheckOutcome.CannotTell, "not known", Host: h => h with { KernelVersion = null }),
        new(
            "vermagic",
            CheckOutcome.CannotTell,
            "not known",
            m => m with { Vermagic = m.Vermagic + "RANDSTRUCT_1234" },
            h => h with { Config = Options(("MODULES", "y"), ("RANDSTRUCT", "y")) }),
        new(
            "vermagic",
            CheckOutcome.CannotTell,
            "not known",
            m => m with { Vermagic = m.Vermagic + "RANDSTRUCT_1234" },
            h => h with { Config = null }),
        new("vermagic", CheckOutcome.Ok, "preempt_rt",
            Built("7.3.4+deb13-rt-amd64", "preempt_rt "), RealTime("7.3.4+deb13-rt-amd64")),
        new("vermagic", CheckOutcome.Refused, "this kernel with \"SMP preempt_rt mod_unload\"",
            Built("7.0.1", "preempt "), RealTime("7.0.1")),
        new("vermagic", CheckOutcome.Ok, "SMP preempt mod",
            Built("6.12.117+deb12-rt-amd64", "preempt "), RealTime("6.12.117+deb12-rt-amd64")),
        new("vermagic", CheckOutcome.Refused, "this kernel with \"SMP preempt mod_unload\"",
            Built("6.12.1", "preempt_rt "), RealTime("6.12.1")),
        new("vermagic", CheckOutcome.Ok, "preempt_rt", Built("6.13.0", "preempt_rt "), RealTime("6.13.0")),
        new("vermagic", CheckOutcome.Ok, "SMP preempt mod", Built("6.19.9", "preempt "), RealTime("6.19.9")),
        new("vermagic", CheckOutcome.Refused, "with \"SMP preempt mod_unload\" or \"SMP preempt_rt mod_unload\"",
            Built("6.19.9", ""), RealTime("6.19.9")),
        new("vermagic", CheckOutcome.Ok, "preempt_rt",
            Built("6.1.1", "preempt_rt "),
            h => h with
            {
                KernelRelease = "6.1.1",
                Config = Options(("SMP", "y"), ("PREEMPT_RT", "y"), ("MODULE_UNLOAD", "y")),
            }),
        new("vermagic", CheckOutcome.Ok, "SMP preempt mod", Built("6.12.1", "preempt "), RealTimeByName("6.12.1")),
        new("vermagic", CheckOutcome.Ok, "preempt_rt", Built("6.12.1", "preempt_rt "), RealTimeByName("6.12.1")),
        new("vermagic", CheckOutcome.Refused, "preempt_rt mod_unload\"", Built("6.12.1", ""), RealTimeByName("6.12.1")),
        new("vermagic", CheckOutcome.Ok, "preempt_rt", Built("7.3.4", "preempt_rt "), RealTimeByName("7.3.4")),
        new("vermagic", CheckOutcome.Refused, "\"SMP preempt_rt mod_unload\"",
            Built("7.3.4", "preempt "), RealTimeByName("7.3.4")),
        new("vermagic", CheckOutcome.Ok, "preempt_rt",
            Built("6.12.1", "preempt_rt "), Own("6.12.1", "SMP preempt_rt mod_unload ")),
        new("vermagic", CheckOutcome.Refused, "this kernel with \"SMP preempt_rt mod_unload\"",
            Built("6.12.1", "preempt "), Own("6.12.1", "SMP preempt_rt mod_unload ")),
        new("vermagic", CheckOutcome.Refused, "this kernel with \"SMP preempt mod_unload RANDSTRUCT_12\"",
            Built("6.12.1", "preempt "), Own("6.12.1", "SMP preempt mod_unload RANDSTRUCT_12")),
        new("vermagic", CheckOutcome.Ok, "RANDSTRUCT_12",
            m => m with { Vermagic = "6.12.1 SMP RANDSTRUCT_12" },
            h => Own("6.12.1", "SMP RANDSTRUCT_12")(h) with { Config = null }),
        new("vermagic", CheckOutcome.Ok, "SMP preempt mod",
            Built("6.12.1", "preempt "),
            h => RealTime("6.12.1")(h) with { Vermagic = "6.12.10 SMP preempt_rt mod_unload " }),
        new("module-signature", CheckOutcome.Refused, "locked down", m => m with { Signatures = [], Signature = null }),
        new(
            "module-signature",
            CheckOutcome.Refused,
            "sig_enforce",
            m => m with { Signatures = [], Signature = null },
            h => h with { Lockdown = "none", SignaturesEnforced = true }),
        new(
            "module-signature",
            CheckOutcome.Warning,
            "tainted",
            m => m with { Signatures = [], Signature = null },
            h => h with { Lockdown = "none" }),
        new(
            "module-signature",
            CheckOutcome.Refused,
            "bytes behind",
            m => m with { Signatures = [], Signature = null, BytesBehindSignature = 1 }),
        new("module-signature", CheckOutcome.Refused, "no key of publisher", Host: h => h with { Keys = Asked("") }),
        new(
            "module-signature",
            CheckOutcome.Warning,
            "no key of publisher",
            Host: h => h with { Keys = Asked(""), Lockdown = "none" }),
        new(
            "module-signature",
            CheckOutcome.Refused,
            "revoked",
            Host: h => h with { Keys = Asked(".blacklist"), Lockdown = "none" }),
        new(
            "module-signature",
            CheckOutcome.Refused,
            "this very file is revoked",
            m => m with { FileDigest = Digest },
            h => h with { Keys = Asked(".machine") with { Keys = [new("bin:" + Digest, ".blacklist")] } }),
        new(
            "module-signature",
            CheckOutcome.Refused,
            "this very file is revoked",
            m => m with { FileDigest = Digest },
            h => h with { Keys = new KeyringFacts([.. h.Keys!.Keys, new("bin:" + Digest, ".blacklist")]) }),
        new(
            "module-signature",
            CheckOutcome.Ok,
            ".machine",
            m => m with { FileDigest = Digest },
            h => h with
            {
                Keys = Asked(".machine") with
                {
                    Keys = [new("tbs:" + Digest, ".blacklist"), new("bin:" + Digest, ".machine")],
                },
            }),
        new(
            "module-signature",
            CheckOutcome.CannotTell,
            "in .platform alone",
            Host: h => h with { Keys = Asked(".platform") }),
        new(
            "module-signature",
            CheckOutcome.Warning,
            "in .platform alone",
            Host: h => h with { Keys = Asked(".platform"), Lockdown = "none" }),
        new(
            "module-signature",
            CheckOutcome.CannotTell,
            "in .platform alone",
            Host: h => h with { Keys = new KeyringFacts([new("publisher: 00ff", ".platform")]) }),
        new(
            "module-signature",
            CheckOutcome.Warning,
            "in .platform alone",
            Host: h => h with { Keys = new KeyringFacts([new("publisher: 00ff", ".platform")]), Lockdown = "none" }),
        new(
            "module-signature",
            CheckOutcome.Ok,
            ".machine",
            Host: h => h with
            {
                Keys = new KeyringFacts([new("publisher: 00ff", ".platform"), new("publisher: 00ff", ".machine")]),
            }),
        new(
            "module-signature",
            CheckOutcome.CannotTell,
            "trusted and revoked",
            Host: h => h with
            {
                Keys = new KeyringFacts([new("publisher: 00ff", ".blacklist"), new("publisher: 00ff", ".machine")]),
            }),
        new(
            "module-signature",
            CheckOutcome.Refused,
            "content of its own",
            m => m with { Signatures = [m.Signatures[0] with { Fault = "it holds content of its own" }] },
            h => h with { Lockdown = "none" }),
        new(
            "module-signature",
            CheckOutcome.Refused,
            "over attributes",
            m => m with
            {
                Signatures = [m.Signatures[0] with
                {
                    Signers = [m.Signatures[0].Signers[0] with { HasSignedAttributes = true }],
                }],
            },
            h => h with { Lockdown = "none" }),
        new(
            "module-signature",
            CheckOutcome.Ok,
            ".secondary_trusted_keys",
            m => m with
            {
                Signatures = [m.Signatures[0] with
                {
                    Signers = [.. Enumerable.Repeat(m.Signatures[0].Signers[0], 16)],
                    Fault = "it has more than 16 signers",
                }],
            }),
        new(
            "module-signature",
            CheckOutcome.Ok,
            "without CONFIG_MODULE_SIG",
            m => m with { Signatures = [], Signature = null },
            h => h with { Config = Options(("MODULES", "y")) }),
        new(
            "module-signature",
            CheckOutcome.Refused,
            "changed after",
            Host: h => h with { Keys = Asked(".machine", false), Lockdown = "none" }),
        new(
            "module-signature",
            CheckOutcome.CannotTell,
            "without the signer's certificate",
            Host: h => h with { Keys = Asked(".machine", null) }),
        new(
            "module-signature",
            CheckOutcome.Warning,
            "changed after",
            Host: h => h with { Keys = Asked("", false), Lockdown = "none" }),
        new(
            "module-signature",
            CheckOutcome.Ok,
            ".machine",
            Host: h => h with { Keys = new KeyringFacts(h.Keys!.Keys) }),
        new(
            "module-signature",
            CheckOutcome.CannotTell,
            "no key that",
            Host: h => h with { Keys = new KeyringFacts([new("somebody: 01")]) }),
        new(
            "module-signature",
            CheckOutcome.CannotTell,
            "no key that",
            Host: h => h with { Keys = new KeyringFacts([new("somebody: 01")]), Lockdown = "none" }),
        new("module-signature", CheckOutcome.CannotTell, "could not be read", Host: h => h with { Keys = null }),
        new(
            "module-signature",
            CheckOutcome.CannotTell,
            "could not be read",
            Host: h => h with { Keys = null, Lockdown = "none" }),
        new(
            "symbol-versions",
            CheckOutcome.Refused,
            "seq_printf",
            m => m with
            {
                SymbolVersions = [new("module_layout", 1), new("klp_enable_patch", 2), new("seq_printf", 4)],
            }),
        new(
            "symbol-versions",
            CheckOutcome.Refused,
            "module_layout",
            m => m with { SymbolVersions = [new("module_layout", 4)] }),
        new(
            "symbol-versions",
            CheckOutcome.Refused,
            "none for klp_enable_patch",
            m => m with { SymbolVersions = [new("module_layout", 1), new("seq_printf", 3)] }),
        new("symbol-versions", CheckOutcome.Refused, "by force", m => m with { SymbolVersions = null }),
        new(
            "symbol-versions",
            CheckOutcome.CannotTell,
            "none for klp_enable_patch",
            m => m with { SymbolVersions = [new("module_layout", 1), new("seq_printf", 3)] },
            h => h with { KernelVersion = "#1 SMP PREEMPT_DYNAMIC" }),
        new(
            "symbol-versions",
            CheckOutcome.Refused,
            "all of the kind that Linux 6.14 brought",
            m => m with { SymbolVersions = null, ExtendedSymbolVersions = m.SymbolVersions }),
        new("symbol-versions", CheckOutcome.Ok, "4 CRCs", LongName, LongNameOn("6.14.0-rc1")),
        new("symbol-versions", CheckOutcome.Ok, "4 CRCs", LongName, LongNameOn("7.0.3+deb14-amd64")),
        new("symbol-versions", CheckOutcome.Refused, $"none for {Long}", LongName, LongNameOn("6.13.12+deb13-amd64")),
        new(
            "symbol-versions",
            CheckOutcome.Refused,
            "another seq_printf",
            m => LongName(m) with
            {
                SymbolVersions = [new("module_layout", 1), new("klp_enable_patch", 2), new("seq_printf", 3)],
                ExtendedSymbolVersions = [new("seq_printf", 4)],
            },
            LongNameOn("6.14.0")),
        new(
            "symbol-versions",
            CheckOutcome.Ok,
            "3 CRCs",
            m => m with { ExtendedSymbolVersions = [new("seq_printf", 4)] }),
        new(
            "symbol-versions",
            CheckOutcome.Ok,
            "compares none",
            m => m with { SymbolVersions = null },
            h => h with { Config = Options(("MODULES", "y")) }),
        new(
            "symbol-versions",
            CheckOutcome.CannotTell,
            "could not be read",
            Host: h => h with { SymbolVersions = null }),
        new(
            "symbol-versions",
            CheckOutcome.Ok,
            "CONFIG_MODVERSIONS",
            Host: h => h with { Config = Options(("MODULES", "y")) }),
        new("module-name", CheckOutcome.Refused, "loaded already", m => m with { Name = "ext4" }),
        new(
            "module-name",
            CheckOutcome.Refused,
            "loaded already",
            Host: h => h with { Patches = [new("livepatch_two", true, false, true, [])] }),
        new(
            "module-name",
            CheckOutcome.Refused,
            "module_blacklist",
            Host: h => h with { BlockedModules = ["livepatch_two"] }),
        new("licence", CheckOutcome.Refused, "Proprietary", m => m with { Modinfo = [new("license", "Proprietary")] }),
        new("licence", CheckOutcome.Refused, "no licence", m => m with { Modinfo = [] }),
        new("needed-symbols", CheckOutcome.Refused, "no symbol nowhere", m => m with { NeededSymbols = ["nowhere"] }),
        new("needed-symbols", CheckOutcome.Refused, "does not export", m => m with { NeededSymbols = ["hidden"] }),
        new("needed-symbols", CheckOutcome.CannotTell, "could not be read", Host: h => h with { Symbols = null }),
        new(
            "symbol-namespaces",
            CheckOutcome.Refused,
            "seq_printf (SEQ)",
            Host: h => Spaced(h, "SEQ", ("MODULE_SIG", "y"))),
        new(
            "symbol-namespaces",
            CheckOutcome.Warning,
            "only notes it",
            Host: h => Spaced(h, "SEQ", ("MODULE_ALLOW_MISSING_NAMESPACE_IMPORTS", "y"))),
        new(
            "symbol-namespaces",
            CheckOutcome.CannotTell,
            "whether this kernel minds",
            Host: h => Spaced(h, "SEQ") with { Config = null }),
        new(
            "symbol-namespaces",
            CheckOutcome.Ok,
            "no symbol of",
            m => m with { Modinfo = [.. m.Modinfo, new("import_ns", "OTHER"), new("import_ns", "SEQ")] },
            h => Spaced(h, "SEQ")),
        new(
            "symbol-namespaces",
            CheckOutcome.Refused,
            "seq_printf (module:kvm,vfio-*)",
            Host: h => Spaced(h, "module:kvm,vfio-*")),
        new(
            "symbol-namespaces",
            CheckOutcome.Refused,
            "seq_printf (module:kvm)",
            Host: h => Spaced(h, "module:kvm", ("MODULE_ALLOW_MISSING_NAMESPACE_IMPORTS", "y"))),
        new("symbol-namespaces", CheckOutcome.Ok, "no symbol of", Host: h => Spaced(h, "module:kvm,livepatch-*")),
        new(
            "symbol-namespaces",
            CheckOutcome.CannotTell,
            "could not be read",
            Host: h => h with { SymbolNamespaces = null }),
        new("livepatch-marker", CheckOutcome.Refused, "does not say so", m => m with { IsLivepatch = false }),
        new(
            "livepatch-marker",
            CheckOutcome.Refused,
            "no livepatch",
            m => m with { IsLivepatch = false, NeededSymbols = [] }),
        new(
            "patched-objects",
            CheckOutcome.Ok,
            "xfs is not loaded",
            m => m with { Functions = [new("xfs", "xfs_iget")] }),
        new(
            "patched-objects",
            CheckOutcome.Warning,
            "fuse is built into",
            m => m with { Functions = [new("fuse", "f")] },
            h => h with { InstalledModules = ["fuse"], BuiltInModules = ["fuse"] }),
        new(
            "patched-objects",
            CheckOutcome.Warning,
            "nosuch is neither",
            m => m with { Functions = [new("nosuch", "f")] }),
        new(
            "patched-objects",
            CheckOutcome.CannotTell,
            "installed is not known",
            m => m with { Functions = [new("nosuch", "f")] },
            h => h with { InstalledModules = null }),
        new("patched-objects", CheckOutcome.Warning, "af-key", m => m with { Functions = [new("af-key", "f")] }),
        new(
            "patched-objects",
            CheckOutcome.Refused,
            "ext4 has the array",
            m => m with { TableFaults = [new(TableFaultKind.SharedFunctions, "ext4")] }),
        new(
            "patched-objects",
            CheckOutcome.Refused,
            "ext4 stands in",
            m => m with { TableFaults = [new(TableFaultKind.ObjectTwice, "ext4")] }),
        new(
            "patched-objects",
            CheckOutcome.Refused,
            "names vmlinux as a module",
            m => m with { TableFaults = [new(TableFaultKind.KernelByName, "vmlinux")] }),
        new(
            "patched-objects",
            CheckOutcome.Ok,
            "xfs is not loaded",
            m => m with { Functions = [], Callbacks = [new("xfs", CallbackMoment.PrePatch, "f")] }),
        new("patched-objects", CheckOutcome.CannotTell, "not visible", m => m with { Functions = [] }),
        new(
            "patched-functions",
            CheckOutcome.Refused,
            "inlined everywhere",
            m => m with { Functions = [new("vmlinux", "nowhere")] }),
        new(
            "patched-functions",
            CheckOutcome.Refused,
            "inlined.isra.0",
            m => m with { Functions = [new("vmlinux", "inlined")] }),
        new(
            "patched-functions",
            CheckOutcome.Refused,
            "only its part split.cold",
            m => m with { Functions = [new("vmlinux", "split")] }),
        new(
            "patched-functions",
            CheckOutcome.Refused,
            "ext4:nowhere",
            m => m with { Functions = [new("ext4", "nowhere")] }),
        new(
            "patched-functions",
            CheckOutcome.Refused,
            "twice",
            m => m with { Functions = [new("vmlinux", "cmdline_proc_show"), new("vmlinux", "cmdline_proc_show", 1)] }),
        new(
            "patched-functions",
            CheckOutcome.Refused,
            "no name of",
            m => m with { TableFaults = [new(TableFaultKind.FunctionWithoutName, "vmlinux")] }),
        new(
            "patched-functions",
            CheckOutcome.Refused,
            "no new code",
            m => m with { TableFaults = [new(TableFaultKind.FunctionWithoutCode, "vmlinux")] }),
        new("patched-functions", CheckOutcome.Refused, "the new code of ext4:ext4_iget",
            m => m with { TableFaults = [new(TableFaultKind.CodeWithoutSymbol, "ext4", "ext4_iget")] }),
        new("init-sections", CheckOutcome.Refused, "vmlinux: the new code of f in .init.text", m => m with
        {
            TableFaults = [new(TableFaultKind.FreedAfterInit, "vmlinux", "the new code of f in .init.text")],
        }),
        new("init-sections", CheckOutcome.CannotTell, "not visible", m => m with { Tables = null }),
        new("call-sites", CheckOutcome.Refused, ".text+0x8 is no call",
            m => m with { CallSiteFaults = [new(CallSiteFaultKind.NoCall, ".text+0x8")] }),
        new("call-sites", CheckOutcome.CannotTell, "2 of the places", m => m with { NoOpCallSites = 2 }),
        new("call-sites", CheckOutcome.CannotTell, "2 of the places", m => m with { NoOpCallSites = 2 },
            h => h with { Config = Options(("MODULES", "y")) }),
        new("call-sites", CheckOutcome.Refused, "expects calls", m => m with { NoOpCallSites = 2 },
            h => h with { Config = Options(("FTRACE_MCOUNT_USE_CC", "y"), ("HAVE_OBJTOOL_NOP_MCOUNT", "y")) }),
        new("call-sites", CheckOutcome.Refused, "expects calls", m => m with { NoOpCallSites = 2 },
            h => h with { Config = Options(("FTRACE_MCOUNT_USE_OBJTOOL", "y")) }),
        new("call-sites", CheckOutcome.Ok, "as in this kernel", m => m with { NoOpCallSites = 2 },
            h => h with { Config = Options(("FTRACE_MCOUNT_USE_OBJTOOL", "y"), ("HAVE_OBJTOOL_NOP_MCOUNT", "y")) }),
        new(
            "patched-functions",
            CheckOutcome.CannotTell,
            "nosuch:anything",
            m => m with { Functions = [new("nosuch", "anything")] }),
        new(
            "patched-functions",
            CheckOutcome.Ok,
            "1 function, all there",
            m => m with { Functions = [new("vmlinux", "cmdline_proc_show")] }),
        new(
            "patched-functions",
            CheckOutcome.Ok,
            "those of objects that are here",
            m => m with { Functions = [new("fuse", "f")] },
            h => h with { InstalledModules = ["fuse"], BuiltInModules = ["fuse"] }),
        new(
            "patched-functions",
            CheckOutcome.CannotTell,
            "xfs:anything",
            m => m with { Functions = [new("xfs", "anything")] }),
        new(
            "patched-functions",
            CheckOutcome.Ok,
            "all there",
            m => m with { Functions = [new("xfs", "xfs_iget")] },
            Installed),
        new(
            "patched-functions",
            CheckOutcome.Refused,
            "xfs:anything (inlined",
            m => m with { Functions = [new("xfs", "anything")] },
            Installed),
        new(
            "patched-functions",
            CheckOutcome.Refused,
            "made xfs_clone.isra.0 of it",
            m => m with { Functions = [new("xfs", "xfs_clone")] },
            Installed),
        new("patched-functions", CheckOutcome.CannotTell, "could not be read", Host: h => h with { Symbols = null }),
        new(
            "function-position",
            CheckOutcome.Refused,
            "2 functions show",
            m => m with { Functions = [new("vmlinux", "show")] }),
        new(
            "function-position",
            CheckOutcome.Refused,
            "no show number 3",
            m => m with { Functions = [new("vmlinux", "show", 3)] }),
        new(
            "function-position",
            CheckOutcome.Refused,
            "xfs has 2 functions xfs_twin",
            m => m with { Functions = [new("xfs", "xfs_twin")] },
            Installed),
        new(
            "function-position",
            CheckOutcome.Refused,
            "no xfs_iget number 2",
            m => m with { Functions = [new("xfs", "xfs_iget", 2)] },
            Installed),
        new(
            "function-position",
            CheckOutcome.CannotTell,
            "nosuch:f",
            m => m with { Functions = [new("vmlinux", "cmdline_proc_show"), new("nosuch", "f")] }),
        new("function-position", CheckOutcome.CannotTell, "xfs:f", m => m with { Functions = [new("xfs", "f")] }),
        new(
            "function-position",
            CheckOutcome.Ok,
            "distinguished from",
            m => m with { Functions = [new("fuse", "f")] },
            h => h with { InstalledModules = ["fuse"], BuiltInModules = ["fuse"] }),
        new(
            "function-position",
            CheckOutcome.Ok,
            "distinguished from",
            m => m with { Functions = [new("vmlinux", "show", 1)] }),
        new(
            "livepatch-relocations",
            CheckOutcome.Refused,
            "flag 0x100000",
            m => m with { RelocationFaults = [new(RelocationFaultKind.NotMarked, ".klp.rela.vmlinux..text", "", 1)] }),
        new(
            "livepatch-relocations",
            CheckOutcome.Refused,
            "changes no object xfs",
            m => m with { LivepatchRelocations = [new("xfs", ".text", 1, true, true)] }),
        new(
            "livepatch-relocations",
            CheckOutcome.Ok,
            "all sound",
            m => m with
            {
                Functions = [new("vmlinux", "show", 2)],
                Callbacks = [new("ext4", CallbackMoment.PrePatch, "f")],
            }),
        new("livepatch-relocations", CheckOutcome.CannotTell, "not visible", m => m with { Functions = [] }),
        new(
            "livepatch-symbols",
            CheckOutcome.Refused,
            "nowhere,0 is not there",
            m => m with { LivepatchSymbols = [new("vmlinux", "nowhere", 0, true)] }),
        new(
            "livepatch-symbols",
            CheckOutcome.Refused,
            "show,0 is ambiguous",
            m => m with { LivepatchSymbols = [new("vmlinux", "show", 0, true)] }),
        new(
            "livepatch-symbols",
            CheckOutcome.Refused,
            "beyond the last, number 2",
            m => m with { LivepatchSymbols = [new("vmlinux", "show", 3, true)] }),
        new(
            "livepatch-symbols",
            CheckOutcome.Refused,
            "not marked",
            m => m with { LivepatchSymbols = [new("vmlinux", "si_swapinfo", 0, false)] }),
        new(
            "livepatch-symbols",
            CheckOutcome.Refused,
            "malformed",
            m => m with { LivepatchSymbols = [new("", ".klp.sym.x", 0, true)] }),
        new(
            "livepatch-symbols",
            CheckOutcome.CannotTell,
            "vmlinux:si_swapinfo",
            m => m with { DynamicRelocations = [new("vmlinux", "si_swapinfo", 0)] }),
        new(
            "livepatch-symbols",
            CheckOutcome.CannotTell,
            "xfs:xfs_iget",
            m => m with { LivepatchSymbols = [new("xfs", "xfs_iget", 0, true)] }),
        new(
            "livepatch-symbols",
            CheckOutcome.Refused,
            "xfs:other,0 is not there",
            m => m with { LivepatchSymbols = [new("xfs", "other", 0, true)] },
            Installed),
        new(
            "livepatch-symbols",
            CheckOutcome.Refused,
            "xfs:xfs_twin,0 is ambiguous",
            m => m with { LivepatchSymbols = [new("xfs", "xfs_twin", 0, true)] },
            Installed),
        new(
            "livepatch-symbols",
            CheckOutcome.Ok,
            "all found",
            m => m with { LivepatchSymbols = [new("xfs", "xfs_iget", 0, true)] },
            Installed),
        new(
            "static-keys",
            CheckOutcome.Refused,
            "__jump_table",
            m => m with
            {
                RelocationFaults = [new(
                    RelocationFaultKind.ReadTooEarly, ".klp.rela.ext4.__jump_table", "__jump_table", 1)],
            }),
        new(
            "traceable-functions",
            CheckOutcome.Refused,
            "vmlinux:notrace",
            m => m with { Functions = [new("vmlinux", "notrace")] }),
        new(
            "traceable-functions",
            CheckOutcome.Refused,
            "xfs:xfs_notrace",
            m => m with { Functions = [new("xfs", "xfs_notrace")] },
            Installed),
        new(
            "traceable-functions",
            CheckOutcome.Ok,
            "can be traced",
            m => m with { Functions = [new("xfs", "xfs_iget")] },
            Installed),
        new(
            "traceable-functions",
            CheckOutcome.CannotTell,
            "only some",
            m => m with { Functions = [new("xfs", "xfs_twin", 1)] },
            Installed),
        new(
            "traceable-functions",
            CheckOutcome.CannotTell,
            "only some",
            Host: h => h with
            {
                Traceable = new Dictionary<string, IReadOnlyDictionary<string, int>>
                {
                    ["vmlinux"] = Names("cmdline_proc_show", "show"),
                    ["ext4"] = Names("ext4_iget"),
                },
            }),
        new("traceable-functions", CheckOutcome.Ok, "can be traced", Host: h => Half(h, false, true)),
        new("traceable-functions", CheckOutcome.Refused, "vmlinux:show,2", Host: h => Half(h, true, false)),
        new(
            "traceable-functions",
            CheckOutcome.CannotTell,
            "nosuch:f",
            m => m with { Functions = [new("vmlinux", "cmdline_proc_show"), new("nosuch", "f")] }),
        new("traceable-functions", CheckOutcome.CannotTell, "xfs:f", m => m with { Functions = [new("xfs", "f")] }),
        new(
            "traceable-functions",
            CheckOutcome.CannotTell,
            "could not be read",
            Host: h => h with { Traceable = null }),
        new(
            "function-hooks",
            CheckOutcome.Refused,
            "kprobe_ftrace_handler",
            Host: h => h with { Hooks = [new("vmlinux", "cmdline_proc_show", "RI", ["kprobe_ftrace_handler"])] }),
        new(
            "function-hooks",
            CheckOutcome.Ok,
            "nothing hangs",
            Host: h => h with { Hooks = [new("vmlinux", "cmdline_proc_show", "RI", ["klp_ftrace_handler"])] }),
        new(
            "function-hooks",
            CheckOutcome.Ok,
            "nothing hangs",
            Host: h => h with
            {
                Patches = [Older()],
                Hooks = [new("vmlinux", "cmdline_proc_show", "RI", ["arch_ftrace_ops_list_func"])],
            }),
        new(
            "function-hooks",
            CheckOutcome.Refused,
            "arch_ftrace_ops_list_func",
            Host: h => h with
            {
                Patches = [Older() with { Enabled = false }],
                Hooks = [new("vmlinux", "cmdline_proc_show", "RI", ["arch_ftrace_ops_list_func"])],
            }),
        new(
            "function-hooks",
            CheckOutcome.CannotTell,
            "one of several functions",
            Host: h => h with { Hooks = [new("vmlinux", "show", "RI", ["kprobe_ftrace_handler"])] }),
        new("function-hooks", CheckOutcome.Ok, "does not show", Host: h => h with { Probes = null }),
        new(
            "function-hooks",
            CheckOutcome.Warning,
            "cmdline_proc_show (kprobe)",
            Host: h => h with
            {
                Probes = null,
                Hooks = [new("vmlinux", "cmdline_proc_show", "R", ["kprobe_ftrace_handler"])],
            }),
        new(
            "function-hooks",
            CheckOutcome.Ok,
            "nothing hangs",
            Host: h => h with { Hooks = [new("xfs", "cmdline_proc_show", "RI", [])] }),
        new(
            "function-hooks",
            CheckOutcome.Warning,
            "BPF",
            Host: h => h with { Hooks = [new("vmlinux", "cmdline_proc_show", "D", [])] }),
        new(
            "function-hooks",
            CheckOutcome.Warning,
            "BPF",
            Host: h => h with { Hooks = [new("vmlinux", "cmdline_proc_show", "D", [], "bpf_trampoline_6442509")] }),
        new(
            "function-hooks",
            CheckOutcome.Refused,
            "by my_tramp",
            Host: h => h with { Hooks = [new("vmlinux", "cmdline_proc_show", "D", [], "my_tramp")] }),
        new(
            "function-hooks",
            CheckOutcome.Warning,
            "inside, at +0x10",
            Host: h => h with { Probes = [new("vmlinux", "cmdline_proc_show", 16, false)] }),
        new("function-hooks", CheckOutcome.CannotTell, "could not be read", Host: h => h with { Hooks = null }),
        new("ftrace-enabled", CheckOutcome.Refused, "is 0", Host: h => h with { FtraceEnabled = false }),
        new("ftrace-enabled", CheckOutcome.CannotTell, "could not be read", Host: h => h with { FtraceEnabled = null }),
        new(
            "patch-stack",
            CheckOutcome.CannotTell,
            "whether older has system states",
            Host: h => h with { Patches = [Older()] }),
        new(
            "patch-stack",
            CheckOutcome.Ok,
            "takes the place of older",
            Host: h => h with { Patches = [Older()], PatchStates = States() }),
        new(
            "patch-stack",
            CheckOutcome.Ok,
            "takes the place of older",
            m => m with { States = [new(1, 2)] },
            h => h with { Patches = [Older()], PatchStates = States(new SystemState(1, 2)) }),
        new(
            "patch-stack",
            CheckOutcome.Refused,
            "lacks system state 1",
            m => m with { States = [] },
            h => h with { Patches = [Older()], PatchStates = States(new SystemState(1, 2)) }),
        new(
            "patch-stack",
            CheckOutcome.Refused,
            "has version 1",
            m => m with { States = [new(1, 1)], Replace = false },
            h => h with { Patches = [Older()], PatchStates = States(new SystemState(1, 2)) }),
        new(
            "patch-stack",
            CheckOutcome.Warning,
            "cmdline_proc_show is changed by both",
            m => m with { Replace = false, States = [] },
            h => h with { Patches = [Older()] }),
        new(
            "patch-stack",
            CheckOutcome.Warning,
            "does not replace",
            m => m with { Replace = false, States = [] },
            h => h with { Patches = [Older()], PatchStates = States(new SystemState(1, 2)) }),
        new(
            "patch-stack",
            CheckOutcome.CannotTell,
            "whether older has system states",
            m => m with { Replace = false, States = [new(1, 2)] },
            h => h with { Patches = [Older()] }),
        new(
            "patch-stack",
            CheckOutcome.CannotTell,
            "whether it knows the system states of older",
            m => m with { States = null },
            h => h with { Patches = [Older()], PatchStates = States(new SystemState(1, 2)) }),
        new(
            "patch-stack",
            CheckOutcome.CannotTell,
            "whether it knows the system states of older",
            m => m with { Replace = null, States = [] },
            h => h with { Patches = [Older()], PatchStates = States(new SystemState(1, 2)) }),
        new(
            "patch-stack",
            CheckOutcome.Refused,
            "has version 1",
            m => m with { Replace = null, States = [new(1, 1)] },
            h => h with { Patches = [Older()], PatchStates = States(new SystemState(1, 2)) }),
        new(
            "patch-stack",
            CheckOutcome.Warning,
            "replaces or adds to it is not visible",
            m => m with { Replace = null },
            h => h with { Patches = [Older()], PatchStates = States() }),
        new(
            "patch-stack",
            CheckOutcome.Warning,
            "takes the place of older; with version 2.9 it is older than older 2.10",
            m => m with { Modinfo = Version("2.9") },
            h => h with { Patches = [Older()], PatchStates = States(), PatchVersions = Versions("2.10") }),
        new(
            "patch-stack",
            CheckOutcome.Ok,
            "takes the place of older; with version 2.10.1 it is newer than older 2.10",
            m => m with { Modinfo = Version("2.10.1") },
            h => h with { Patches = [Older()], PatchStates = States(), PatchVersions = Versions("2.10") }),
        new(
            "patch-stack",
            CheckOutcome.CannotTell,
            "it is older than older 2; whether older has",
            m => m with { Modinfo = Version("1") },
            h => h with { Patches = [Older()], PatchVersions = Versions("2") }),
        new(
            "patch-stack",
            CheckOutcome.Ok,
            "no other",
            Host: h => h with { Patches = [Older() with { Enabled = false }] }),
        new(
            "transition-running",
            CheckOutcome.Refused,
            "older is still running",
            Host: h => h with { Patches = [Older() with { Transition = true }] }),
        new(
            "reliable-stacks",
            CheckOutcome.Warning,
            "no reliable",
            Host: h => h with { Config = Options(("MODULES", "y")) }),
        new("reliable-stacks", CheckOutcome.CannotTell, "not known", Host: h => h with { Symbols = null }),
        new("memory", CheckOutcome.Refused, "3 MiB", Host: h => h with { MemoryAvailable = 3 << 20 }),
        new("memory", CheckOutcome.Warning, "30 MiB", Host: h => h with { MemoryAvailable = 30 << 20 }),
        new("memory", CheckOutcome.Refused, "wants 600 MiB", m => m with { LoadedSize = 600 << 20 }),
        new(
            "memory",
            CheckOutcome.Refused,
            "wants 2048 MiB",
            m => m with { LoadedSize = 2L << 30 },
            h => h with { MemoryAvailable = null }),
        new("memory", CheckOutcome.CannotTell, "could not be read", Host: h => h with { MemoryAvailable = null }),
    ];

    public static TheoryData<int, string> Rows()
    {
        var rows = new TheoryData<int, string>();
        for (var i = 0; i < Cases.Length; i++) rows.Add(i, $"{Cases[i].Check} {Cases[i].Outcome}: {Cases[i].Naming}");
        return rows;
    }

    [Theory]
    [MemberData(nameof(Rows))]
    public void Check_OfThisModuleAndHost_SaysThis(int row, string naming)
    {
        var (check, outcome, _, module, host) = Cases[row];
        var report = Preflight.Run(module?.Invoke(Module) ?? Module, host?.Invoke(Host) ?? Host);
        var finding = Assert.Single(report.Checks, c => c.Check == check);
        Assert.True(finding.Outcome == outcome, $"{naming}: {finding}");
        Assert.Contains(Cases[row].Naming, finding.Found, StringComparison.Ordinal);
        Assert.Equal(outcome == CheckOutcome.Ok, finding.Cure is null);
    }

    [Theory]
    [InlineData("2.10", "2.10.0")]
    [InlineData("1rc", "2")]
    [InlineData("1", "2-1")]
    [InlineData("1", ".")]
    [InlineData("1", "99999999999")]
    public void PatchStack_OfVersionsThatHaveNoOrder_SaysNothingOfAge(string mine, string loaded)
    {
        var report = Preflight.Run(
            Module with { Modinfo = Version(mine) },
            Host with { Patches = [Older()], PatchStates = States(), PatchVersions = Versions(loaded) });
        Assert.Equal("it takes the place of older", report.Checks.Single(c => c.Check == "patch-stack").Found);
    }

    [Fact]
    public void Run_OfAGoodModule_HasNothingAgainstIt()
    {
        var report = Preflight.Run(Module, Host);
        Assert.DoesNotContain(report.Checks, c => c.Outcome != CheckOutcome.Ok);
        Assert.Equal(CheckOutcome.Ok, report.Verdict);
        Assert.Null(Preflight.Refusal(report, out _));
    }

    [Fact]
    public void Run_OnAHostThatShowsNothing_RefusesNothing()
    {
        var report = Preflight.Run(
            Module,
            new HostFacts { KernelRelease = Host.KernelRelease, Architecture = Host.Architecture, Livepatch = true });
        Assert.Empty(report.Of(CheckOutcome.Refused));
        Assert.Equal(CheckOutcome.CannotTell, report.Verdict);
    }

    [Fact]
    public void Questions_AskForNeededSymbolsByTheirOwnNameToo()
    {
        var names = HostQuestions.Of(Module with { NeededSymbols = ["hidden"] }).Names;
        Assert.Contains("hidden", names);
        Assert.Contains("__ksymtab_hidden", names);
    }

    [Fact]
    public void Cases_HaveEachCheck() =>
        Assert.Empty(Preflight.Names.Except(Cases.Select(c => c.Check)).Except([Preflight.ModuleFormat]));

    [Theory]
    [InlineData(true, false, true)]
    [InlineData(true, true, false)]
    [InlineData(false, true, false)]
    public void Refusal_IsInPassing_WhenAllOfItPasses(bool moving, bool ftraceOff, bool inPassing)
    {
        var host = Host with
        {
            FtraceEnabled = !ftraceOff,
            Patches = moving ? [Older() with { Transition = true }] : [],
        };
        var problem = Preflight.Refusal(Preflight.Run(Module, host), out var passes);
        Assert.Equal(inPassing, passes);
        Assert.Equal(ProblemCode.PreflightRefused, problem!.Code);
        Assert.Contains(ftraceOff ? "ftrace-enabled" : "transition-running", problem.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Report_AsJson_IsWhatIsWrittenDown()
    {
        var report = new PreflightReport
        {
            Module = "m",
            Checks = [new("vermagic", CheckOutcome.Ok, "f"), new("memory", CheckOutcome.CannotTell, "f", "c")],
        };
        var json = System.Text.Json.JsonSerializer.Serialize(report, PreflightJson.Readable.PreflightReport);
        const string checks = """
            {"check":"vermagic","outcome":"ok","found":"f"},
            {"check":"memory","outcome":"cannot-tell","found":"f","cure":"c"}
            """;
        const string head = """{"schema":1,"verdict":"cannot-tell","module":"m","checks":[""";
        Assert.Equal(head + checks.ReplaceLineEndings("") + "]}", json);
        Assert.Equal(
            report.Checks,
            System.Text.Json.JsonSerializer.Deserialize(json, PreflightJson.Default.PreflightReport)!.Checks);
    }

    [Fact]
    public void Facts_AsJson_AnswerAsTheHostItself()
    {
        var json = System.Text.Json.JsonSerializer.SerializeToUtf8Bytes(Host, PreflightJson.Readable.HostFacts);
        var read = PreflightJson.ReadFacts(json, "host.json").Value;
        Assert.Equal(Preflight.Run(Module, Host).Checks, Preflight.Run(Module, read).Checks);
    }

    [Theory]
    [InlineData("")]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("""{"schema":2,"kernelRelease":"r","architecture":"a"}""")]
    [InlineData("""{"schema":1,"architecture":"a"}""")]
    [InlineData("""{"schema":1,"kernelRelease":"r","architecture":"a","hooks":[null]}""")]
    [InlineData("""{"schema":1,"kernelRelease":"r","architecture":"a","symbols":{"vmlinux":null}}""")]
    [InlineData("""{"schema":1,"kernelRelease":"r","architecture":"a","installedTraceable":{"xfs":null}}""")]
    [InlineData("""{"schema":1,"kernelRelease":"r","architecture":"a","builtInModules":[null]}""")]
    [InlineData("""{"schema":1,"kernelRelease":"r","architecture":"a","patchStates":{"older":null}}""")]
    public void Facts_OfAnotherKind_AreAProblem(string json) =>
        Assert.Equal(
            ProblemCode.RequestInvalid,
            PreflightJson.ReadFacts(System.Text.Encoding.UTF8.GetBytes(json), "host.json").Problem?.Code);

    /// <summary>
    /// A symbol whose name has no room in a row of __versions: its CRC stands in the other section alone.
    /// </summary>
    private static readonly string Long = new('x', 60);

    private static ModuleFacts LongName(ModuleFacts module) =>
        module with
        {
            NeededSymbols = [.. module.NeededSymbols, Long],
            ExtendedSymbolVersions = [.. module.SymbolVersions!, new(Long, 5)],
        };

    private static Func<HostFacts, HostFacts> LongNameOn(string release) =>
        host => host with
        {
            KernelRelease = release,
            SymbolVersions = new Dictionary<string, uint>(host.SymbolVersions!) { [Long] = 5 },
        };

    private static readonly string[] RealTimeOptions =
        ["MODULES", "SMP", "PREEMPT_BUILD", "PREEMPT_RT", "MODULE_UNLOAD"];

    private static Func<ModuleFacts, ModuleFacts> Built(string release, string preempt) =>
        module => module with { Vermagic = $"{release} SMP {preempt}mod_unload " };

    /// <summary>Debian's real-time kernels have both options; which of them counts changed after 6.12.</summary>
    private static Func<HostFacts, HostFacts> RealTime(string release) => host => host with
    {
        KernelRelease = release,
        Config = RealTimeOptions.ToDictionary(o => o, _ => "y"),
    };

    /// <summary>One whose own text is known: it counts, whatever its options say.</summary>
    private static Func<HostFacts, HostFacts> Own(string release, string options) =>
        host => RealTime(release)(host) with { Vermagic = $"{release} {options}" };

    /// <summary>One whose options are not known.</summary>
    private static Func<HostFacts, HostFacts> RealTimeByName(string release) => host => host with
    {
        KernelRelease = release,
        KernelVersion = "#1 SMP PREEMPT_RT Debian",
        Symbols = new Dictionary<string, IReadOnlyDictionary<string, int>>
        {
            ["vmlinux"] = Names("__x64_sys_delete_module"),
        },
    };

    private static KeyValuePair<string, string>[] Version(string version) => [new("version", version)];

    private static Dictionary<string, string> Versions(string version) => new() { ["older"] = version };

    private static Dictionary<string, IReadOnlyList<SystemState>> States(params SystemState[] states) =>
        new() { ["older"] = states };

    /// <summary>A module that is not loaded, as its file has it.</summary>
    private static HostFacts Installed(HostFacts host) => host with
    {
        InstalledSymbols = new Dictionary<string, IReadOnlyDictionary<string, int>>
        {
            ["xfs"] = Names("xfs_iget", "xfs_twin", "xfs_twin", "xfs_notrace", "xfs_clone.isra.0"),
        },
        InstalledTraceable = new Dictionary<string, IReadOnlyDictionary<string, int>>
        {
            ["xfs"] = Names("xfs_iget", "xfs_twin"),
        },
    };

    private static HostFacts Spaced(HostFacts host, string space, params (string, string)[] options) =>
        host with
        {
            SymbolNamespaces = new Dictionary<string, string> { ["seq_printf"] = space, ["other"] = "OTHER" },
            Config = Options([("MODULES", "y"), .. options]),
        };

    /// <summary>Of the two functions called show one can be traced.</summary>
    private static HostFacts Half(HostFacts host, params bool[] each) => host with
    {
        Traceable = new Dictionary<string, IReadOnlyDictionary<string, int>>
        {
            ["vmlinux"] = Names("cmdline_proc_show", "show"),
            ["ext4"] = Names("ext4_iget"),
        },
        TraceableInOrder = new Dictionary<(string, string), IReadOnlyList<bool>> { [("vmlinux", "show")] = each },
    };

    private static LoadedPatch Older() => new("older", true, false, true, [new("vmlinux", "cmdline_proc_show", 1)]);

    private static KeyringFacts Asked(string ring, bool? holds = true) =>
        new([], new Dictionary<string, string> { [Query] = ring }, holds);

    private static Dictionary<string, string> Options(params (string, string)[] options) =>
        options.ToDictionary(o => o.Item1, o => o.Item2);

    private static Dictionary<string, int> Names(params string[] names) =>
        names.GroupBy(n => n).ToDictionary(g => g.Key, g => g.Count());
}
