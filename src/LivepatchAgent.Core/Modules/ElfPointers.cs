namespace LivepatchAgent.Core.Modules;

/// <summary>A place in a section, 8 bytes small: a file can have one for each 24 bytes of it.</summary>
internal readonly struct ElfPlace : IComparable<ElfPlace>, IEquatable<ElfPlace>
{
    /// <summary>
    /// Sections are fewer than 2^16. No offset that means anything is as large; what is larger means this one.
    /// </summary>
    private const ulong MaxOffset = (1UL << 48) - 1;

    private readonly ulong _value;

    public ElfPlace(int section, ulong offset) => _value = ((ulong)section << 48) | Math.Min(offset, MaxOffset);

    public int Section => (int)(_value >> 48);

    public ulong Offset => _value & MaxOffset;

    /// <summary>A place some bytes further on.</summary>
    public static ElfPlace operator +(ElfPlace place, ulong bytes) => new(place.Section, place.Offset + bytes);

    public static bool operator ==(ElfPlace a, ElfPlace b) => a._value == b._value;

    public static bool operator !=(ElfPlace a, ElfPlace b) => a._value != b._value;

    public int CompareTo(ElfPlace other) => _value.CompareTo(other._value);

    public bool Equals(ElfPlace other) => _value == other._value;

    public override bool Equals(object? obj) => obj is ElfPlace other && Equals(other);

    public override int GetHashCode() => _value.GetHashCode();
}

/// <summary>
/// The pointers that data of a module holds before it is loaded: 64-bit absolute relocations in data sections, sorted
/// by place. Structures with static initialisers are found by them without knowing how large one is in this kernel.
/// </summary>
internal sealed class ElfPointers
{
    private const int EntrySize = 24;

    /// <summary>What is kept of a pointer (two places) and of a symbol (a place and an index).</summary>
    private const int PointerCost = 16, SymbolCost = 12;

    private readonly ElfPlace[] _at;
    private readonly ElfPlace[] _target;
    private readonly ElfPlace[] _symbolAt;
    private readonly int[] _symbol;
    private readonly ElfPlace[] _named;

    private ElfPointers(ElfPlace[] at, ElfPlace[] target, ElfPlace[] symbolAt, int[] symbol, ElfPlace[] named)
    {
        _named = named;
        _at = at;
        _target = target;
        _symbolAt = symbolAt;
        _symbol = symbol;
    }

    public int Count => _at.Length;

