using LivepatchAgent.Core.Modules;

namespace LivepatchAgent.Core.Agent;

/// <summary>
/// An export that stands in a namespace is given to modules that name it (MODULE_IMPORT_NS); one in a namespace
/// <c>module:NAME,OTHER*</c> to the modules that it names (verify_namespace_is_imported()).
/// </summary>
internal static class SymbolNamespacesCheck
{
    private const string Prefix = "module:";

    public static CheckResult Run(ModuleFacts module, HostFacts host)
    {
        if (module.NeededSymbols.Count == 0) return CheckResult.Ok("it needs no symbols");
        if (host.SymbolNamespaces is null)
        {
            return CheckResult.CannotTell(
                "the namespaces of the kernel's symbols could not be read",
                "run it on the host itself, as root, with livepatch-agentd of this version");
        }

        var imported = module.Modinfo.Where(m => m.Key == "import_ns").Select(m => m.Value).ToHashSet();
        List<string> missing = [], reserved = [];
        foreach (var name in module.NeededSymbols)
        {
            if (!host.SymbolNamespaces.TryGetValue(name, out var space) || imported.Contains(space)) continue;
            var isReserved = space.StartsWith(Prefix, StringComparison.Ordinal);
            if (isReserved && Names(space, module.Name)) continue;
            (isReserved ? reserved : missing).Add($"{name} ({space})");
        }

        if (reserved.Count == 0 && missing.Count == 0)
            return CheckResult.Ok("no symbol of a namespace that it does not import");
        var found = $"it uses symbols of namespaces that it does not import: {Listing.Of([.. missing, .. reserved])}";
        var cure = missing.Count > 0
            ? "add MODULE_IMPORT_NS to its source"
            : "make it a livepatch symbol (.klp.sym.OBJECT.NAME,POSITION), as klp-convert and kpatch-build do";
        return host.Option("MODULE_ALLOW_MISSING_NAMESPACE_IMPORTS") switch
        {
            null => CheckResult.CannotTell($"{found}; whether this kernel minds is not known", cure),
            "y" when reserved.Count == 0 => CheckResult.Warning($"{found}; this kernel only notes it in its log", cure),
            _ => CheckResult.Refused(found, cure),
        };
    }

    private static bool Names(string space, string module) =>
        space[Prefix.Length..].Split(',').Any(p => Fits(p, module));

    /// <summary>A name, or how names begin; in names of modules - and _ are the same.</summary>
    private static bool Fits(string pattern, string name)
    {
        pattern = pattern.Replace('-', '_');
        name = name.Replace('-', '_');
        return pattern.EndsWith('*') ? name.StartsWith(pattern[..^1], StringComparison.Ordinal) : pattern == name;
    }
}
