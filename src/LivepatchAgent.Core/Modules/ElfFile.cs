using System.Buffers.Binary;
using System.Text;

namespace LivepatchAgent.Core.Modules;

/// <summary>One row of the section header table.</summary>
internal readonly record struct ElfSection(
    uint NameOffset,
    uint Type,
    ulong Flags,
    ulong Offset,
    ulong Size,
    uint Link,
    uint Info)
{
    public const uint ProgBits = 1, SymbolTable = 2, Rela = 4, NoBits = 8;
    public const ulong Write = 1, Alloc = 2, Execute = 4, LivepatchRela = 0x0010_0000;

    public bool Has(ulong flag) => (Flags & flag) != 0;
}

/// <summary>
/// An ELF64 relocatable file, read in place. What is wrong with it is kept in <see cref="Fault"/>, the first fault wins
/// and every later read gives nothing, so that a reader can go on and look once at the end. Two rules keep a hostile
/// file cheap: sections must not overlap, so walking all of them is linear in the file, and all that is kept of it
/// (text, tables of its pointers) is paid from one budget of about its own size.
/// </summary>
internal ref struct ElfFile
{
    public const ushort MachineX64 = 62, MachineArm64 = 183, MachineS390 = 22;

    /// <summary>The kernel's KSYM_NAME_LEN: no name that means anything to it is longer.</summary>
    public const int MaxName = 512;

    private const int HeaderSize = 64, SectionSize = 64, SectionCost = 48;

    /// <summary>What a string costs beside its characters, and the record or list that it stands in.</summary>
    private const int TextOverhead = 64;

    /// <summary>
    /// Section numbers from here on have other meanings (SHN_LORESERVE); the kernel takes no more sections.
    /// </summary>
    private const int MaxSections = 0xff00;

    private readonly ReadOnlySpan<byte> _file;
    private readonly bool _bigEndian;
    private readonly ElfSection[] _sections;
    private readonly int _namesIndex;
    private long _budget;

    public ElfFile(ReadOnlySpan<byte> file)
    {
        _file = file;
        _sections = [];
        _budget = file.Length + (64L << 10);
        if (file.Length < HeaderSize || !file.StartsWith("\u007fELF"u8))
        {
            Fault = "it is not an ELF file";
            return;
        }

        _bigEndian = file[5] == 2;
        Machine = U16(file, 18);
        if (file[4] != 2 || file[5] is not (1 or 2) || file[6] != 1 || U16(file, 16) != 1 || U32(file, 20) != 1)
        {
            Fault = "it is not a relocatable 64-bit ELF file";
            return;
        }

        if (ArchitectureOf(Machine, _bigEndian) is null)
        {
            Fault = $"it is for a machine of ELF number {Machine}, not for x86_64, aarch64 or s390x";
            return;
        }

        var at = U64(file, 40);
        var count = U16(file, 60);
        _namesIndex = U16(file, 62);
        var isTable = U16(file, 58) == SectionSize && count is not (0 or >= MaxSections) && _namesIndex < count;
        if (!isTable || !Fits(at, (ulong)count * SectionSize))
        {
            Fault = "its section table is cut off or malformed";
            return;
        }

        _sections = new ElfSection[count];
        _budget -= (long)count * SectionCost;
        End = (long)at + (count * SectionSize);
        ReadSections(file.Slice((int)at, count * SectionSize));
    }

    /// <summary>What is wrong with the file, or null so far.</summary>
    public string? Fault { get; private set; }

    public ushort Machine { get; }

    /// <summary>Where its last section or its section table ends; what follows is no part of it.</summary>
    public long End { get; private set; }

    public readonly string Architecture => ArchitectureOf(Machine, _bigEndian) ?? "";

    public readonly ReadOnlySpan<ElfSection> Sections => _sections;

    /// <summary>The first fault stays.</summary>
    public void Fail(string fault) => Fault ??= fault;

    public readonly ushort U16(ReadOnlySpan<byte> bytes, int at) =>
        _bigEndian
            ? BinaryPrimitives.ReadUInt16BigEndian(bytes[at..])
            : BinaryPrimitives.ReadUInt16LittleEndian(bytes[at..]);

    public readonly uint U32(ReadOnlySpan<byte> bytes, int at) =>
        _bigEndian
            ? BinaryPrimitives.ReadUInt32BigEndian(bytes[at..])
            : BinaryPrimitives.ReadUInt32LittleEndian(bytes[at..]);

    public readonly ulong U64(ReadOnlySpan<byte> bytes, int at) =>
        _bigEndian
            ? BinaryPrimitives.ReadUInt64BigEndian(bytes[at..])
            : BinaryPrimitives.ReadUInt64LittleEndian(bytes[at..]);

    /// <summary>The section's bytes; none for .bss and its like.</summary>
    public readonly ReadOnlySpan<byte> Bytes(ElfSection section) =>
        section.Type is ElfSection.NoBits or 0 ? [] : _file.Slice((int)section.Offset, (int)section.Size);

    /// <summary>Index of the first section of this name, or -1.</summary>
    public readonly int Find(ReadOnlySpan<byte> name) => FindAfter(0, name);

    /// <summary>Index of the next section of this name behind one, or -1.</summary>
    public readonly int FindAfter(int index, ReadOnlySpan<byte> name)
    {
        var names = Bytes(_sections[_namesIndex]);
        for (var i = index + 1; i < _sections.Length; i++)
        {
            var at = _sections[i].NameOffset;
            if (at >= (uint)names.Length) continue;
            var rest = names[(int)at..];
            if (rest.Length > name.Length && rest[name.Length] == 0 && rest.StartsWith(name)) return i;
        }

        return -1;
    }

    public readonly ReadOnlySpan<byte> NameBytes(ElfSection section) =>
        CString(Bytes(_sections[_namesIndex]), section.NameOffset);

    /// <summary>Whether a section's name begins so, however long it is.</summary>
    public readonly bool NameStartsWith(ElfSection section, ReadOnlySpan<byte> prefix)
    {
        var names = Bytes(_sections[_namesIndex]);
        return section.NameOffset < (uint)names.Length && names[(int)section.NameOffset..].StartsWith(prefix);
    }

    /// <summary>
    /// The bytes of a string table's entry; empty when the offset is outside or the name is longer than any.
    /// </summary>
    public static ReadOnlySpan<byte> CString(ReadOnlySpan<byte> table, ulong offset)
    {
        if (offset >= (ulong)table.Length) return [];
        var rest = table[(int)offset..];
        var end = rest[..Math.Min(rest.Length, MaxName)].IndexOf((byte)0);
        return end < 0 ? [] : rest[..end];
    }

    /// <summary>Takes text out of the file; a file that asks for more text than it has bytes is at fault.</summary>
    public string Text(scoped ReadOnlySpan<byte> bytes) =>
        TryPay(TextOverhead + (2L * bytes.Length)) ? Encoding.UTF8.GetString(bytes) : "";

    /// <summary>False, and the file at fault, when this many bytes are more than is left for it.</summary>
    public bool TryPay(long bytes)
    {
        _budget -= bytes;
        if (_budget >= 0) return true;
        Fail("its tables name far more than a file of its size can hold");
        return false;
    }

    private void ReadSections(ReadOnlySpan<byte> table)
    {
        var total = 0UL;
        for (var i = 0; i < _sections.Length; i++)
        {
            var section = Section(table.Slice(i * SectionSize, SectionSize));
            if (section.Type is not (ElfSection.NoBits or 0))
            {
                if (!Fits(section.Offset, section.Size)) Fail($"its section {i} reaches beyond the end of the file");
                else if ((total += section.Size) > (ulong)_file.Length) Fail("its sections overlap");
                else End = Math.Max(End, (long)(section.Offset + section.Size));
            }

            _sections[i] = section;
        }
    }

    private readonly ElfSection Section(ReadOnlySpan<byte> row) => new(
        NameOffset: U32(row, 0),
        Type: U32(row, 4),
        Flags: U64(row, 8),
        Offset: U64(row, 24),
        Size: U64(row, 32),
        Link: U32(row, 40),
        Info: U32(row, 44));

    private readonly bool Fits(ulong offset, ulong size) =>
        offset <= (ulong)_file.Length && size <= (ulong)_file.Length - offset;

    private static string? ArchitectureOf(ushort machine, bool bigEndian) => (machine, bigEndian) switch
    {
        (MachineX64, false) => "x86_64",
        (MachineArm64, false) => "aarch64",
        (MachineS390, true) => "s390x",
        _ => null,
    };
}