    public static ElfPointers Read(scoped ref ElfFile elf, scoped in ElfSymbols symbols)
    {
        var (at, target) = Pointers(ref elf, symbols);
        Array.Sort(at, target);
        var (symbolAt, symbol) = Sized(ref elf, symbols);
        Array.Sort(symbolAt, symbol);
        return new ElfPointers(at, target, symbolAt, symbol, NamedCode(ref elf, symbols));
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

    /// <summary>
    /// Where the variable that starts here ends, by its symbol; the end of its section when no symbol says.
    /// </summary>
    public ulong EndOf(ElfPlace start, scoped in ElfFile elf, scoped in ElfSymbols symbols)
    {
        var sectionSize = elf.Sections[start.Section].Size;
        var index = Array.BinarySearch(_symbolAt, start);
        if (index < 0) return sectionSize;
        var size = symbols[elf, _symbol[index]].Size;
        return size > sectionSize - Math.Min(start.Offset, sectionSize) ? sectionSize : start.Offset + size;
    }

    /// <summary>Whether a symbol says how long the variable is that starts here.</summary>
    public bool IsSized(ElfPlace start) => Array.BinarySearch(_symbolAt, start) >= 0;

    /// <summary>Whether a symbol names the code that starts here, whatever it says of its length.</summary>
    public bool IsNamed(ElfPlace code) => Array.BinarySearch(_named, code) >= 0;

    /// <summary>The symbol that starts here; empty when none does.</summary>
    public ReadOnlySpan<byte> NameOf(ElfPlace place, scoped in ElfFile elf, ElfSymbols symbols)
    {
        var index = Array.BinarySearch(_symbolAt, place);
        if (index < 0) return [];
        var symbol = symbols[elf, _symbol[index]];
        return symbols.NameBytes(symbol);
    }

    /// <summary>Counted before they are kept, so that no list has to grow.</summary>
    private static (ElfPlace[] At, ElfPlace[] Target) Pointers(scoped ref ElfFile elf, scoped in ElfSymbols symbols)
    {
        var count = 0;
        foreach (var section in elf.Sections)
        {
            if (!HoldsDataPointers(elf, section, symbols.Index)) continue;
            for (var rows = elf.Bytes(section); rows.Length >= EntrySize; rows = rows[EntrySize..])
            {
                if (IsPointer(elf, symbols, rows, out _)) count++;
            }
        }

        if (!elf.TryPay((long)count * PointerCost)) return ([], []);
        var (at, target) = (new ElfPlace[count], new ElfPlace[count]);
        count = 0;
        foreach (var section in elf.Sections)
        {
            if (!HoldsDataPointers(elf, section, symbols.Index)) continue;
            for (var rows = elf.Bytes(section); rows.Length >= EntrySize; rows = rows[EntrySize..])
            {
                if (!IsPointer(elf, symbols, rows, out var symbol)) continue;
                at[count] = new ElfPlace((int)section.Info, elf.U64(rows, 0));
                target[count++] = new ElfPlace(symbol.Section, symbol.Value + elf.U64(rows, 16));
            }
        }

        return (at, target);
    }

    private static bool IsPointer(
        scoped in ElfFile elf,
        scoped in ElfSymbols symbols,
        scoped ReadOnlySpan<byte> row,
        out ElfSymbol symbol)
    {
        symbol = default;
        var info = elf.U64(row, 8);
        if ((uint)info != PointerType(elf.Machine) || info >> 32 >= (ulong)symbols.Count) return false;
        symbol = symbols[elf, (int)(info >> 32)];
        return symbol.Section != ElfSymbol.Undefined && symbol.Section < elf.Sections.Length;
    }

    private static bool HoldsDataPointers(scoped in ElfFile elf, ElfSection section, int symbolTable)
    {
        if (section.Type != ElfSection.Rela || section.Has(ElfSection.LivepatchRela)) return false;
        if (section.Link != symbolTable || section.Info >= elf.Sections.Length) return false;
        var patched = elf.Sections[(int)section.Info];
        return patched.Has(ElfSection.Alloc) && !patched.Has(ElfSection.Execute) && patched.Type != ElfSection.NoBits;
    }

    private static (ElfPlace[] At, int[] Index) Sized(scoped ref ElfFile elf, scoped in ElfSymbols symbols)
    {
        var count = 0;
        for (var i = 1; i < symbols.Count; i++)
        {
            if (IsSized(elf, symbols[elf, i])) count++;
        }

        if (!elf.TryPay((long)count * SymbolCost)) return ([], []);
        var (at, index) = (new ElfPlace[count], new int[count]);
        count = 0;
        for (var i = 1; i < symbols.Count; i++)
        {
            var symbol = symbols[elf, i];
            if (!IsSized(elf, symbol)) continue;
            at[count] = new ElfPlace(symbol.Section, symbol.Value);
            index[count++] = i;
        }

        return (at, index);
    }

    private static ElfPlace[] NamedCode(scoped ref ElfFile elf, scoped in ElfSymbols symbols)
    {
        const int PlaceCost = 8;
        var count = 0;
        for (var i = 1; i < symbols.Count; i++)
        {
            if (NamesCode(elf, symbols, symbols[elf, i])) count++;
        }

        if (!elf.TryPay((long)count * PlaceCost)) return [];
        var places = new ElfPlace[count];
        count = 0;
        for (var i = 1; i < symbols.Count; i++)
        {
            var symbol = symbols[elf, i];
            if (NamesCode(elf, symbols, symbol)) places[count++] = new ElfPlace(symbol.Section, symbol.Value);
        }

        Array.Sort(places);
        return places;
    }

    /// <summary>
    /// The kernel passes over names that an assembler makes for itself (is_mapping_symbol() in
    /// include/linux/module_symbol.h).
    /// </summary>
    private static bool NamesCode(scoped in ElfFile elf, scoped in ElfSymbols symbols, ElfSymbol symbol)
    {
        if (symbol.Section == ElfSymbol.Undefined || symbol.Section >= elf.Sections.Length) return false;
        if (!elf.Sections[symbol.Section].Has(ElfSection.Execute)) return false;
        var name = symbols.NameBytes(symbol);
        return !name.IsEmpty && name[0] != '$' && !name.StartsWith(".L"u8);
    }

    private static bool IsSized(scoped in ElfFile elf, ElfSymbol symbol) =>
        symbol.Size != 0 && symbol.Section != ElfSymbol.Undefined && symbol.Section < elf.Sections.Length;

    /// <summary>R_X86_64_64, R_AARCH64_ABS64, R_390_64.</summary>
    private static uint PointerType(ushort machine) => machine switch
    {
        ElfFile.MachineX64 => 1,
        ElfFile.MachineArm64 => 257,
        _ => 22,
    };
}
