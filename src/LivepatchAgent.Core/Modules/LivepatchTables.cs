using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Core.Modules;

/// <summary>What a livepatch's own tables say.</summary>
internal sealed record LivepatchTables(PatchTables Kind)
{
    public bool? Replace { get; init; }

    public List<PatchedFunction> Functions { get; } = [];

    public List<TableFault> Faults { get; } = [];

    public List<PatchCallback> Callbacks { get; } = [];

    public List<DynamicRelocation> DynamicRelocations { get; } = [];

    /// <summary>Null where the file does not show them.</summary>
    public IReadOnlyList<SystemState>? States { get; init; }
}

/// <summary>Following pointers to what the tables hold.</summary>
internal static class TableText
{
    private const ulong PointerSize = 8;

    /// <summary>The string behind the pointer at a place; null when there is no pointer or no string.</summary>
    public static string? Follow(scoped ref ElfFile elf, ElfPointers pointers, ElfPlace at) =>
        pointers.TryFollow(at, out var target) && At(ref elf, target) is { Length: > 0 } text ? text : null;

    public static string At(scoped ref ElfFile elf, ElfPlace place) =>
        elf.Text(ElfFile.CString(elf.Bytes(elf.Sections[place.Section]), place.Offset));

    /// <summary>struct klp_callbacks: pointers to pre_patch, post_patch, pre_unpatch and post_unpatch.</summary>
    public static void Callbacks(scoped ref ElfFile elf, scoped in ElfSymbols symbols, ElfPointers pointers, string holder, ElfPlace start, List<PatchCallback> callbacks)
    {
        for (var moment = CallbackMoment.PrePatch; moment <= CallbackMoment.PostUnpatch; moment++)
            Callback(ref elf, symbols, pointers, holder, moment, start + ((ulong)moment * PointerSize), callbacks);
    }

    public static void Callback(scoped ref ElfFile elf, scoped in ElfSymbols symbols, ElfPointers pointers, string holder, CallbackMoment moment, ElfPlace at, List<PatchCallback> callbacks)
    {
        if (pointers.TryFollow(at, out var code) && elf.Sections[code.Section].Has(ElfSection.Execute))
            callbacks.Add(new PatchCallback(holder, moment, elf.Text(pointers.NameOf(code, elf, symbols))));
    }
}
