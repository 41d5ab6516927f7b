using System.Buffers;
using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace LivepatchAgent.Daemon.Kernel;

/// <summary>
/// Which functions ftrace can redirect, out of its own records in the kernel's memory: what available_filter_functions
/// lists by name, without the kernel looking for 40,000 names. A kernel that loads a livepatch asks the same records by
/// the function's address. That they are understood is proven each time: they rise within a group, and there are as
/// many as the kernel says there are.
/// </summary>
internal static class TraceRecords
{
    /// <summary>ftrace_pages_start: the first of a list of groups.</summary>
    public const string Start = "ftrace_pages_start";

    /// <summary>struct ftrace_page: the next one, its records, their number (kernel/trace/ftrace.c).</summary>
    private const int RecordsAt = 8, IndexAt = 16, PageSize = 24;

    /// <summary>struct dyn_ftrace: ip and flags; nothing of the architecture's on x86.</summary>
    private const int RecordSize = 16;

    private const int MaxGroups = 10_000, MaxRecords = 1_000_000;

    /// <summary>ENDBR64 comes before the call to ftrace; elsewhere than on x86 other things do.</summary>
    private const uint EndBranch = 4;

    /// <param name="first">The address of <see cref="Start"/>.</param>
    /// <param name="total">How many records the kernel says there are (dyn_ftrace_total_info).</param>
    /// <returns>Those of the functions that have a record; null when the records are not understood.</returns>
    public static HashSet<ulong>? Of(KernelMemory memory, ulong first, long total, IReadOnlySet<ulong> functions)
    {
        if (RuntimeInformation.ProcessArchitecture != Architecture.X64) return null;
        if (memory.Number(first) is not { } group) return null;
        var places = functions.Concat(functions.Select(f => f + EndBranch)).Distinct().Order().ToArray();
        var found = new HashSet<ulong>();
        var seen = 0L;
        Span<byte> head = stackalloc byte[PageSize];
        for (var groups = 0; group != 0; groups++)
        {
            if (groups == MaxGroups || memory.Read(group, head) < PageSize) return null;
            var records = BinaryPrimitives.ReadUInt64LittleEndian(head[RecordsAt..]);
            var count = BinaryPrimitives.ReadInt32LittleEndian(head[IndexAt..]);
            if (count is < 0 or > MaxRecords) return null;
            seen += count;
            if (seen > total || !Scan(memory, records, count, places, found)) return null;
            group = BinaryPrimitives.ReadUInt64LittleEndian(head);
        }

        return seen == total ? [.. functions.Where(f => found.Contains(f) || found.Contains(f + EndBranch))] : null;
    }

    private static bool Scan(KernelMemory memory, ulong at, int count, ulong[] places, HashSet<ulong> found)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(16 * 1024);
        try
        {
            var (last, next) = (0UL, 0);
            while (count > 0)
            {
                var length = Math.Min(count * RecordSize, buffer.Length / RecordSize * RecordSize);
                if (memory.Read(at, buffer.AsSpan(0, length)) < length) return false;
                var words = MemoryMarshal.Cast<byte, ulong>(buffer.AsSpan(0, length));
                for (var i = 0; i < words.Length; i += RecordSize / sizeof(ulong))
                {
                    var place = words[i];
                    if (place <= last) return false;
                    last = place;
                    // Both rise: what was passed by is not looked at again.
                    while (next < places.Length && places[next] < place) next++;
                    if (next < places.Length && places[next] == place) found.Add(place);
                }

                count -= length / RecordSize;
                at += (ulong)length;
            }

            return true;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }
}
