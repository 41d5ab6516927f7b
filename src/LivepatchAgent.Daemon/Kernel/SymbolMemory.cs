using System.Buffers;
using System.Buffers.Binary;
using LivepatchAgent.Core.Kernel;

namespace LivepatchAgent.Daemon.Kernel;

/// <summary>
/// vmlinux's symbols out of the kernel's memory: what /proc/kallsyms shows of them, without the kernel writing 150,000
/// lines. That the tables are understood is proven each time: names whose address the kernel itself reports have to
/// come out with it.
/// </summary>
internal static class SymbolMemory
{
    private const int BufferSize = 64 * 1024, MaxSymbols = 4_000_000, MaxFound = 200_000;

    /// <summary>
    /// Reported by the kernel (crash_save_vmcoreinfo_init) and in its symbol table, one near its begin and others near
    /// its end.
    /// </summary>
    private static readonly string[] Witnesses = ["_stext", "init_uts_ns", "swapper_pg_dir"];

    /// <param name="wanted">Of these names, and of some others, <paramref name="isWanted"/> is asked.</param>
    /// <returns>
    /// Names and addresses in the order of /proc/kallsyms; null when the tables are not there or not understood.
    /// </returns>
    public static List<(string Name, ulong Address)>? Read(
        KernelMemory memory, NameFilter isWanted, IEnumerable<string> wanted)
    {
        ulong At(string name) => memory.Symbols.GetValueOrDefault("kallsyms_" + name);
        if (memory.Number(At("num_syms"), sizeof(uint)) is not (> 0 and <= MaxSymbols and var count)) return null;
        if (memory.Number(At("relative_base")) is not { } start) return null;
        var names = wanted.Concat(Witnesses);
        if (Packed(memory, At("token_table"), At("token_index"), names) is not { } packed) return null;
        List<Candidate> found = [];
        var witnesses = new NameSet(Witnesses);
        var isWhole = Walk(memory, At("names"), packed, (int)count, (number, name) =>
        {
            if (found.Count == MaxFound) return;
            if (isWanted(name, out var text)) found.Add(new Candidate(number, text, true));
            else if (witnesses.TryGet(name, out text)) found.Add(new Candidate(number, text, false));
        });
        if (!isWhole || found.Count == MaxFound) return null;
        if (Offsets(memory, At("offsets"), found) is not { } offsets) return null;
        return Located(found, offsets, start, memory.Symbols);
    }

    public delegate bool NameFilter(ReadOnlySpan<byte> name, out string text);

    private readonly record struct Candidate(int Number, string Name, bool IsWanted);

    private static PackedSymbols? Packed(KernelMemory memory, ulong table, ulong index, IEnumerable<string> wanted)
    {
        var tokens = new byte[PackedSymbols.MaxTokenTable];
        var indices = new byte[PackedSymbols.TokenIndexSize];
        if (memory.Read(index, indices) < indices.Length) return null;
        var length = memory.Read(table, tokens);
        return PackedSymbols.Of(tokens.AsSpan(0, length), indices, wanted);
    }

    private static bool Walk(KernelMemory memory, ulong at, PackedSymbols packed, int count, PackedSymbols.Found each)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(BufferSize);
        try
        {
            var kept = 0;
            while (packed.Count < count)
            {
                var read = memory.Read(at, buffer.AsSpan(kept));
                at += (ulong)read;
                var used = packed.Read(buffer.AsSpan(0, kept + read), count, each);
                if (packed.IsFaulty || used == 0) return false;
                kept += read - used;
                buffer.AsSpan(used, kept).CopyTo(buffer);
            }

            return true;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>Of each that was found, in rising order.</summary>
    private static int[]? Offsets(KernelMemory memory, ulong table, List<Candidate> found)
    {
        var offsets = new int[found.Count];
        var window = new MemoryWindow(memory);
        for (var i = 0; i < offsets.Length; i++)
        {
            var bytes = window.At(table + ((ulong)found[i].Number * sizeof(int)), sizeof(int));
            if (bytes.Length < sizeof(int)) return null;
            offsets[i] = BinaryPrimitives.ReadInt32LittleEndian(bytes);
        }

        return offsets;
    }

    /// <summary>
    /// kallsyms_sym_address: where addresses of per-processor variables are absolute (CONFIG_KALLSYMS_ABSOLUTE_PERCPU,
    /// until 6.14), others count down from the base; else all count up. The witnesses show which of the two it is.
    /// </summary>
    /// <param name="known">Addresses that the kernel itself reports.</param>
    private static List<(string Name, ulong Address)>? Located(
        List<Candidate> found, int[] offsets, ulong start, IReadOnlyDictionary<string, ulong> known)
    {
        foreach (var withAbsolute in new[] { true, false })
        {
            var located = new List<(string Name, ulong Address)>(offsets.Length);
            for (var i = 0; i < offsets.Length; i++)
            {
                located.Add((found[i].Name, Address(offsets[i], start, withAbsolute)));
            }

            if (AreProven(located, known)) return [.. located.Where((_, i) => found[i].IsWanted)];
        }

        return null;
    }

    private static ulong Address(int offset, ulong start, bool withAbsolute)
    {
        if (!withAbsolute) return start + (uint)offset;
        return offset >= 0 ? (ulong)offset : start - 1 - (ulong)(long)offset;
    }

    private static bool AreProven(
        List<(string Name, ulong Address)> located, IReadOnlyDictionary<string, ulong> known)
    {
        var witnesses = located.Where(l => Witnesses.Contains(l.Name) && known.ContainsKey(l.Name)).ToList();
        if (witnesses.Count < 2 || !witnesses.Any(w => w.Name == Witnesses[0])) return false;
        return witnesses.All(w => known[w.Name] == w.Address);
    }
}
