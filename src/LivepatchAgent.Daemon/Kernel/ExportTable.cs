using System.Buffers.Binary;
using LivepatchAgent.Core.Agent;
using Microsoft.Win32.SafeHandles;

namespace LivepatchAgent.Daemon.Kernel;

/// <summary>
/// The CRCs of exported symbols (CONFIG_MODVERSIONS), out of the running kernel's own tables: no file of the kernel shows
/// them. A symbol's row in __ksymtab and its CRC in __kcrctab have the same number; where the tables lie, kallsyms says;
/// what is in them, /proc/kcore.
/// </summary>
internal static class ExportTable
{
    /// <summary>struct kernel_symbol: value, name and namespace as 32-bit offsets (CONFIG_HAVE_ARCH_PREL32_RELOCATIONS).</summary>
    private const int RowSize = 12;

    private const int HeaderSize = 64, ProgramSize = 56, MaxPrograms = 512, Load = 1;

    /// <summary>Some 12,000 symbols are exported; ten times that is no such table.</summary>
    private const ulong MaxTable = 120_000 * RowSize;

    private static readonly (string Start, string Stop, string Crcs)[] Tables =
    [
        ("__start___ksymtab", "__stop___ksymtab", "__start___kcrctab"),
        ("__start___ksymtab_gpl", "__stop___ksymtab_gpl", "__start___kcrctab_gpl"),
    ];

    /// <summary>Symbols whose addresses are needed.</summary>
    public static IEnumerable<string> Marks => Tables.SelectMany(t => new[] { t.Start, t.Stop, t.Crcs });

    /// <summary>CRCs by name, of those symbols that have an address; null when the kernel's memory cannot be read.</summary>
    public static IReadOnlyDictionary<string, uint>? Crcs(string path, IReadOnlyDictionary<string, ulong> addresses)
    {
        if (!addresses.ContainsKey(Tables[0].Crcs)) return null;
        try
        {
            using var memory = File.OpenHandle(path);
            var segments = Segments(memory);
            var found = new Dictionary<string, uint>();
            foreach (var (start, stop, crcs) in Tables)
            {
                if (!addresses.TryGetValue(start, out var from) || !addresses.TryGetValue(stop, out var to) || !addresses.TryGetValue(crcs, out var at) || to <= from || to - from > MaxTable) continue;
                var table = Read(memory, segments, at, (int)((to - from) / RowSize) * sizeof(uint));
                foreach (var (name, row) in addresses)
                {
                    if (row < from || row >= to || !name.StartsWith(HostQuestions.ExportPrefix, StringComparison.Ordinal)) continue;
                    var crc = (int)((row - from) / RowSize) * sizeof(uint);
                    if (crc + sizeof(uint) <= table.Length) found[name[HostQuestions.ExportPrefix.Length..]] = BinaryPrimitives.ReadUInt32LittleEndian(table.AsSpan(crc));
                }
            }

            return found.Count > 0 ? found : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>Which address lies where in the file: its program headers.</summary>
    private static List<(ulong Address, ulong Size, long Offset)> Segments(SafeFileHandle memory)
    {
        List<(ulong, ulong, long)> segments = [];
        var header = new byte[HeaderSize];
        if (RandomAccess.Read(memory, header, 0) < HeaderSize || !header.AsSpan().StartsWith("\u007fELF"u8)) return segments;
        var at = BinaryPrimitives.ReadInt64LittleEndian(header.AsSpan(32));
        var count = Math.Min((int)BinaryPrimitives.ReadUInt16LittleEndian(header.AsSpan(56)), MaxPrograms);
        var rows = new byte[count * ProgramSize];
        var read = RandomAccess.Read(memory, rows, at);
        for (var row = rows.AsSpan(0, read); row.Length >= ProgramSize; row = row[ProgramSize..])
        {
            if (BinaryPrimitives.ReadUInt32LittleEndian(row) != Load) continue;
            segments.Add((BinaryPrimitives.ReadUInt64LittleEndian(row[16..]), BinaryPrimitives.ReadUInt64LittleEndian(row[40..]), BinaryPrimitives.ReadInt64LittleEndian(row[8..])));
        }

        return segments;
    }

    /// <summary>As much as can be read of so many bytes at an address.</summary>
    private static byte[] Read(SafeFileHandle memory, List<(ulong Address, ulong Size, long Offset)> segments, ulong at, int length)
    {
        foreach (var (address, size, offset) in segments)
        {
            if (at < address || at - address >= size || (ulong)length > size - (at - address)) continue;
            var bytes = new byte[length];
            var read = 0;
            while (read < length && RandomAccess.Read(memory, bytes.AsSpan(read), offset + (long)(at - address) + read) is var more and > 0) read += more;
            return bytes[..read];
        }

        return [];
    }
}
