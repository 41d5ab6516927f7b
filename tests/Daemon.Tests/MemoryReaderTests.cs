using System.Buffers.Binary;
using System.Text;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Daemon.Kernel;
using LivepatchAgent.Daemon.Tests.Surroundings;

namespace LivepatchAgent.Daemon.Tests;

/// <summary>Readers of the kernel's memory where it says what cannot be, or changes while it is read.</summary>
public sealed class MemoryReaderTests
{
    private const ulong Base = 0xffffffff81000000;
    private const int Start = 64 + 56;

    /// <summary>Of <see cref="Module"/>.</summary>
    private const int RowsAt = 56, NamesAt = RowsAt + 72;

    [Fact]
    public void Read_BehindTheEndOfAllFiles_IsNothing()
    {
        using var root = new FakeRoot();
        root.Write("proc/kcore", "");
        var file = Core(new byte[64]);
        BinaryPrimitives.WriteInt64LittleEndian(file.AsSpan(64 + 8), long.MaxValue - 4);
        BinaryPrimitives.WriteUInt64LittleEndian(file.AsSpan(64 + 40), ulong.MaxValue);
        File.WriteAllBytes(root.Path("proc/kcore"), file);
        using var memory = KernelMemory.Open(root.Paths.KernelMemory)!;
        var bytes = new byte[16];
        foreach (var at in new[] { Base, Base + 3, Base + 4, Base + 0x1000, ulong.MaxValue })
            Assert.Equal(0, memory.Read(at, bytes));
    }

    [Fact]
    public void Open_OfAFileWithManyNotes_ReadsOne()
    {
        const int Notes = 512, Size = 64 * 1024;
        var file = new byte[64 + (Notes * 56) + Size];
        Core([]).AsSpan(0, 64).CopyTo(file);
        BinaryPrimitives.WriteUInt16LittleEndian(file.AsSpan(56), Notes);
        for (var i = 0; i < Notes; i++)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(file.AsSpan(64 + (i * 56)), 4);
            BinaryPrimitives.WriteInt64LittleEndian(file.AsSpan(64 + (i * 56) + 32), Size);
        }

