namespace LivepatchAgent.Core.Modules;

/// <summary>A place in a section.</summary>
internal readonly record struct ElfPlace(int Section, ulong Offset) : IComparable<ElfPlace>
{
    public int CompareTo(ElfPlace other) => Section != other.Section ? Section.CompareTo(other.Section) : Offset.CompareTo(other.Offset);
}

/// <summary>
/// The pointers that data of a module holds before it is loaded: 64-bit absolute relocations in data sections, sorted by
/// place. Structures with static initialisers are found by them without knowing how large one is in this kernel.
/// </summary>
internal sealed class ElfPointers
{
    private const int EntrySize = 24;
    private readonly ElfPlace[] _at;
    private readonly ElfPlace[] _target;
    private readonly ElfPlace[] _symbolAt;
    private readonly ulong[] _symbolSize;

    private ElfPointers(ElfPlace[] at, ElfPlace[] target, ElfPlace[] symbolAt, ulong[] symbolSize)
    {
        _at = at;
        _target = target;
        _symbolAt = symbolAt;
        _symbolSize = symbolSize;
    }

    public int Count => _at.Length;

    public static ElfPointers Read(scoped in ElfFile elf, scoped in ElfSymbols symbols)
    {
        var type = PointerType(elf.Machine);
        List<ElfPlace> at = [], target = [];
        foreach (var section in elf.Sections)
        {
            if (!HoldsDataPointers(elf, section, symbols.Index)) continue;
            var rows = elf.Bytes(section);
            for (; rows.Length >= EntrySize; rows = rows[EntrySize..])
            {
                var info = elf.U64(rows, 8);
                if ((uint)info != type || info >> 32 >= (ulong)symbols.Count) continue;
                var symbol = symbols[elf, (int)(info >> 32)];
                if (symbol.Section == ElfSymbol.Undefined || symbol.Section >= elf.Sections.Length) continue;
                at.Add(new ElfPlace((int)section.Info, elf.U64(rows, 0)));
                target.Add(new ElfPlace(symbol.Section, symbol.Value + elf.U64(rows, 16)));
            }
        }

        var (atSorted, targetSorted) = (at.ToArray(), target.ToArray());
        Array.Sort(atSorted, targetSorted);
        var (symbolAt, symbolSize) = Sized(elf, symbols);
        return new ElfPointers(atSorted, targetSorted, symbolAt, symbolSize);
    }

    /// <summary>Index of the first pointer at or after a place.</summary>
    public int FirstFrom(ElfPlace place)
    {
        var index = Array.BinarySearch(_at, place);
        return index < 0 ? ~index : index;
    }

    public ElfPlace At(int index) => _at[index];

    public ElfPlace Target(int index) => _target[index];

    public bool TryFollow(ElfPlace place, out ElfPlace target)
    {
        var index = Array.BinarySearch(_at, place);
        target = index < 0 ? default : _target[index];
        return index >= 0;
    }

    /// <summary>Where the variable that starts here ends, by its symbol; the end of its section when no symbol says.</summary>
    public ulong EndOf(ElfPlace start, scoped in ElfFile elf)
    {
        var sectionSize = elf.Sections[start.Section].Size;
        var index = Array.BinarySearch(_symbolAt, start);
        return index < 0 || _symbolSize[index] > sectionSize - Math.Min(start.Offset, sectionSize) ? sectionSize : start.Offset + _symbolSize[index];
    }

    private static bool HoldsDataPointers(scoped in ElfFile elf, ElfSection section, int symbolTable)
    {
        if (section.Type != ElfSection.Rela || section.Link != symbolTable || section.Info >= elf.Sections.Length || section.Has(ElfSection.LivepatchRela)) return false;
        var patched = elf.Sections[(int)section.Info];
        return patched.Has(ElfSection.Alloc) && !patched.Has(ElfSection.Execute) && patched.Type != ElfSection.NoBits;
    }

    private static (ElfPlace[] At, ulong[] Size) Sized(scoped in ElfFile elf, scoped in ElfSymbols symbols)
    {
        List<ElfPlace> at = [];
        List<ulong> size = [];
        for (var i = 1; i < symbols.Count; i++)
        {
            var symbol = symbols[elf, i];
            if (symbol.Size == 0 || symbol.Section == ElfSymbol.Undefined || symbol.Section >= elf.Sections.Length) continue;
            at.Add(new ElfPlace(symbol.Section, symbol.Value));
            size.Add(symbol.Size);
        }

        var (atSorted, sizeSorted) = (at.ToArray(), size.ToArray());
        Array.Sort(atSorted, sizeSorted);
        return (atSorted, sizeSorted);
    }

    /// <summary>R_X86_64_64, R_AARCH64_ABS64, R_390_64.</summary>
    private static uint PointerType(ushort machine) => machine switch
    {
        ElfFile.MachineX64 => 1,
        ElfFile.MachineArm64 => 257,
        _ => 22,
    };
}
