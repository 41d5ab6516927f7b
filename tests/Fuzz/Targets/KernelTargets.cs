using System.Buffers.Binary;
using LivepatchAgent.Core.Agent;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Daemon.Kernel;

namespace LivepatchAgent.Fuzz;

/// <summary>
/// The kernel's memory as the daemon reads it: of any kernel, and of one that runs on while it is read.
/// </summary>
internal static class KernelTargets
{
    public const ulong Base = 0xffffffff81000000;

    /// <summary>Of the struct module of the one that is loaded.</summary>
    public const ulong Module = Base + 0x9a00;

    /// <summary>Before the memory in an input of <see cref="Structures"/>.</summary>
    public const int Head = 8;

    /// <summary>How many records the seeds have.</summary>
    private const long Total = 4;

    private static readonly HostQuestions Questions = new(
        Set("show", "version_proc_show", "__ksymtab_seq_printf"),
        Set("cmdline_proc_show", "show", "split"),
        Set("ext4"),
        Set("seq_printf"),
        []);

    private static readonly LoadedPatch[] Shown =
    [
        new("first", false, false, true, []),
        new("second", false, false, true, []),
    ];

    private static readonly HashSet<ulong> Functions = [Base + 0x100, Base + 0x200, Base + 0x300];

    /// <summary>
    /// The input as /proc/kcore: what preflight finds by way of its header, its note and the tables that this leads to.
    /// </summary>
    public static void Core(ReadOnlySpan<byte> input)
    {
        using var memory = Memory(input.ToArray());
        var collector = new SymbolCollector(Questions, ["ext4"]);
        if (collector.SymbolsOf(memory, _ => Module) is null) return;
        _ = collector.TraceableOf(memory, Total);
        _ = ExportTable.Crcs(memory, collector.Addresses);
        _ = ExportTable.Namespaces(memory, collector.Addresses);
    }

    /// <summary>
    /// A letter that says which structure; a number of records or rows; how many readings go by until a byte of the
    /// memory changes (0: it does not), which one, and how; then the memory, which begins with the structure.
    /// </summary>
    public static void Structures(ReadOnlySpan<byte> input)
    {
        if (input.Length < Head) return;
        var (
            number,
            after,
            place,
            change) = (
                BinaryPrimitives.ReadUInt16LittleEndian(input[1..]),
                input[3],
                BinaryPrimitives.ReadUInt16LittleEndian(input[4..]),
                input[6]);
        var file = CoreFile(input[Head..]);
        using var memory = Memory(file, after, place, change);
        switch (input[0])
        {
            case (byte)'r':
                _ = TraceRecords.Of(memory, Base, number, Functions);
                break;
            case (byte)'e':
                var addresses = Exports(number);
                _ = ExportTable.Crcs(memory, addresses);
                _ = ExportTable.Namespaces(memory, addresses);
                break;
            case (byte)'p':
                _ = PatchList.Read(memory, new Dictionary<string, ulong> { [PatchList.Symbol] = Base }, Shown);
                break;
            default:
                _ = ModuleMemory.Read(memory, Base, IsWanted);
                break;
        }
    }

    /// <summary>
    /// A table of so many rows, with its CRCs behind it; the other table is all of the first one's but its first row.
    /// </summary>
    private static Dictionary<string, ulong> Exports(int rows)
    {
        const int RowSize = 12, Named = 6, MaxRows = 4096;
        var stop = Base + ((ulong)(rows % MaxRows) * RowSize);
        var addresses = new Dictionary<string, ulong>
        {
            ["__start___ksymtab"] = Base,
            ["__stop___ksymtab"] = stop,
            ["__start___kcrctab"] = stop,
            ["__start___ksymtab_gpl"] = Base + RowSize,
            ["__stop___ksymtab_gpl"] = stop,
            ["__start___kcrctab_gpl"] = stop + sizeof(uint),
            // No row begins there.
            [HostQuestions.ExportPrefix + "askew"] = Base + RowSize + 1,
        };
        for (var i = 0; i < Named; i++) addresses[$"{HostQuestions.ExportPrefix}{i}"] = Base + (ulong)(i * RowSize);
        return addresses;
    }

    private static bool IsWanted(ReadOnlySpan<byte> name, out string text)
    {
        text = "wanted";
        return !name.IsEmpty && name[0] == 'w';
    }

    /// <summary>A core file whose one segment is this.</summary>
    private static byte[] CoreFile(ReadOnlySpan<byte> memory)
    {
        const int Start = 64 + 56;
        var file = new byte[Start + memory.Length];
        "\u007fELF"u8.CopyTo(file);
        BinaryPrimitives.WriteInt64LittleEndian(file.AsSpan(32), 64);
        BinaryPrimitives.WriteUInt16LittleEndian(file.AsSpan(56), 1);
        var row = file.AsSpan(64);
        BinaryPrimitives.WriteUInt32LittleEndian(row, 1);
        BinaryPrimitives.WriteInt64LittleEndian(row[8..], Start);
        BinaryPrimitives.WriteUInt64LittleEndian(row[16..], Base);
        BinaryPrimitives.WriteInt64LittleEndian(row[40..], memory.Length);
        memory.CopyTo(file.AsSpan(Start));
        return file;
    }

    private static KernelMemory Memory(byte[] file, int after = 0, int place = 0, byte change = 0)
    {
        var reads = 0;
        return new KernelMemory((bytes, offset) =>
        {
            ArgumentOutOfRangeException.ThrowIfNegative(offset); // as reading a file does
            if (reads++ == after && after > 0) file[place % file.Length] ^= change;
            if (offset >= file.Length) return 0;
            var length = Math.Min(bytes.Length, file.Length - (int)offset);
            file.AsSpan((int)offset, length).CopyTo(bytes);
            return length;
        });
    }

    private static HashSet<string> Set(params string[] names) => [.. names];
}