        Assert.InRange(Cost(() => Memory(file).Dispose()), 0, 1 << 20);
    }

    [Fact]
    public void Module_WhoseNamesAreNotThere_TakesNoMemoryForThem()
    {
        using var memory = Memory(Core(Module(nameAt: 60 << 20)));
        Assert.InRange(Cost(() => Assert.Null(ModuleMemory.Read(memory, Base, IsWanted))), 0, 1 << 20);
    }

    [Fact]
    public void Module_WithManyNames_IsRead()
    {
        const int Far = 300_000;
        var module = Module(nameAt: Far);
        using var memory = Memory(Core([.. module, .. new byte[NamesAt + Far - module.Length], .. "wanted\0"u8]));
        Assert.Equal([("wanted", Base + 0x100)], ModuleMemory.Read(memory, Base, IsWanted)!);
    }

    /// <summary>Its symbols are gone through twice: first for the end of the names, then for the names.</summary>
    [Theory]
    [InlineData(0x40)]
    [InlineData(0xff)]
    public void Module_ThatGoesWhileItIsRead_IsNotUnderstood(byte change)
    {
        for (var after = 1; after < 16; after++)
        {
            var file = Core(Module(nameAt: 15));
            var reads = 0;
            using var memory = new KernelMemory((bytes, offset) =>
            {
                if (reads++ == after) file.AsSpan(Start + RowsAt + 48, 4).Fill(change);
                return Read(file, bytes, offset);
            });
            _ = ModuleMemory.Read(memory, Base, IsWanted);
        }
    }

    [Fact]
    public void Namespaces_FarFromEachOther_AreReadInPieces()
    {
        const int Row = 12, Gap = 200_000;
        var places = new[] { 48, 300, 64 * 1024, 64 * 1024 + 100, Gap - 4 };
        var bytes = new byte[Gap];
        for (var i = 0; i < places.Length; i++)
        {
            var offset = (Row * i) + 8;
            if (i > 0) BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(offset), places[i] - offset);
            if (i > 0) Encoding.ASCII.GetBytes($"N{i}").CopyTo(bytes, places[i]);
        }

        var rows = Enumerable.Range(0, places.Length);
        var addresses = rows.ToDictionary(i => $"__ksymtab_{i}", i => Base + (ulong)(Row * i));
        addresses["__start___ksymtab"] = Base;
        addresses["__stop___ksymtab"] = Base + (ulong)(Row * places.Length);
        using var memory = Memory(Core(bytes));
        var namespaces = ExportTable.Namespaces(memory, addresses)!
            .OrderBy(n => n.Key, StringComparer.Ordinal).Select(n => (n.Key, n.Value));
        Assert.Equal([("1", "N1"), ("2", "N2"), ("3", "N3"), ("4", "N4")], namespaces);

        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(Row + 8), 8 << 20);
        using var beyond = Memory(Core(bytes));
        Assert.InRange(Cost(() => Assert.Null(ExportTable.Namespaces(beyond, addresses))), 0, 1 << 20);
    }

    [Fact]
    public void Exports_OfATableThatIsNotThere_TakeNoMemoryForIt()
    {
        using var memory = Memory(Core(new byte[64]));
        var addresses = new Dictionary<string, ulong>
        {
            ["__ksymtab_a"] = Base,
            ["__ksymtab_b"] = Base + 1_000_000,
            ["__start___ksymtab"] = Base,
            ["__stop___ksymtab"] = Base + 1_200_000,
            ["__start___kcrctab"] = Base + 32,
        };
        Assert.InRange(Cost(() => Assert.Null(ExportTable.Namespaces(memory, addresses))), 0, 256 << 10);
        Assert.InRange(Cost(() => Assert.Equal(["a"], ExportTable.Crcs(memory, addresses)!.Keys)), 0, 256 << 10);
    }

    [Theory]
    [InlineData(2, true)]
    [InlineData(3, false)]
    public void Patches_WithManyStatesInAll_AreNotBelieved(int patches, bool isRead)
    {
        const int Patch = 48, Module = 80, States = 2000, List = 32;
        var bytes = new byte[16 + (patches * (Patch + Module)) + ((States + 1) * 24)];
        var states = Base + (ulong)(16 + (patches * (Patch + Module)));
        ulong At(int i) => i < 0 || i == patches ? Base : Base + 16 + (ulong)(i * Patch) + List;
        void Write(ulong at, ulong value) =>
            BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan((int)(at - Base)), value);
        Write(Base, At(0));
        for (var i = 0; i < patches; i++)
        {
            var module = Base + 16 + (ulong)((patches * Patch) + (i * Module));
            Write(At(i) - List, module);
            Write(At(i) - List + 16, states);
            Write(At(i), At(i + 1));
            Write(At(i) + 8, At(i - 1));
            Encoding.ASCII.GetBytes($"p{i}").CopyTo(bytes, (int)(module - Base) + 24);
        }

        for (var i = 0; i < States; i++) Write(states + (ulong)(i * 24), 7);
        using var memory = Memory(Core(bytes));
        var shown = Enumerable.Range(0, patches).Select(i => new LoadedPatch($"p{i}", true, false, true, [])).ToList();
        var addresses = new Dictionary<string, ulong> { [PatchList.Symbol] = Base };
        var read = PatchList.Read(memory, addresses, shown);
        Assert.Equal(isRead, read?.Values.All(s => s.Count == States) == true);
    }

    /// <summary>
    /// Of struct module what matters, its symbols, their names: <c>__this_module</c>, and one that is wanted at a
    /// place.
    /// </summary>
    private static byte[] Module(int nameAt)
    {
        var head = Words(7, Base + 8, Base + 16 + 8, Base + RowsAt, 3, Base + NamesAt, 0);
        var symbols = Words(0, 0, 0, 1, Base, 0, (ulong)nameAt, Base + 0x100, 0);
        return [.. head, .. symbols, .. "\0__this_module\0wanted\0"u8];
    }

    private static byte[] Words(params ulong[] words) => [.. words.SelectMany(BitConverter.GetBytes)];

    private static bool IsWanted(ReadOnlySpan<byte> name, out string text)
    {
        text = Encoding.UTF8.GetString(name);
        return text == "wanted";
    }

    private static long Cost(Action action)
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        action();
        return GC.GetAllocatedBytesForCurrentThread() - before;
    }

    /// <summary>A core file whose one segment is this.</summary>
    private static byte[] Core(byte[] memory)
    {
        var head = new byte[Start];
        "\u007fELF"u8.CopyTo(head);
        BinaryPrimitives.WriteInt64LittleEndian(head.AsSpan(32), 64);
        BinaryPrimitives.WriteUInt16LittleEndian(head.AsSpan(56), 1);
        BinaryPrimitives.WriteUInt32LittleEndian(head.AsSpan(64), 1);
        BinaryPrimitives.WriteInt64LittleEndian(head.AsSpan(64 + 8), Start);
        BinaryPrimitives.WriteUInt64LittleEndian(head.AsSpan(64 + 16), Base);
        BinaryPrimitives.WriteInt64LittleEndian(head.AsSpan(64 + 40), memory.Length);
        return [.. head, .. memory];
    }

    private static KernelMemory Memory(byte[] file) => new((bytes, offset) => Read(file, bytes, offset));

    private static int Read(byte[] file, Span<byte> bytes, long offset)
    {
        var rest = file.AsSpan((int)Math.Min(offset, file.Length));
        var length = Math.Min(bytes.Length, rest.Length);
        rest[..length].CopyTo(bytes);
        return length;
    }
}
