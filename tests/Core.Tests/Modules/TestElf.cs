using System.Buffers.Binary;
using System.Text;

namespace LivepatchAgent.Core.Tests.Modules;

/// <summary>Writes small modules (x86-64) for shapes that no compiler at hand makes.</summary>
internal static class TestElf
{
    private sealed record Section(string Name, uint Type, ulong Flags, byte[] Data, uint Link = 0, uint Info = 0);

    /// <param name="pointers">Absolute 64-bit relocations in one section to offsets of another.</param>
    public static byte[] Livepatch(
        IReadOnlyList<(string Name, ushort Section)>? symbols = null,
        IReadOnlyList<(string Name, uint Type, ulong Flags, byte[] Data)>? sections = null,
        (string From, string To, (ulong At, ulong Target)[] Pairs)? pointers = null)
    {
        var thisModule = new byte[128];
        "test_patch"u8.CopyTo(thisModule.AsSpan(24));
        List<Section> all =
        [
            new("", 0, 0, []),
            new(".modinfo", 1, 2, "name=test_patch\0livepatch=Y\0vermagic=6.19.0 SMP \0"u8.ToArray()),
            new(".gnu.linkonce.this_module", 1, 3, thisModule),
            .. (sections ?? []).Select(s => new Section(s.Name, s.Type, s.Flags, s.Data)),
        ];
        var names = new MemoryStream();
        names.WriteByte(0);
        var table = new byte[24 * (2 + (symbols?.Count ?? 0))];
        var target = pointers is { } p ? all.FindIndex(s => s.Name == p.To) : 0;
        Symbol(table, 1, 0, (ushort)target);
        for (var i = 0; i < (symbols?.Count ?? 0); i++)
        {
            Symbol(table, i + 2, (uint)names.Position, symbols![i].Section);
            names.Write(Encoding.ASCII.GetBytes(symbols[i].Name + "\0"));
        }

        var symtab = (uint)all.Count;
        all.Add(new Section(".symtab", 2, 0, table, Link: symtab + 1));
        all.Add(new Section(".strtab", 3, 0, names.ToArray()));
        if (pointers is { } relocated)
            all.Add(
                new Section(
                    ".rela" + relocated.From,
                    4,
                    0x40,
                    Rela(relocated.Pairs),
                    symtab,
                    (uint)all.FindIndex(s => s.Name == relocated.From)));
        return Assemble(all);
    }

    private static void Symbol(byte[] table, int index, uint name, ushort section)
    {
        var row = table.AsSpan(index * 24, 24);
        BinaryPrimitives.WriteUInt32LittleEndian(row, name);
        BinaryPrimitives.WriteUInt16LittleEndian(row[6..], section);
    }

    private static byte[] Rela((ulong At, ulong Target)[] pairs)
    {
        var rows = new byte[24 * pairs.Length];
        for (var i = 0; i < pairs.Length; i++)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(rows.AsSpan(24 * i), pairs[i].At);
            BinaryPrimitives.WriteUInt64LittleEndian(rows.AsSpan((24 * i) + 8), (1UL << 32) | 1);
            BinaryPrimitives.WriteUInt64LittleEndian(rows.AsSpan((24 * i) + 16), pairs[i].Target);
        }

        return rows;
    }

    private static byte[] Assemble(List<Section> sections)
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
        new byte[] { 0x7f, (byte)'E', (byte)'L', (byte)'F', 2, 1, 1 }.CopyTo(file, 0);
        var (at, row) = (64, file.Length - (64 * sections.Count));
        U16(16, 1);
        U16(18, 62);
        U32(20, 1);
        U64(40, (ulong)row);
        U16(58, 64);
        U16(60, (ushort)sections.Count);
        U16(62, (ushort)(sections.Count - 1));
        for (var i = 0; i < sections.Count; i++, row += 64)
        {
            var section = sections[i];
            section.Data.CopyTo(file, at);
            U32(row, (uint)nameAt[i]);
            U32(row + 4, section.Type);
            U64(row + 8, section.Flags);
            U64(row + 24, (ulong)at);
            U64(row + 32, (ulong)section.Data.Length);
            U32(row + 40, section.Link);
            U32(row + 44, section.Info);
            at += section.Data.Length;
        }

        return file;
        void U16(int to, ushort value) => BinaryPrimitives.WriteUInt16LittleEndian(file.AsSpan(to), value);
        void U32(int to, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(file.AsSpan(to), value);
        void U64(int to, ulong value) => BinaryPrimitives.WriteUInt64LittleEndian(file.AsSpan(to), value);
    }
}
