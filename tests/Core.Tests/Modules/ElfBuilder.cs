using System.Buffers.Binary;
using System.Text;

namespace LivepatchAgent.Core.Tests.Modules;

/// <summary>
/// Writes small modules of any architecture and shape, valid and not, for what no compiler at hand makes.
/// </summary>
internal sealed class ElfBuilder(ushort machine = 62, bool isBigEndian = false)
{
    private sealed record Section(string Name, uint Type, ulong Flags, byte[] Data, uint Link = 0, uint Info = 0);

    /// <param name="Symbol">Its name; null for that of the section <paramref name="To"/>.</param>
    private sealed record Relocation(
        string Section, ulong Flags, int Of, ulong At, uint Type, string? Symbol, int To, ulong Addend);

    private readonly List<Section> _sections = [new("", 0, 0, [])];
    private readonly List<(string Name, int Section, ulong Value, ulong Size)> _symbols = [];
    private readonly List<Relocation> _relocations = [];

    public const uint ProgBits = 1;
    public const ulong Alloc = 2, Data = 3, Code = 6;

    /// <summary>A livepatch with the least that a module must have.</summary>
    public static ElfBuilder Livepatch(
        ushort machine = 62,
        bool isBigEndian = false,
        string modinfo = "name=test_patch\0livepatch=Y\0vermagic=6.19.0 SMP \0") =>
        new ElfBuilder(machine, isBigEndian).Text(".modinfo", Alloc, modinfo).Add(
            ".gnu.linkonce.this_module", Data, ThisModule("test_patch"));

    public static byte[] ThisModule(string name)
    {
        var bytes = new byte[128];
        Encoding.ASCII.GetBytes(name).CopyTo(bytes, 24);
        return bytes;
    }

    public ElfBuilder Add(string name, ulong flags, byte[] data, uint type = ProgBits, uint link = 0, uint info = 0)
    {
        _sections.Add(new Section(name, type, flags, data, link, info));
        return this;
    }

    public ElfBuilder Text(string name, ulong flags, string text) => Add(name, flags, Encoding.UTF8.GetBytes(text));

    /// <summary>64-bit words, of this file's byte order.</summary>
    public ElfBuilder Words(string name, ulong flags, params ulong[] words)
    {
        var data = new byte[8 * words.Length];
        for (var i = 0; i < words.Length; i++) U64(data.AsSpan(8 * i), words[i]);
        return Add(name, flags, data);
    }

    /// <summary>32-bit words, of this file's byte order.</summary>
    public ElfBuilder HalfWords(string name, ulong flags, params uint[] words)
    {
        var data = new byte[4 * words.Length];
        for (var i = 0; i < words.Length; i++) U32(data.AsSpan(4 * i), words[i]);
        return Add(name, flags, data);
    }

    public ElfBuilder Symbol(string name, int section = 0, ulong value = 0, ulong size = 0)
    {
        _symbols.Add((name, section, value, size));
        return this;
    }

    public ElfBuilder Symbol(string name, string section, ulong value = 0, ulong size = 0) =>
        Symbol(name, Index(section), value, size);

    /// <summary>An absolute 64-bit relocation from one section into another.</summary>
    public ElfBuilder Pointer(string from, ulong at, string to, ulong target)
    {
        _relocations.Add(
            new Relocation(
                ".rela" + from,
                0x40,
                Index(from),
                at,
                machine switch { 62 => 1u, 183 => 257u, _ => 22u },
                null,
                Index(to),
                target));
        return this;
    }

    /// <summary>A relocation in a section of any name that changes another one by a symbol.</summary>
    public ElfBuilder Relocate(
        string section, string of, ulong at, string symbol, uint type, ulong flags = 0x40, long addend = 0)
    {
        _relocations.Add(new Relocation(section, flags, Index(of), at, type, symbol, 0, (ulong)addend));
        return this;
    }

    public byte[] Build()
    {
        List<Section> all = [.. _sections];
        var symtab = all.Count;
        var sectionSymbols = Enumerable.Range(1, symtab - 1).Select(i => (Name: "", Section: i, Value: 0UL, Size: 0UL));
        AddSymbols(all, [.. sectionSymbols, .. _symbols]);
        foreach (var group in _relocations.GroupBy(r => (r.Section, r.Flags, r.Of)))
            all.Add(
                new Section(
                    group.Key.Section, 4, group.Key.Flags, Rela([.. group], symtab), (uint)symtab, (uint)group.Key.Of));
        return Assemble(all);
    }

