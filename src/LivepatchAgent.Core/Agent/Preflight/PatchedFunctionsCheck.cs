using LivepatchAgent.Core.Modules;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Core.Agent;

/// <summary>
/// Each function that is patched is in its object's symbol table, and is patched once. Of a module that is not loaded
/// the kernel looks when it comes, and refuses that module then: its file is asked before.
/// </summary>
internal static class PatchedFunctionsCheck
{
    /// <summary>The cure where a module that is not loaded would have to be looked at.</summary>
    public const string Install =
        "nothing, if this host never uses that module; else run it on the host itself, "
        + "with that module installed or loaded (for `--host`: `livepatch-agent facts --object NAME`)";

    public static CheckResult Run(ModuleFacts module, HostFacts host)
    {
        if (FaultyTables(module) is { } faulty) return faulty;
        if (module.Functions.Count == 0)
            return CheckResult.CannotTell("which functions it patches is not visible in the file", "ask its author");
        // Position 0 and 1 make the same directory in sysfs.
        var same = module.Functions.GroupBy(f => (f.Object, f.Name, Math.Max(1, f.Position)));
        if (same.FirstOrDefault(g => g.Count() > 1)?.Key is var (owner, name, _))
            return CheckResult.Refused($"it patches {owner}:{name} twice", "leave one of the two in its tables");
        return host.Symbols is null ? CheckResult.NoSymbols : LookedUp(module, host);
    }

    private static CheckResult? FaultyTables(ModuleFacts module)
    {
        var half = module.TableFaults.FirstOrDefault(f =>
            f.Kind is TableFaultKind.FunctionWithoutName or TableFaultKind.FunctionWithoutCode);
        if (half is not null)
        {
            var what = half.Kind == TableFaultKind.FunctionWithoutName
                ? "new code and no name of what it replaces"
                : "a name and no new code";
            return CheckResult.Refused(
                $"an entry for {half.Object} has {what}",
                "correct the patch's tables (klp_func.old_name, new_func)");
        }

        var unnamed = Unnamed(module);
        if (unnamed.Count == 0) return null;
        return CheckResult.Refused(
            $"no symbol names the new code of {Listing.Of(unnamed)}: the kernel looks its size up by that",
            "take debug information off with `strip -g`; `strip` and `strip --strip-unneeded` take such names too");
    }

    private static CheckResult LookedUp(ModuleFacts module, HostFacts host)
    {
        List<string> missing = [], unknown = [];
        foreach (var function in module.Functions)
        {
            switch (host.CountOf(function.Object, function.Name))
            {
                case null when host.IsLoaded(function.Object) != false || host.IsUnknown(function.Object):
                    unknown.Add($"{function.Object}:{function.Name}");
                    break;
                case 0:
                    missing.Add($"{function.Object}:{function.Name}{Explain(host, function)}");
                    break;
                default:
                    break;
            }
        }

        if (missing.Count > 0)
        {
            return CheckResult.Refused(
                $"no such function: {Listing.Of(missing)}",
                "patch the functions that it was inlined into, or the clone by its own name; "
                + "check with `grep NAME /proc/kallsyms`");
        }

        if (unknown.Count > 0)
            return CheckResult.CannotTell($"whether {Listing.Of(unknown)} exists is not known", Install);
        var areAllKnown = module.Functions.All(f => host.CountOf(f.Object, f.Name) is not null);
        var found = areAllKnown ? "all there" : "those of objects that are here are there";
        return CheckResult.Ok($"{Listing.Count(module.Functions.Count, "function")}, {found}");
    }

    private static List<string> Unnamed(ModuleFacts module)
    {
        var faults = module.TableFaults.Where(f => f.Kind == TableFaultKind.CodeWithoutSymbol);
        return [.. faults.Select(f => $"{f.Object}:{f.Detail}")];
    }

    /// <summary>
    /// A compiler that changes a function's arguments or splits it gives what is left a name of its own.
    /// </summary>
    private static string Explain(HostFacts host, PatchedFunction function)
    {
        var names = HostFacts.Names(host.Symbols, function.Object)
            ?? HostFacts.Names(host.InstalledSymbols, function.Object);
        var prefix = function.Name + ".";
        var own = names?.Keys.Where(n => n.StartsWith(prefix, StringComparison.Ordinal)) ?? [];
        var clones = own.Order(StringComparer.Ordinal).ToList();
        var whole = clones.Where(IsWhole).ToList();
        if (whole.Count > 0) return $" (the compiler made {Listing.Of(whole)} of it)";
        return clones.Count > 0
            ? $" (only its part {Listing.Of(clones)}; the rest was inlined)"
            : " (inlined everywhere, or not in this kernel)";
    }

    /// <summary>The clone has all of the function's code; other suffixes name a part of it.</summary>
    private static bool IsWhole(string clone) =>
        clone.Contains(".isra.", StringComparison.Ordinal) || clone.Contains(".constprop.", StringComparison.Ordinal);
}
