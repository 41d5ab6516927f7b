namespace LivepatchAgent.Core.Modules;

/// <summary>One row of the symbol table; the name is taken out only where it is asked for.</summary>
internal readonly record struct ElfSymbol(uint NameOffset, byte Info, ushort Section, ulong Value, ulong Size)
{
    public const ushort Undefined = 0, Livepatch = 0xff20;
    private const int Weak = 2;

    public bool IsWeak => Info >> 4 == Weak;
}

/// <summary>The symbol table (SHT_SYMTAB; the kernel wants exactly one) and its names, in place.</summary>
internal readonly ref struct ElfSymbols
{
    private const int EntrySize = 24;
    private readonly ReadOnlySpan<byte> _table;
    private readonly ReadOnlySpan<byte> _names;

    public ElfSymbols(scoped ref ElfFile elf)
    {
        var index = -1;
        for (var i = 1; i < elf.Sections.Length; i++)
        {
            if (elf.Sections[i].Type != ElfSection.SymbolTable) continue;
            if (index >= 0) elf.Fail("it has more than one symbol table");
            index = i;
        }

        if (index < 0) elf.Fail("it has no symbol table (stripped?)");
        if (elf.Fault is not null) return;
        Index = index;
        var section = elf.Sections[index];
        if (section.Link >= elf.Sections.Length || section.Size % EntrySize != 0)
        {
            elf.Fail("its symbol table is malformed");
            return;
        }

        _table = elf.Bytes(section);
        _names = elf.Bytes(elf.Sections[(int)section.Link]);
    }

    /// <summary>The section it stands in.</summary>
    public int Index { get; }

    public int Count => _table.Length / EntrySize;

    public ElfSymbol this[scoped in ElfFile elf, int index]
    {
        get
        {
            var row = _table.Slice(index * EntrySize, EntrySize);
            return new ElfSymbol(elf.U32(row, 0), row[4], elf.U16(row, 6), elf.U64(row, 8), elf.U64(row, 16));
        }
    }

    public ReadOnlySpan<byte> NameBytes(scoped in ElfSymbol symbol) => ElfFile.CString(_names, symbol.NameOffset);
}
