using System.Buffers.Binary;
using System.Text;
using LivepatchAgent.Core.Agent;

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

    /// <summary>Some 12,000 symbols are exported; ten times that is no such table.</summary>
    private const ulong MaxTable = 120_000 * RowSize;

    private static readonly (string Start, string Stop, string Crcs)[] Tables =
    [
        ("__start___ksymtab", "__stop___ksymtab", "__start___kcrctab"),
        ("__start___ksymtab_gpl", "__stop___ksymtab_gpl", "__start___kcrctab_gpl"),
    ];

    /// <summary>Symbols whose addresses are needed.</summary>
    public static IEnumerable<string> Marks => Tables.SelectMany(t => new[] { t.Start, t.Stop, t.Crcs });

    /// <summary>A row's offset of the text that is the symbol's namespace, counted from where the offset stands; 0 or an empty text where there is none.</summary>
    private const int NamespaceAt = 8;

    private const int MaxNamespace = 256;

    /// <summary>Namespaces by name, of those symbols that have an address and stand in one; null when the kernel's memory cannot be read.</summary>
    public static IReadOnlyDictionary<string, string>? Namespaces(KernelMemory memory, IReadOnlyDictionary<string, ulong> addresses)
    {
        List<(string Name, ulong Text)> places = [];
        var (tables, pieces) = (0, new MemoryPieces(memory));
        foreach (var (start, stop, _) in Tables)
        {
            if (!addresses.TryGetValue(start, out var from) || !addresses.TryGetValue(stop, out var to) || to <= from || to - from > MaxTable) continue;
            tables++;
            foreach (var (name, row) in Rows(addresses, from, to))
            {
                if (pieces.At(row + NamespaceAt, sizeof(int)) is not { Length: sizeof(int) } bytes) return null;
                var offset = BinaryPrimitives.ReadInt32LittleEndian(bytes);
                if (offset != 0) places.Add((name, row + NamespaceAt + (ulong)(long)offset));
            }
        }

        return tables == 0 ? null : Texts(pieces, places);
    }

    private static Dictionary<string, string>? Texts(MemoryPieces pieces, List<(string Name, ulong Text)> places)
    {
        var found = new Dictionary<string, string>();
        foreach (var (name, text) in places.OrderBy(p => p.Text))
        {
            var rest = pieces.At(text, MaxNamespace);
            if (rest.IsEmpty) return null;
            if (rest.IndexOf((byte)0) is var end and not 0) found[name] = end < 0 ? "?" : Encoding.UTF8.GetString(rest[..end]);
        }

        return found;
    }

    /// <summary>CRCs by name, of those symbols that have an address; null when the kernel's memory cannot be read.</summary>
    public static IReadOnlyDictionary<string, uint>? Crcs(KernelMemory memory, IReadOnlyDictionary<string, ulong> addresses)
    {
        var found = new Dictionary<string, uint>();
        var pieces = new MemoryPieces(memory);
        foreach (var (start, stop, crcs) in Tables)
        {
            if (!addresses.TryGetValue(start, out var from) || !addresses.TryGetValue(stop, out var to) || !addresses.TryGetValue(crcs, out var at) || to <= from || to - from > MaxTable) continue;
            foreach (var (name, row) in Rows(addresses, from, to))
            {
                if (pieces.At(at + ((row - from) / RowSize * sizeof(uint)), sizeof(uint)) is { Length: sizeof(uint) } crc) found[name] = BinaryPrimitives.ReadUInt32LittleEndian(crc);
            }
        }

        return found.Count > 0 ? found : null;
    }

    /// <summary>Symbols whose row is in a table, as their rows follow each other.</summary>
    private static IEnumerable<(string Name, ulong Row)> Rows(IReadOnlyDictionary<string, ulong> addresses, ulong from, ulong to) => addresses
        .Where(a => a.Value >= from && a.Value < to && a.Key.StartsWith(HostQuestions.ExportPrefix, StringComparison.Ordinal))
        .OrderBy(a => a.Value)
        .Select(a => (a.Key[HostQuestions.ExportPrefix.Length..], a.Value));
}
