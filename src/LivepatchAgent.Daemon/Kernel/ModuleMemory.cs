using System.Buffers;
using System.Buffers.Binary;

namespace LivepatchAgent.Daemon.Kernel;

/// <summary>
/// The symbols of a loaded module out of the kernel's memory. sysfs shows where its struct module is; in it
/// <c>kallsyms</c> points to <c>core_kallsyms</c>, the very next member (include/linux/module.h): no other pointer does
/// that. That what lies there is the module's symbol table is proven by its <c>__this_module</c>, which has to be that
/// address.
/// </summary>
internal static class ModuleMemory
{
    /// <summary>struct module has some 1,300 bytes; a page is read.</summary>
    private const int MaxModule = 4096;

    /// <summary>struct mod_kallsyms: symtab, num_symtab, strtab.</summary>
    private const int CountAt = 8, NamesAt = 16, TableSize = 24;

    /// <summary>struct elf64_sym.</summary>
    private const int SymbolSize = 24, ValueAt = 8;

    private const int MaxSymbols = 1_000_000, MaxNames = 64 << 20, MaxName = 512, PieceSize = 64 * 1024;

    /// <param name="module">The address of its struct module.</param>
    /// <returns>
    /// Wanted names and their addresses, in the order of its symbol table; null when it is not understood.
    /// </returns>
    public static List<(string Name, ulong Address)>? Read(
        KernelMemory memory, ulong module, SymbolMemory.NameFilter isWanted)
    {
        if (Table(memory, module) is not var (symbols, count, names)) return null;
        if (Names(memory, symbols, count, names) is not { } text) return null;
        var found = new List<(string, ulong)>();
        var isProven = false;
        var buffer = ArrayPool<byte>.Shared.Rent(PieceSize);
        try
        {
            while (count > 0)
            {
                var length = (int)Math.Min((long)count, PieceSize / SymbolSize) * SymbolSize;
                if (memory.Read(symbols, buffer.AsSpan(0, length)) < length) return null;
                for (ReadOnlySpan<byte> row = buffer.AsSpan(0, length); row.Length > 0; row = row[SymbolSize..])
                {
                    var at = BinaryPrimitives.ReadUInt32LittleEndian(row);
                    if (at >= (uint)text.Length) return null; // it has changed since its names were read
                    var name = Name(text, at);
                    if (name.IsEmpty) continue; // as kallsyms leaves it out
                    var address = BinaryPrimitives.ReadUInt64LittleEndian(row[ValueAt..]);
                    isProven |= address == module && name.SequenceEqual("__this_module"u8);
                    if (isWanted(name, out var wanted)) found.Add((wanted, address));
                }

                symbols += (ulong)length;
                count -= length / SymbolSize;
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }

        return isProven ? found : null;
    }

    private static (ulong Symbols, int Count, ulong Names)? Table(KernelMemory memory, ulong module)
    {
        var bytes = new byte[MaxModule];
        var all = bytes.AsSpan(0, memory.Read(module, bytes));
        for (var at = 0; at + sizeof(ulong) + TableSize <= all.Length; at += sizeof(ulong))
        {
            if (BinaryPrimitives.ReadUInt64LittleEndian(all[at..]) != module + (ulong)at + sizeof(ulong)) continue;
            var table = all[(at + sizeof(ulong))..];
            var count = BinaryPrimitives.ReadInt32LittleEndian(table[CountAt..]);
            if (count is <= 0 or > MaxSymbols) return null;
            var symbols = BinaryPrimitives.ReadUInt64LittleEndian(table);
            var names = BinaryPrimitives.ReadUInt64LittleEndian(table[NamesAt..]);
            return (symbols, count, names);
        }

        return null;
    }

    /// <summary>Nothing says how long they are together: the symbols show where the last one begins.</summary>
    private static byte[]? Names(KernelMemory memory, ulong symbols, int count, ulong names)
    {
        var rows = new byte[SymbolSize * Math.Min(count, PieceSize / SymbolSize)];
        var last = 0U;
        while (count > 0)
        {
            var piece = rows.AsSpan(0, SymbolSize * Math.Min(count, rows.Length / SymbolSize));
            if (memory.Read(symbols, piece) < piece.Length) return null;
            for (ReadOnlySpan<byte> row = piece; row.Length > 0; row = row[SymbolSize..])
            {
                last = Math.Max(last, BinaryPrimitives.ReadUInt32LittleEndian(row));
            }

            symbols += (ulong)piece.Length;
            count -= piece.Length / SymbolSize;
        }

        return last > MaxNames ? null : Text(memory, names, (int)last);
    }

    /// <summary>
    /// Up to a place and a name's length beyond. What is not there is given no room, whatever the symbols say.
    /// </summary>
    private static byte[]? Text(KernelMemory memory, ulong at, int last)
    {
        var text = new byte[Math.Min(last + MaxName, PieceSize)];
        var filled = 0;
        while (true)
        {
            filled += memory.Read(at + (ulong)filled, text.AsSpan(filled));
            if (filled < text.Length) return filled > last ? text : null;
            if (text.Length == last + MaxName) return text;
            Array.Resize(ref text, Math.Min(last + MaxName, 2 * text.Length));
        }
    }

    private static ReadOnlySpan<byte> Name(byte[] text, uint at)
    {
        var rest = text.AsSpan((int)at);
        var end = rest[..Math.Min(rest.Length, MaxName)].IndexOf((byte)0);
        return end < 0 ? [] : rest[..end];
    }
}
