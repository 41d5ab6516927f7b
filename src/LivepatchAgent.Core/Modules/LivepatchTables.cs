using System.Text;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Core.Modules;

/// <summary>What a livepatch's own tables say.</summary>
internal sealed record LivepatchTables(PatchTables Kind)
{
    /// <summary>A patch with faults is refused whole: the first ones are enough.</summary>
    private const int MaxFaults = 64;

    public bool? Replace { get; init; }

    public List<PatchedFunction> Functions { get; } = [];

    public List<TableFault> Faults { get; } = [];

    public List<PatchCallback> Callbacks { get; } = [];

    public List<DynamicRelocation> DynamicRelocations { get; } = [];

    /// <summary>Null where the file does not show them.</summary>
    public IReadOnlyList<SystemState>? States { get; init; }

    /// <summary>Looks at code that is called as long as the patch is in force.</summary>
    public void Code(scoped in ElfFile elf, ElfPointers pointers, string holder, string function, ElfPlace code)
    {
        Lasting(elf, holder, "the new code of ", function, code);
        if (!pointers.IsNamed(code) && Faults.Count < MaxFaults)
            Faults.Add(new TableFault(TableFaultKind.CodeWithoutSymbol, holder, function));
    }

    /// <summary>
    /// Looks at something that the kernel goes on using. After init it frees each section whose name begins with .init
    /// (module_init_section() in kernel/module/main.c); without SHF_ALLOC a section is never in memory.
    /// </summary>
    public void Lasting(scoped in ElfFile elf, string holder, string what, string of, ElfPlace place)
    {
        var section = elf.Sections[place.Section];
        if (section.Has(ElfSection.Alloc) && !elf.NameStartsWith(section, ".init"u8)) return;
        if (Faults.Count >= MaxFaults) return;
        var name = Encoding.UTF8.GetString(elf.NameBytes(section));
        Faults.Add(new TableFault(TableFaultKind.FreedAfterInit, holder, $"{what}{of} in {name}"));
    }
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
    public static void Callbacks(
        scoped ref ElfFile elf, scoped in ElfSymbols symbols, ElfPointers pointers,
        string holder, ElfPlace start, LivepatchTables tables)
    {
        for (var moment = CallbackMoment.PrePatch; moment <= CallbackMoment.PostUnpatch; moment++)
            Callback(ref elf, symbols, pointers, holder, moment, start + ((ulong)moment * PointerSize), tables);
    }

    public static void Callback(
        scoped ref ElfFile elf, scoped in ElfSymbols symbols, ElfPointers pointers,
        string holder, CallbackMoment moment, ElfPlace at, LivepatchTables tables)
    {
        if (!pointers.TryFollow(at, out var code) || !elf.Sections[code.Section].Has(ElfSection.Execute)) return;
        tables.Callbacks.Add(new PatchCallback(holder, moment, elf.Text(pointers.NameOf(code, elf, symbols))));
        tables.Lasting(elf, holder, "the callback ", Kebab.Of(moment), code);
    }
}
