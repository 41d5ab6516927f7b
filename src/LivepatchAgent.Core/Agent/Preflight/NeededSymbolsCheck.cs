using LivepatchAgent.Core.Modules;

namespace LivepatchAgent.Core.Agent;

/// <summary>Every ordinary undefined symbol must be exported by the kernel or by a module that is loaded.</summary>
internal static class NeededSymbolsCheck
{
    public static CheckResult Run(ModuleFacts module, HostFacts host)
    {
        if (module.NeededSymbols.Count == 0) return CheckResult.Ok("it needs none");
        if (host.Symbols is null) return CheckResult.NoSymbols;
        var showsExports = KernelFeatures.ShowsExports(host);
        List<string> missing = [], unexported = [];
        foreach (var name in module.NeededSymbols)
        {
            // livepatch-symbols reports these.
            if (name.StartsWith(".klp.", StringComparison.Ordinal)) continue;
            if (IsIn(host, HostQuestions.ExportPrefix + name)) continue;
            if (!IsIn(host, name)) missing.Add(name);
            else if (showsExports) unexported.Add(name);
        }

        if (missing.Count > 0)
        {
            var first = Depends(module) is { } needed ? $"load {needed} first, or " : "";
            return CheckResult.Refused(
                $"this kernel has no symbol {Listing.Of(missing)}",
                $"{first}build it against exactly this kernel");
        }

        if (unexported.Count > 0)
        {
            return CheckResult.Refused(
                $"this kernel has {Listing.Of(unexported)} and does not export it",
                "make it a livepatch symbol (.klp.sym.OBJECT.NAME,POSITION), as klp-convert and kpatch-build do");
        }

        var found = showsExports ? "exported" : "there";
        return CheckResult.Ok($"{Listing.Count(module.NeededSymbols.Count, "symbol")}, all {found}");
    }

    private static bool IsIn(HostFacts host, string name) => host.Symbols!.Values.Any(names => names.ContainsKey(name));

    private static string? Depends(ModuleFacts module)
    {
        var depends = module.Modinfo.FirstOrDefault(m => m.Key == "depends").Value;
        return depends is { Length: > 0 } ? depends : null;
    }
}
