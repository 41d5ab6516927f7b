using System.Buffers.Binary;
using System.Text;

namespace LivepatchAgent.Daemon.Tests.Surroundings;

/// <summary>
/// A kernel's memory as /proc/kcore shows it, with its packed symbols and ftrace's records; the same symbols as the
/// text of /proc/kallsyms. Each token is a letter, but for one.
/// </summary>
internal sealed class KernelImage
{
    public const ulong Base = 0xffffffff81000000;

    /// <summary>Of the loaded module's struct module.</summary>
    public const ulong ModuleAddress = Base + At.Module;

    private const int Segment = 0x1000, Names = 0x4000, Offsets = 0x6000;
    private const int Tokens = 0x7000, TokenIndex = 0x7800, Numbers = 0x7a00;
    private const int FirstGroup = 0x7b00, Records = 0x8000, Exports = 0x9000;
    private const int UtsNamespace = 0x9800, PageTable = 0x9900, ModuleNames = 0x9d00, Size = 0xa000;
    private const byte Token = 200;

    private readonly byte[] _memory = new byte[Size];
    private readonly SortedList<ulong, List<string>> _symbols = [];
    private readonly List<ulong[]> _groups = [];

    public KernelImage()
    {
        (string Name, int At)[] own =
        [
            ("_stext", 0x0),
            ("__start___ksymtab", Exports),
            ("__stop___ksymtab", Exports + 24),
            ("__start___kcrctab", Exports + 64),
            ("init_uts_ns", UtsNamespace),
            ("swapper_pg_dir", PageTable),
            ("ftrace_pages_start", Numbers + 16),
        ];
        foreach (var (name, at) in own) Add(name, Base + (ulong)at);
    }

    /// <summary>Addresses of per-processor variables are absolute, as on x86 until Linux 6.14.</summary>
    public bool IsAbsolute { get; init; } = true;

    public long Total => _groups.Sum(g => g.Length);

    public string Text => string.Concat(_symbols.SelectMany(s => s.Value.Select(n => $"{s.Key:x16} t {n}\n")));

    public KernelImage Add(string name, ulong address)
    {
        if (!_symbols.TryGetValue(address, out var names)) _symbols[address] = names = [];
        names.Add(name);
        return this;
    }

    /// <summary>Where ftrace can redirect; each call a group of them.</summary>
    public KernelImage Traceable(params ulong[] places)
    {
        _groups.Add(places);
        return this;
    }

