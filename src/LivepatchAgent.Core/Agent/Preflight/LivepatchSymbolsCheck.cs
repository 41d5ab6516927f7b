using LivepatchAgent.Core.Modules;

namespace LivepatchAgent.Core.Agent;

/// <summary>
/// The symbols that the kernel's livepatch code looks up itself. Those of vmlinux and of loaded modules it looks for as
/// the patch loads; those of a module that comes later it looks for then, and refuses that module when it does not find
/// them.
/// </summary>
internal static class LivepatchSymbolsCheck
{
    public static CheckResult Run(ModuleFacts module, HostFacts host)
    {
        // Made for kernels before 4.7, which had no livepatch symbols: its own code or kpatch's module looks these up.
        if (module.DynamicRelocations is { Count: > 0 } own)
        {
            var lookedUp = Listing.Of([.. own.Select(r => $"{r.Object}:{r.Symbol}")]);
            return CheckResult.CannotTell(
                $"its own code looks up {lookedUp} (.kpatch.dynrelas)",
                "build it again with a current kpatch-build");
        }

        if (module.LivepatchSymbols.Count == 0) return CheckResult.Ok("it has none");
        return Malformed(module.LivepatchSymbols) ?? LookedUp(module.LivepatchSymbols, host);
    }

    private static CheckResult? Malformed(IReadOnlyList<LivepatchSymbol> symbols)
    {
        var unmarked = symbols.Where(s => !s.IsMarked).Select(s => s.Name).ToList();
        if (unmarked.Count > 0)
        {
            return CheckResult.Refused(
                $"not marked as livepatch symbols: {Listing.Of(unmarked)}",
                "set their section index to SHN_LIVEPATCH (0xff20)");
        }

        var malformed = symbols.Where(s => s.Object.Length == 0).Select(s => s.Name).ToList();
        if (malformed.Count == 0) return null;
        return CheckResult.Refused($"malformed: {Listing.Of(malformed)}", "name it .klp.sym.OBJECT.NAME,POSITION");
    }

    private static CheckResult LookedUp(IReadOnlyList<LivepatchSymbol> symbols, HostFacts host)
    {
        if (host.Symbols is null) return CheckResult.NoSymbols;
        List<string> faults = [], unknown = [];
        foreach (var symbol in symbols)
        {
            var name = $"{symbol.Object}:{symbol.Name},{symbol.Position}";
            var count = host.CountOf(symbol.Object, symbol.Name);
            if (count is null) unknown.Add(name);
            else if (Fault(symbol.Position, count.Value) is { } fault) faults.Add($"{name} {fault}");
        }

        if (faults.Count > 0)
        {
            return CheckResult.Refused(
                Listing.Of(faults),
                "build it against exactly this kernel; positions count in the order of /proc/kallsyms "
                + "(of a module: of its own symbol table)");
        }

        return unknown.Count > 0
            ? CheckResult.CannotTell(
                $"of modules that are not here to be looked at: {Listing.Of(unknown)}",
                "install or load that module, then ask again (for `--host`: `livepatch-agent facts --object NAME`): "
                + "with a wrong symbol it could not be loaded any more")
            : CheckResult.Ok($"{symbols.Count} symbols, all found");
    }

    private static string? Fault(long position, int count) => count switch
    {
        0 => "is not there",
        > 1 when position == 0 => "is ambiguous",
        _ when position > count => $"is beyond the last, number {count}",
        _ => null,
    };
}
