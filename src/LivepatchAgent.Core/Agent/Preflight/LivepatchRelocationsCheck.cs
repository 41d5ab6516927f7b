using LivepatchAgent.Core.Modules;

namespace LivepatchAgent.Core.Agent;

/// <summary>
/// Relocations as the kernel would apply them. Most faults here it does not look for: it says that the module is loaded
/// and crashes at the first call.
/// </summary>
internal static class LivepatchRelocationsCheck
{
    public static CheckResult Run(ModuleFacts module, HostFacts host)
    {
        var early = RelocationFaultKind.ReadTooEarly;
        var faults = module.RelocationFaults.Where(f => f.Kind != early).Select(Words).ToList();
        var patched = module.Functions.Select(f => f.Object).Concat(module.Callbacks.Select(c => c.Object)).ToHashSet();
        foreach (var section in module.LivepatchRelocations)
        {
            var owner = section.Object;
            if (owner is "vmlinux" or "" || patched.Count == 0 || patched.Contains(owner)) continue;
            var name = $".klp.rela.{owner}{section.Section}";
            faults.Add($"{name}: the patch changes no object {owner}, so these are never applied");
        }

        if (faults.Count > 0)
        {
            return CheckResult.Refused(
                Listing.Of(faults),
                "build the module again with a tool that knows livepatch relocations, and strip nothing afterwards: "
                + "the kernel would load it and crash");
        }

        if (patched.Count == 0 && module.LivepatchRelocations.Any(r => r.Object != "vmlinux"))
        {
            return CheckResult.CannotTell(
                "it has relocations for modules, and which objects it patches is not visible in the file",
                "ask its author");
        }

        var sections = module.LivepatchRelocations;
        return CheckResult.Ok(sections.Count == 0
            ? "none; the ordinary ones are sound"
            : $"{sections.Sum(r => r.Count)} in {sections.Count} sections, all sound");
    }

    private static string Words(RelocationFault fault)
    {
        var detail = fault.Detail.Length > 0 ? $" ({fault.Detail})" : "";
        return $"{fault.Section}: {Words(fault.Kind)}{detail}";
    }

    private static string Words(RelocationFaultKind kind) => kind switch
    {
        RelocationFaultKind.NameMalformed => "is not named .klp.rela.OBJECT.SECTION",
        RelocationFaultKind.NotMarked => "is not marked as livepatch relocations (flag 0x100000)",
        RelocationFaultKind.NotAllocated => "is not kept in memory for the module that it is for (SHF_ALLOC)",
        RelocationFaultKind.TargetMissing => "changes no section that is loaded",
        RelocationFaultKind.EntriesMalformed => "has a size that is no multiple of an entry's",
        RelocationFaultKind.SymbolOutOfRange => "names a symbol that does not exist",
        RelocationFaultKind.SymbolNotLivepatch => "names a symbol that is no livepatch symbol",
        RelocationFaultKind.SymbolNameMalformed => "names a symbol that is not called .klp.sym.OBJECT.NAME,POSITION",
        RelocationFaultKind.KernelSymbolInModuleSection =>
            "names a symbol of vmlinux for a module, which could not be loaded any more",
        RelocationFaultKind.SymbolOfOtherObject =>
            "names a symbol of a module, which nothing keeps loaded, for vmlinux",
        RelocationFaultKind.LivepatchSymbolInOrdinarySection =>
            "names a livepatch symbol and is an ordinary section, where it counts as 0",
        RelocationFaultKind.PlaceOutOfTarget => "changes bytes beyond its section",
        RelocationFaultKind.PlaceNotZero => "changes bytes that are not zero",
        RelocationFaultKind.TypeUnknown => "has a relocation of a kind that the kernel does not know",
        RelocationFaultKind.ReadTooEarly => "changes a table that the kernel has read by then",
        _ => throw new System.Diagnostics.UnreachableException($"relocation fault {kind}"),
    };
}