    public KernelImage Export(string name, int row, uint crc)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(_memory.AsSpan(Exports + 64 + (row * 4)), crc);
        return Add("__ksymtab_" + name, Base + Exports + ((ulong)row * 12));
    }

    /// <summary>
    /// A loaded module: struct module with a list head (which points to itself) and its symbol table.
    /// </summary>
    public KernelImage Module(params (string Name, ulong Address)[] symbols)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(_memory.AsSpan(At.Module + 8), ModuleAddress + 8);
        BinaryPrimitives.WriteUInt64LittleEndian(_memory.AsSpan(At.Module + 64), ModuleAddress + 72);
        BinaryPrimitives.WriteUInt64LittleEndian(_memory.AsSpan(At.Module + 72), Base + At.ModuleSymbol);
        BinaryPrimitives.WriteInt32LittleEndian(_memory.AsSpan(At.ModuleSymbolCount), symbols.Length + 2);
        BinaryPrimitives.WriteUInt64LittleEndian(_memory.AsSpan(At.Module + 88), Base + ModuleNames);
        var (row, text) = (At.ModuleSymbol + 24, ModuleNames + 1);
        foreach (var (name, address) in symbols.Prepend(("__this_module", ModuleAddress)))
        {
            BinaryPrimitives.WriteInt32LittleEndian(_memory.AsSpan(row), text - ModuleNames);
            BinaryPrimitives.WriteUInt64LittleEndian(_memory.AsSpan(row + 8), address);
            row += 24;
            text += Encoding.ASCII.GetBytes(name, _memory.AsSpan(text)) + 1;
        }

        return this;
    }

    public byte[] Build(Action<byte[]>? damage = null)
    {
        var (names, offset, count) = (Names, Offsets, 0);
        foreach (var (address, symbols) in _symbols)
        {
            foreach (var name in symbols)
            {
                var packed = Pack("t" + name);
                packed.CopyTo(_memory, names);
                names += packed.Length;
                BinaryPrimitives.WriteInt32LittleEndian(_memory.AsSpan(offset), Offset(address));
                offset += sizeof(int);
                count++;
            }
        }

        BinaryPrimitives.WriteInt32LittleEndian(_memory.AsSpan(Numbers), count);
        BinaryPrimitives.WriteUInt64LittleEndian(_memory.AsSpan(Numbers + 8), Base);
        WriteTokens();
        WriteRecords();
        damage?.Invoke(_memory);
        return [.. Head((0, Size)), .. _memory];
    }

    /// <summary>The same without what is all zeros: a segment for each piece.</summary>
    public byte[] BuildSmall()
    {
        const int Page = 128;
        _ = Build();
        List<(int Start, int Size)> pieces = [];
        for (var at = 0; at < Size; at += Page)
        {
            if (!_memory.AsSpan(at, Page).ContainsAnyExcept((byte)0)) continue;
            if (pieces is [.., var (start, size)] && start + size == at) pieces[^1] = (start, size + Page);
            else pieces.Add((at, Page));
        }

        return [.. Head([.. pieces]), .. pieces.SelectMany(p => _memory.AsSpan(p.Start, p.Size).ToArray())];
    }

    /// <summary>Places in the memory, for those who damage it.</summary>
    public static class At
    {
        public const int FirstName = Names, FirstOffset = Offsets, FirstToken = Tokens, SymbolCount = Numbers;
        public const int FirstGroupsRecords = FirstGroup + 8, FirstGroupsCount = FirstGroup + 16;
        public const int FirstRecord = Records;
        public const int Module = 0x9a00, ModuleSymbolCount = Module + 80, ModuleSymbol = 0x9b00;
    }

    /// <summary>As in kallsyms_offsets: absolute ones as they are, others counted down from -1.</summary>
    private int Offset(ulong address)
    {
        if (!IsAbsolute) return (int)(address - Base);
        return address < Base ? (int)address : (int)(Base - 1 - address);
    }

    private static byte[] Head(params (int Start, int Size)[] pieces)
    {
        var note = CoreInfo();
        var (noteAt, rowAt) = (64 + (56 * (pieces.Length + 1)), 64 + 56);
        var head = new byte[pieces.Length == 1 ? Segment : noteAt + note.Length];
        var offset = head.Length;
        "\u007fELF"u8.CopyTo(head);
        BinaryPrimitives.WriteInt64LittleEndian(head.AsSpan(32), 64);
        BinaryPrimitives.WriteInt16LittleEndian(head.AsSpan(56), (short)(pieces.Length + 1));
        Program(head.AsSpan(64), 4, noteAt, 0, note.Length);
        note.CopyTo(head, noteAt);
        foreach (var (start, size) in pieces)
        {
            Program(head.AsSpan(rowAt), 1, offset, Base + (ulong)start, size);
            rowAt += 56;
            offset += size;
        }

        return head;
    }

    /// <summary>The note VMCOREINFO, with where the kernel's own tables are.</summary>
    private static byte[] CoreInfo()
    {
        (string Name, int At)[] symbols =
        [
            ("_stext", 0),
            ("init_uts_ns", UtsNamespace),
            ("swapper_pg_dir", PageTable),
            ("kallsyms_names", Names),
            ("kallsyms_num_syms", Numbers),
            ("kallsyms_token_table", Tokens),
            ("kallsyms_token_index", TokenIndex),
            ("kallsyms_offsets", Offsets),
            ("kallsyms_relative_base", Numbers + 8),
        ];
        var lines = symbols.Select(s => $"SYMBOL({s.Name})={Base + (ulong)s.At:x}\n").Prepend("OSRELEASE=6.12.0\n");
        var text = Encoding.ASCII.GetBytes(string.Concat(lines));
        byte[] other = [5, 0, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0, .. "CORE\0\0\0\0"u8, 1, 2, 3, 4];
        byte[] head = [11, 0, 0, 0, .. BitConverter.GetBytes(text.Length), 0, 0, 0, 0, .. "VMCOREINFO\0\0"u8];
        return [.. other, .. head, .. text];
    }

    private static void Program(Span<byte> row, int type, long offset, ulong address, long size)
    {
        BinaryPrimitives.WriteInt32LittleEndian(row, type);
        BinaryPrimitives.WriteInt64LittleEndian(row[8..], offset);
        BinaryPrimitives.WriteUInt64LittleEndian(row[16..], address);
        BinaryPrimitives.WriteInt64LittleEndian(row[32..], size);
        BinaryPrimitives.WriteInt64LittleEndian(row[40..], size);
    }

    private void WriteTokens()
    {
        var at = 0;
        for (var i = 0; i < 256; i++)
        {
            BinaryPrimitives.WriteUInt16LittleEndian(_memory.AsSpan(TokenIndex + (i * 2)), (ushort)at);
            var token = i == Token ? "_show"u8.ToArray() : i is > 32 and < 127 ? [(byte)i] : [];
            token.CopyTo(_memory, Tokens + at);
            at += token.Length + 1;
        }
    }

    private void WriteRecords()
    {
        var first = _groups.Count == 0 ? 0 : Base + FirstGroup;
        BinaryPrimitives.WriteUInt64LittleEndian(_memory.AsSpan(Numbers + 16), first);
        var record = Records;
        for (var i = 0; i < _groups.Count; i++)
        {
            var group = _memory.AsSpan(FirstGroup + (i * 24));
            var next = i == _groups.Count - 1 ? 0 : Base + FirstGroup + ((ulong)(i + 1) * 24);
            BinaryPrimitives.WriteUInt64LittleEndian(group, next);
            BinaryPrimitives.WriteUInt64LittleEndian(group[8..], Base + (ulong)record);
            BinaryPrimitives.WriteInt32LittleEndian(group[16..], _groups[i].Length);
            foreach (var place in _groups[i])
            {
                BinaryPrimitives.WriteUInt64LittleEndian(_memory.AsSpan(record), place);
                record += 16;
            }
        }
    }

    private static byte[] Pack(string name)
    {
        var packed = Encoding.ASCII.GetBytes(name.Replace("_show", ((char)0x7f).ToString(), StringComparison.Ordinal));
        packed.AsSpan().Replace((byte)0x7f, Token);
        return [(byte)packed.Length, .. packed];
    }
}
