using System.Buffers.Binary;
using System.Text;
using LivepatchAgent.Core.Agent;

namespace LivepatchAgent.Daemon.Kernel;

/// <summary>
/// The CRCs of exported symbols (CONFIG_MODVERSIONS), out of the running kernel's own tables: no file of the kernel
/// shows them. A symbol's row in __ksymtab and its CRC in __kcrctab have the same number; where the tables lie,
/// kallsyms says; what is in them, /proc/kcore.
/// </summary>
internal static class ExportTable
{
    /// <summary>
    /// struct kernel_symbol: value, name and namespace as 32-bit offsets (CONFIG_HAVE_ARCH_PREL32_RELOCATIONS).
    /// </summary>
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

    /// <summary>
    /// A row's offset of the text that is the symbol's namespace, counted from where the offset stands; 0 or an empty
    /// text where the symbol has no namespace.
    /// </summary>
    private const int NamespaceAt = 8;

    private const int MaxNamespace = 256;

    /// <summary>
    /// Namespaces by name, of those symbols that have an address and stand in one; null when the kernel's memory cannot
    /// be read.
    /// </summary>
    public static IReadOnlyDictionary<string, string>? Namespaces(
        KernelMemory memory, IReadOnlyDictionary<string, ulong> addresses)
    {
        List<(string Name, ulong Address)> places = [];
        var window = new MemoryWindow(memory);
        var tables = 0;
        foreach (var (start, stop, _) in Tables)
        {
            if (Rows(addresses, start, stop) is not { } rows) continue;
            tables++;
            foreach (var (name, row) in rows)
            {
                var bytes = window.At(row, RowSize);
                if (bytes.Length < RowSize || row + RowSize > addresses[stop]) return null;
                var offset = BinaryPrimitives.ReadInt32LittleEndian(bytes[NamespaceAt..]);
                if (offset != 0) places.Add((name, row + NamespaceAt + (ulong)(long)offset));
            }
        }

        return tables == 0 ? null : Texts(memory, places);
    }

    /// <summary>The rows of a table that are asked about, in their order; null where the table is not known.</summary>
    private static List<(string Name, ulong Address)>? Rows(
        IReadOnlyDictionary<string, ulong> addresses, string start, string stop)
    {
        if (!addresses.TryGetValue(start, out var from) || !addresses.TryGetValue(stop, out var to)) return null;
        if (to <= from || to - from > MaxTable) return null;
        List<(string Name, ulong Address)> rows = [];
        foreach (var (name, row) in addresses)
        {
            if (row < from || row >= to) continue;
            if (!name.StartsWith(HostQuestions.ExportPrefix, StringComparison.Ordinal)) continue;
            rows.Add((name[HostQuestions.ExportPrefix.Length..], row));
        }

        rows.Sort(ByAddress);
        return rows;
    }

    private static int ByAddress((string Name, ulong Address) a, (string Name, ulong Address) b) =>
        a.Address.CompareTo(b.Address);

    private static Dictionary<string, string>? Texts(KernelMemory memory, List<(string Name, ulong Address)> places)
    {
        var found = new Dictionary<string, string>();
        places.Sort(ByAddress);
        var window = new MemoryWindow(memory);
        foreach (var (name, text) in places)
        {
            var rest = window.At(text, MaxNamespace);
            if (rest.IsEmpty) return null;
            var end = rest.IndexOf((byte)0);
            if (end != 0) found[name] = end < 0 ? "?" : Encoding.UTF8.GetString(rest[..end]);
        }

        return found;
    }

    /// <summary>
    /// CRCs by name, of those symbols that have an address; null when the kernel's memory cannot be read.
    /// </summary>
    public static IReadOnlyDictionary<string, uint>? Crcs(
        KernelMemory memory, IReadOnlyDictionary<string, ulong> addresses)
    {
        var found = new Dictionary<string, uint>();
        var window = new MemoryWindow(memory);
        foreach (var (start, stop, crcs) in Tables)
        {
            if (Rows(addresses, start, stop) is not { } rows || !addresses.TryGetValue(crcs, out var table)) continue;
            foreach (var (name, row) in rows)
            {
                var bytes = window.At(table + ((row - addresses[start]) / RowSize * sizeof(uint)), sizeof(uint));
                if (bytes.Length == sizeof(uint)) found[name] = BinaryPrimitives.ReadUInt32LittleEndian(bytes);
            }
        }

        return found.Count > 0 ? found : null;
    }
}