    private int Index(string section) => _sections.FindIndex(s => s.Name == section);

    private void AddSymbols(
        List<Section> all, IReadOnlyList<(string Name, int Section, ulong Value, ulong Size)> symbols)
    {
        var names = new StringBuilder("\0");
        var table = new byte[24 * (symbols.Count + 1)];
        for (var i = 0; i < symbols.Count; i++)
        {
            var row = table.AsSpan(24 * (i + 1), 24);
            if (symbols[i].Name.Length > 0)
            {
                U32(row, (uint)names.Length);
                names.Append(symbols[i].Name).Append('\0');
            }

            U16(row[6..], (ushort)symbols[i].Section);
            U64(row[8..], symbols[i].Value);
            U64(row[16..], symbols[i].Size);
        }

        all.Add(new Section(".symtab", 2, 0, table, Link: (uint)all.Count + 1));
        all.Add(new Section(".strtab", 3, 0, Encoding.ASCII.GetBytes(names.ToString())));
    }

    /// <summary>Symbol N is that of section N; the named ones follow.</summary>
    private byte[] Rela(Relocation[] relocations, int sections)
    {
        var rows = new byte[24 * relocations.Length];
        for (var i = 0; i < relocations.Length; i++)
        {
            var relocation = relocations[i];
            var row = rows.AsSpan(24 * i, 24);
            var symbol = relocation.Symbol is null
                ? relocation.To
                : sections + _symbols.FindIndex(s => s.Name == relocation.Symbol);
            U64(row, relocation.At);
            U64(row[8..], ((ulong)symbol << 32) | relocation.Type);
            U64(row[16..], relocation.Addend);
        }

        return rows;
    }

    private byte[] Assemble(List<Section> sections)
    {
        var names = new StringBuilder();
        var nameAt = new List<int>();
        foreach (var name in sections.Select(s => s.Name).Append(".shstrtab"))
        {
            nameAt.Add(names.Length);
            names.Append(name).Append('\0');
        }

        sections.Add(new Section(".shstrtab", 3, 0, Encoding.ASCII.GetBytes(names.ToString())));
        var file = new byte[64 + sections.Sum(s => s.Data.Length) + (64 * sections.Count)];
        new byte[] { 0x7f, (byte)'E', (byte)'L', (byte)'F', 2, (byte)(isBigEndian ? 2 : 1), 1 }.CopyTo(file, 0);
        var (at, row) = (64, file.Length - (64 * sections.Count));
        U16(file.AsSpan(16), 1);
        U16(file.AsSpan(18), machine);
        U32(file.AsSpan(20), 1);
        U64(file.AsSpan(40), (ulong)row);
        U16(file.AsSpan(58), 64);
        U16(file.AsSpan(60), (ushort)sections.Count);
        U16(file.AsSpan(62), (ushort)(sections.Count - 1));
        for (var i = 0; i < sections.Count; i++, row += 64)
        {
            var section = sections[i];
            section.Data.CopyTo(file, at);
            U32(file.AsSpan(row), (uint)nameAt[i]);
            U32(file.AsSpan(row + 4), section.Type);
            U64(file.AsSpan(row + 8), section.Flags);
            U64(file.AsSpan(row + 24), (ulong)at);
            U64(file.AsSpan(row + 32), (ulong)section.Data.Length);
            U32(file.AsSpan(row + 40), section.Link);
            U32(file.AsSpan(row + 44), section.Info);
            at += section.Data.Length;
        }

        return file;
    }

    private void U16(Span<byte> to, ushort value)
    {
        if (isBigEndian) BinaryPrimitives.WriteUInt16BigEndian(to, value);
        else BinaryPrimitives.WriteUInt16LittleEndian(to, value);
    }

    private void U32(Span<byte> to, uint value)
    {
        if (isBigEndian) BinaryPrimitives.WriteUInt32BigEndian(to, value);
        else BinaryPrimitives.WriteUInt32LittleEndian(to, value);
    }

    private void U64(Span<byte> to, ulong value)
    {
        if (isBigEndian) BinaryPrimitives.WriteUInt64BigEndian(to, value);
        else BinaryPrimitives.WriteUInt64LittleEndian(to, value);
    }
}
