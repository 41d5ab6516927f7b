using LivepatchAgent.Core.Modules;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Core.Agent;

/// <summary>
/// Each function that is patched is in its object's symbol table, and is patched once. Of a module that is not loaded the
/// kernel looks when it comes, and refuses that module then: its file is asked before.
/// </summary>
internal static class PatchedFunctionsCheck
{
    /// <summary>What tells of a module that is not loaded.</summary>
    public const string Install = "nothing, if this host never uses that module; else run it on the host itself, with that module installed or loaded (for `--host`: `livepatch-agent facts --object NAME`)";

    public static CheckResult Run(ModuleFacts module, HostFacts host)
    {
        if (module.TableFaults.FirstOrDefault(f => f.Kind is TableFaultKind.FunctionWithoutName or TableFaultKind.FunctionWithoutCode) is { } fault)
            return CheckResult.Refused($"an entry for {fault.Object} has {(fault.Kind == TableFaultKind.FunctionWithoutName ? "new code and no name of what it replaces" : "a name and no new code")}", "correct the patch's tables (klp_func.old_name, new_func)");
        if (Unnamed(module) is { Count: > 0 } unnamed)
        {
            return CheckResult.Refused(
                $"no symbol names the new code of {Listing.Of(unnamed)}: the kernel looks its size up by that",
                "take debug information off with `strip -g`; `strip` and `strip --strip-unneeded` take such names too");
        }

        if (module.Functions.Count == 0)
            return CheckResult.CannotTell("which functions it patches is not visible in the file", "ask its author");
        // Position 0 and 1 make the same directory in sysfs.
        var twice = module.Functions.GroupBy(f => (f.Object, f.Name, Math.Max(1, f.Position))).FirstOrDefault(g => g.Count() > 1);
        if (twice is not null) return CheckResult.Refused($"it patches {twice.Key.Object}:{twice.Key.Name} twice", "leave one of the two in its tables");
        if (host.Symbols is null) return CheckResult.CannotTell("the kernel's symbols could not be read", "run it on the host itself, as root");
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

        if (missing.Count > 0) return CheckResult.Refused($"no such function: {Listing.Of(missing)}", "patch the functions that it was inlined into, or the clone by its own name; check with `grep NAME /proc/kallsyms`");
        if (unknown.Count > 0) return CheckResult.CannotTell($"whether {Listing.Of(unknown)} exists is not known", Install);
        return CheckResult.Ok($"{Listing.Count(module.Functions.Count, "function")}, {(module.Functions.All(f => host.CountOf(f.Object, f.Name) is not null) ? "all there" : "those of objects that are here are there")}");
    }

    private static List<string> Unnamed(ModuleFacts module)
    {
        var faults = module.TableFaults.Where(f => f.Kind == TableFaultKind.CodeWithoutSymbol);
        return [.. faults.Select(f => $"{f.Object}:{f.Detail}")];
    }

    /// <summary>A compiler that changes a function's arguments or splits it gives what is left a name of its own.</summary>
    private static string Explain(HostFacts host, PatchedFunction function)
    {
        var names = HostFacts.Names(host.Symbols, function.Object) ?? HostFacts.Names(host.InstalledSymbols, function.Object);
        var clones = names is null ? [] : names.Keys.Where(n => n.StartsWith(function.Name + ".", StringComparison.Ordinal)).Order(StringComparer.Ordinal).ToList();
        var whole = clones.Where(c => c.Contains(".isra.", StringComparison.Ordinal) || c.Contains(".constprop.", StringComparison.Ordinal)).ToList();
        return whole.Count > 0 ? $" (the compiler made {Listing.Of(whole)} of it)"
            : clones.Count > 0 ? $" (only its part {Listing.Of(clones)}; the rest was inlined)"
            : " (inlined everywhere, or not in this kernel)";
    }
}
