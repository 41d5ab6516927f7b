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

    /// <summary>All names and namespaces of exports together have some 300 KiB.</summary>
    private const ulong MaxTexts = 8 << 20;

    private const int MaxNamespace = 256;

    /// <summary>Namespaces by name, of those symbols that have an address and stand in one; null when the kernel's memory cannot be read.</summary>
    public static IReadOnlyDictionary<string, string>? Namespaces(KernelMemory memory, IReadOnlyDictionary<string, ulong> addresses)
    {
        List<(string Name, ulong Text)> places = [];
        var tables = 0;
        foreach (var (start, stop, _) in Tables)
        {
            if (!addresses.TryGetValue(start, out var from) || !addresses.TryGetValue(stop, out var to) || to <= from || to - from > MaxTable) continue;
            tables++;
            var rows = new byte[(int)(to - from)];
            var length = (ulong)memory.Read(from, rows);
            foreach (var (name, row) in addresses)
            {
                if (row < from || row >= to || !name.StartsWith(HostQuestions.ExportPrefix, StringComparison.Ordinal)) continue;
                if (row - from + RowSize > length) return null;
                var offset = BinaryPrimitives.ReadInt32LittleEndian(rows.AsSpan((int)(row - from) + NamespaceAt));
                if (offset != 0) places.Add((name[HostQuestions.ExportPrefix.Length..], row + NamespaceAt + (ulong)(long)offset));
            }
        }

        return tables == 0 ? null : Texts(memory, places);
    }

    /// <summary>They lie together: one reading for all.</summary>
    private static Dictionary<string, string>? Texts(KernelMemory memory, List<(string Name, ulong Text)> places)
    {
        var found = new Dictionary<string, string>();
        if (places.Count == 0) return found;
        var first = places.Min(p => p.Text);
        var span = places.Max(p => p.Text) - first;
        if (span > MaxTexts) return null;
        var texts = new byte[(int)span + MaxNamespace];
        var length = memory.Read(first, texts);
        foreach (var (name, text) in places)
        {
            var at = (int)(text - first);
            if (at >= length) return null;
            var rest = texts.AsSpan(at, Math.Min(MaxNamespace, length - at));
            if (rest.IndexOf((byte)0) is var end and not 0) found[name] = end < 0 ? "?" : Encoding.UTF8.GetString(rest[..end]);
        }

        return found;
    }

    /// <summary>CRCs by name, of those symbols that have an address; null when the kernel's memory cannot be read.</summary>
    public static IReadOnlyDictionary<string, uint>? Crcs(KernelMemory memory, IReadOnlyDictionary<string, ulong> addresses)
    {
        var found = new Dictionary<string, uint>();
        foreach (var (start, stop, crcs) in Tables)
        {
            if (!addresses.TryGetValue(start, out var from) || !addresses.TryGetValue(stop, out var to) || !addresses.TryGetValue(crcs, out var at) || to <= from || to - from > MaxTable) continue;
            var table = new byte[(int)((to - from) / RowSize) * sizeof(uint)];
            var length = memory.Read(at, table);
            foreach (var (name, row) in addresses)
            {
                if (row < from || row >= to || !name.StartsWith(HostQuestions.ExportPrefix, StringComparison.Ordinal)) continue;
                var crc = (int)((row - from) / RowSize) * sizeof(uint);
                if (crc + sizeof(uint) <= length) found[name[HostQuestions.ExportPrefix.Length..]] = BinaryPrimitives.ReadUInt32LittleEndian(table.AsSpan(crc));
            }
        }

        return found.Count > 0 ? found : null;
    }
}
