using LivepatchAgent.Core.Modules;

namespace LivepatchAgent.Core.Agent;

/// <summary>
/// With CONFIG_MODVERSIONS each exported symbol has a CRC of its type; a module's must be the kernel's.
/// </summary>
internal static class SymbolVersionsCheck
{
    private const string Rebuild = "build it against the headers of exactly this kernel";

    /// <summary>Every module was built against this one: it stands for struct module and its like.</summary>
    private const string Layout = "module_layout";

    public static CheckResult Run(ModuleFacts module, HostFacts host)
    {
        switch (KernelFeatures.HasModuleVersions(host))
        {
            case null:
                return CheckResult.CannotTell("whether this kernel compares CRCs is not known", CheckResult.AsRoot);
            case false:
                return CheckResult.Ok("this kernel was built without CONFIG_MODVERSIONS and compares none");
            default:
                break;
        }

        if (KernelFeatures.Versions(module, host) is not { } versions) return WithoutVersions(module);
        if (host.SymbolVersions is not { } own)
        {
            return CheckResult.CannotTell(
                "the kernel's CRCs could not be read",
                "run it on the host itself, as root, with livepatch-agentd of this version");
        }

        return Compared(module, host, versions, own);
    }

    private static CheckResult WithoutVersions(ModuleFacts module)
    {
        var why = module.ExtendedSymbolVersions is null
            ? "it was built without CRCs"
            : "its CRCs are all of the kind that Linux 6.14 brought";
        return CheckResult.Refused(
            $"{why}: this kernel refuses it, or takes it by force and is tainted (F) "
            + "(CONFIG_MODVERSIONS, CONFIG_MODULE_FORCE_LOAD)",
            Rebuild);
    }

    private static CheckResult Compared(
        ModuleFacts module,
        HostFacts host,
        IReadOnlyList<SymbolVersion> versions,
        IReadOnlyDictionary<string, uint> own)
    {
        var needed = module.NeededSymbols.Append(Layout).ToHashSet();
        List<string> wrong = [], unknown = [];
        foreach (var version in versions)
        {
            if (!needed.Remove(version.Name)) continue;
            if (!own.TryGetValue(version.Name, out var crc)) unknown.Add(version.Name);
            else if (crc != version.Crc) wrong.Add(version.Name);
        }

        if (wrong.Count > 0) return CheckResult.Refused($"built against another {Listing.Of(wrong)}", Rebuild);
        if (needed.Count > 0)
        {
            var without = $"it has CRCs, and none for {Listing.Of(needed)}";
            return KernelFeatures.InsistsOnVersions(host)
                ? CheckResult.Refused(without, Rebuild)
                : CheckResult.CannotTell($"{without}, which this kernel then takes unseen", Rebuild);
        }

        return unknown.Count > 0
            ? CheckResult.CannotTell($"this kernel's CRC is not known of {Listing.Of(unknown)}", Rebuild)
            : CheckResult.Ok($"{versions.Count} CRCs, all the kernel's own");
    }
}
