namespace LivepatchAgent.Core.Modules;

/// <summary>
/// The places in a module's code that ftrace can redirect, as its file lists them for the kernel. The kernel finds a
/// function's place anywhere between its begin and its end (ftrace_location(), since 5.18), as behind an endbr64.
/// </summary>
internal sealed class CallSites
{
    /// <summary>
    /// With DYNAMIC_FTRACE_WITH_CALL_OPS two instructions before the function are its own, and the place is listed
    /// there.
    /// </summary>
    private const ulong BeforeFunction = 8;

    private const int EntrySize = 24, PlaceCost = 8;

    private readonly ElfPlace[] _places;
    private readonly ulong _before;

    private CallSites(ElfPlace[] places, ulong before)
    {
        _places = places;
        _before = before;
    }

    public static CallSites Read(scoped ref ElfFile elf, scoped in ElfSymbols symbols)
    {
        // x86-64 has both lists: there the second one only pads functions, those that ftrace does not know too.
        var isArm = elf.Machine == ElfFile.MachineArm64;
        var list = isArm ? "__patchable_function_entries"u8 : "__mcount_loc"u8;
        var places = new List<ElfPlace>();
        foreach (var section in elf.Sections)
        {
            if (section.Type != ElfSection.Rela || section.Link != symbols.Index) continue;
            if (section.Info >= elf.Sections.Length) continue;
            if (!elf.NameBytes(elf.Sections[(int)section.Info]).SequenceEqual(list)) continue;
            var rows = elf.Bytes(section);
            for (; rows.Length >= EntrySize && elf.TryPay(PlaceCost); rows = rows[EntrySize..])
            {
                var index = elf.U64(rows, 8) >> 32;
                if (index >= (ulong)symbols.Count) continue;
                var symbol = symbols[elf, (int)index];
                if (symbol.Section == ElfSymbol.Undefined || symbol.Section >= elf.Sections.Length) continue;
                places.Add(new ElfPlace(symbol.Section, symbol.Value + elf.U64(rows, 16)));
            }
        }

        var sorted = places.ToArray();
        Array.Sort(sorted);
        return new CallSites(sorted, isArm ? BeforeFunction : 0);
    }

    public bool IsIn(ElfSymbol function)
    {
        var start = new ElfPlace(function.Section, function.Value - Math.Min(function.Value, _before));
        var index = Array.BinarySearch(_places, start);
        if (index >= 0) return true;
        index = ~index;
        if (index >= _places.Length) return false;
        var next = _places[index];
        return next.Section == function.Section && next.Offset < function.Value + function.Size;
    }
}
