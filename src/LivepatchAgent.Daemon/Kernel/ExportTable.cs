using System.Buffers.Binary;
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
