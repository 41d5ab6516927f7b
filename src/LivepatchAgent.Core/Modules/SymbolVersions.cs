namespace LivepatchAgent.Core.Modules;

/// <summary>
/// A symbol that the module needs and the CRC of its type that the module was built against (CONFIG_MODVERSIONS).
/// </summary>
public readonly record struct SymbolVersion(string Name, uint Crc);

/// <summary>
/// The sections that CONFIG_MODVERSIONS makes: <c>__versions</c>, an array of struct modversion_info (an unsigned long
/// and a name of 56 bytes; in Ubuntu's kernels rows of any length, see <see cref="Rows"/>), and since Linux 6.14
/// <c>__version_ext_crcs</c> (32-bit words) beside <c>__version_ext_names</c> (strings in the same order), which have
/// room for longer names. A kernel that knows the second pair goes by it where it is there.
/// </summary>
internal static class SymbolVersions
{
    /// <summary>Null where there is no such section: such a module was built without CONFIG_MODVERSIONS.</summary>
    public static IReadOnlyList<SymbolVersion>? Basic(scoped ref ElfFile elf)
    {
        const int Size = 64, Name = 8;
        var index = elf.Find("__versions"u8);
        if (index < 0) return null;
        var rows = elf.Bytes(elf.Sections[index]);
        var versions = new List<SymbolVersion>();
        // A CRC has 32 bits: in rows of the usual kind the other half of the first word is 0.
        var isFilled = rows.Length >= Name && elf.U32(rows, 0) != 0;
        if (isFilled && (elf.U32(rows, sizeof(uint)) != 0 || rows.Length % Size != 0))
        {
            Rows(ref elf, rows, versions);
            return versions;
        }

        for (; rows.Length >= Size && elf.Fault is null; rows = rows[Size..])
        {
            var crc = elf.U64(rows, 0);
            var name = rows[Name..Size];
            var end = name.IndexOf((byte)0);
            if (crc > uint.MaxValue || end < 0) elf.Fail("its __versions is malformed");
            else versions.Add(new SymbolVersion(elf.Text(name[..end]), (uint)crc));
        }

        return versions;
    }

    /// <summary>
    /// What "modpost: support arbitrary symbol length in modversion" makes, which Ubuntu's kernels have from 23.04 on:
    /// the way to the next row, the CRC, the name and its NUL, padding. A row that leads nowhere ends them, or the
    /// section does.
    /// </summary>
    private static void Rows(scoped ref ElfFile elf, ReadOnlySpan<byte> rows, List<SymbolVersion> versions)
    {
        const int Crc = 4, Name = 8;
        while (rows.Length >= Name && elf.Fault is null && elf.U32(rows, 0) is > 0 and var next)
        {
            var end = next > Name && next <= (uint)rows.Length ? rows[Name..(int)next].IndexOf((byte)0) : -1;
            if (end < 0) elf.Fail("its __versions is malformed");
            else versions.Add(new SymbolVersion(elf.Text(rows.Slice(Name, end)), elf.U32(rows, Crc)));
            if (end >= 0) rows = rows[(int)next..];
        }
    }

    public static IReadOnlyList<SymbolVersion>? Extended(scoped ref ElfFile elf)
    {
        var (crcsIndex, namesIndex) = (elf.Find("__version_ext_crcs"u8), elf.Find("__version_ext_names"u8));
        if (crcsIndex < 0 && namesIndex < 0) return null;
        var versions = new List<SymbolVersion>();
        if (crcsIndex < 0 || namesIndex < 0)
        {
            elf.Fail("it has only one of __version_ext_crcs and __version_ext_names");
            return versions;
        }

        var crcs = elf.Bytes(elf.Sections[crcsIndex]);
        var names = elf.Bytes(elf.Sections[namesIndex]);
        for (; crcs.Length >= sizeof(uint) && elf.Fault is null; crcs = crcs[sizeof(uint)..])
        {
            var end = names.IndexOf((byte)0);
            if (end < 0)
            {
                elf.Fail("its __version_ext_names has fewer names than __version_ext_crcs has numbers");
                break;
            }

            versions.Add(new SymbolVersion(elf.Text(names[..end]), elf.U32(crcs, 0)));
            names = names[(end + 1)..];
        }

        return versions;
    }
}
