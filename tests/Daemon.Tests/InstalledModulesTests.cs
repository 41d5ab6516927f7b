using System.IO.Compression;
using System.Net;
using System.Runtime.InteropServices;
using LivepatchAgent.Core.Agent;
using LivepatchAgent.Core.Modules;
using LivepatchAgent.Daemon.Kernel;
using LivepatchAgent.Daemon.Tests.Surroundings;
using static LivepatchAgent.Daemon.Tests.Surroundings.HostUnderTest;

namespace LivepatchAgent.Daemon.Tests;

/// <summary>Modules that are installed and not loaded: their files say what a livepatch of them will find.</summary>
public sealed partial class InstalledModulesTests
{
    private const string Name = "livepatch_cmdline", Function = "patched_cmdline_proc_show";

    [Theory]
    [InlineData(".ko")]
    [InlineData(".ko.gz")]
    [InlineData(".ko.xz")]
    [InlineData(".ko.zst")]
    public void Collect_OfAModuleThatIsInstalled_ReadsItsFile(string packed)
    {
        using var root = Root();
        var file = Packed(Corpus.Module(Corpus.Cmdline), packed);
        LoadedPatchTests.Install(root, $"extra/livepatch-cmdline{packed}", file);
        var facts = Collect(root, Questions());
        Assert.Equal([Name], facts.InstalledModules!);
        Assert.Equal((1, 0), (facts.CountOf(Name, Function), facts.CountOf(Name, "nowhere")));
        Assert.Equal((1, 0), (facts.TraceableOf(Name, Function), facts.TraceableOf(Name, "patch")));
        Assert.False(facts.IsUnknown(Name));
    }

    [Theory]
    [InlineData("gone", null)]
    [InlineData("empty", "")]
    [InlineData("garbage", "no module")]
    public void Collect_OfAModuleWhoseFileCannotBeRead_SaysSo(string what, string? text)
    {
        Assert.NotEmpty(what);
        using var root = Root();
        LoadedPatchTests.Install(root, $"extra/{Name}.ko", System.Text.Encoding.UTF8.GetBytes(text ?? ""));
        if (text is null) File.Delete(root.Path($"lib/modules/{Workshop.Release}/extra/{Name}.ko"));
        var facts = Collect(root, Questions());
        Assert.Null(facts.CountOf(Name, Function));
        Assert.True(facts.IsUnknown(Name));
    }

    /// <summary>An end that is not there, a length that is not true, a length that no host could hold.</summary>
    [Theory]
    [InlineData(".ko.gz")]
    [InlineData(".ko.xz")]
    [InlineData(".ko.zst")]
    public void Read_OfAPackedFileThatIsDamaged_IsNothing(string packed)
    {
        using var root = new FakeRoot();
        var whole = Packed(Corpus.Module(Corpus.Cmdline), packed);
        Assert.Equal(Corpus.Module(Corpus.Cmdline), Read(root, whole, packed));
        foreach (var length in new[] { 0, 3, 12, whole.Length / 2, whole.Length - 1 })
            Assert.Null(Read(root, whole[..length], packed));
        Assert.Null(Read(root, [.. "no such file"u8, .. new byte[40]], packed));
        for (var at = 0; at < whole.Length; at += 1 + (whole.Length / 200))
        {
            var changed = (byte[])whole.Clone();
            changed[at] ^= 0x41;
            // A change of what only decorates goes unnoticed: nothing wrong comes out.
            if (Read(root, changed, packed) is not { } read || packed == ".ko.zst") continue;
            Assert.Equal(Corpus.Module(Corpus.Cmdline), read);
        }
    }

    [Theory]
    [InlineData(".ko")]
    [InlineData(".ko.gz")]
    [InlineData(".ko.xz")]
    [InlineData(".ko.zst")]
    public void Read_OfAFileTooLargeForTheDaemon_TakesNoMemoryForIt(string packed)
    {
        using var root = new FakeRoot();
        var file = Packed(new byte[CompressedModule.MaxSize + 1], packed);
        var before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Null(Read(root, file, packed));
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1 << 20);
    }

    /// <summary>A few bytes that say that they were 60 MiB, or do not say how many they were.</summary>
    [Theory]
    [InlineData(".gz", "1f8b0800000000000003030000000000" + "0000c003")]
    [InlineData(".zst", "28b52ffd" + "a0" + "0000c003" + "010000")]
    [InlineData(".zst", "28b52ffd" + "0050" + "010000")]
    public void Unpack_OfAFileThatSaysTooMuch_TakesNoMemoryForIt(string packed, string file)
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        _ = CompressedModule.Unpack(Convert.FromHexString(file), packed);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1 << 20);
    }

    [Fact]
    public void List_WithWhatIsNoPath_LeavesItOut()
    {
        using var root = new FakeRoot();
        // A line with a zero; one that is longer than any, whose end looks like another.
        var (x, y) = (new string('x', 70_000), new string('y', 70_000));
        root.Write("modules.dep", $"kernel/a\0b/zero.ko:\n{x}/end.ko:\nkernel/fs/good.ko:\n{y}/last.ko:");
        root.Write("modules.builtin", "");
        var modules = new InstalledModules(root.Folder, null);
        Assert.Equal(["good"], modules.Names!);
        Assert.Null(modules.File("zero"));
    }

    [Fact]
    public void Read_OfAFilePackedThroughAPipe_HasItWhole()
    {
        using var root = new FakeRoot();
        var plain = Corpus.Module(Corpus.Cmdline);
        // A frame whose header says no length (RFC 8878): one segment of the window's size instead,
        // blocks that are not packed.
        List<byte> frame = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x50];
        foreach (var chunk in plain.Chunk(64 << 10))
        {
            var header = ((uint)chunk.Length << 3) | (chunk.Length < 64 << 10 ? 1u : 0u);
            frame.AddRange([(byte)header, (byte)(header >> 8), (byte)(header >> 16), .. chunk]);
        }

        Assert.NotEqual(0, plain.Length % (64 << 10));
        Assert.Equal(plain, Read(root, [.. frame], ".ko.zst"));
    }

    [Fact]
    public void Collect_OfAModuleThatIsBuiltIn_KnowsThatItNeverComes()
    {
        using var root = Root();
        root.Write($"lib/modules/{Workshop.Release}/modules.dep", "");
        root.Write($"lib/modules/{Workshop.Release}/modules.builtin", $"kernel/{Name}.ko\n");
        var facts = Collect(root, Questions());
        Assert.Equal([Name], facts.InstalledModules!);
        Assert.Equal([Name], facts.BuiltInModules!);
        Assert.False(facts.IsUnknown(Name));
    }

    [Fact]
    public async Task Facts_OfAnObjectThatIsAskedFor_HaveItsFile()
    {
        await using var host = await EnrolledAsync(Workshop.Patch(1));
        var folder = $"lib/modules/{Workshop.Release}";
        host.Write("proc/modules", "");
        host.Write($"{folder}/modules.dep", $"extra/{Name}.ko:\n");
        host.Write($"{folder}/extra/{Name}.ko", "");
        var installed = Path.Combine(host.Paths.InstalledModules(Workshop.Release), $"extra/{Name}.ko");
        File.WriteAllBytes(installed, Corpus.Module(Corpus.Cmdline));
        await host.StartSocketAsync();
        using var root = Person.Of(host.Paths.Socket);
        Assert.Null((await FactsAsync("")).InstalledSymbols);
        Assert.Equal(1, (await FactsAsync("?object=livepatch-cmdline&object=nosuch")).CountOf(Name, Function));
        var objects = string.Join('&', Enumerable.Range(0, 65).Select(n => $"object=m{n}"));
        using var tooMany = await root.GetAsync("/v1/facts?" + objects, Ct);
        Assert.Equal(HttpStatusCode.BadRequest, tooMany.StatusCode);

        async Task<HostFacts> FactsAsync(string query) =>
            PreflightJson.ReadFacts(await root.GetByteArrayAsync("/v1/facts" + query, Ct), "f").Value;
    }

    private static byte[]? Read(FakeRoot root, byte[] file, string packed)
    {
        var path = root.Path("file" + packed);
        File.WriteAllBytes(path, file);
        return CompressedModule.Read(path);
    }

    private static HostFacts Collect(FakeRoot root, HostQuestions questions) =>
        new HostFactsCollector(root.Paths, new HostObserver(root.Paths, TimeProvider.System)).Collect(questions);

    private static HostQuestions Questions() => new(
        Names: new HashSet<string>(),
        Functions: new HashSet<string> { Function },
        Objects: new HashSet<string> { Name },
        Exports: new HashSet<string>(),
        Signers: []);

    private static FakeRoot Root()
    {
        var root = new FakeRoot();
        root.Write("proc/sys/kernel/osrelease", Workshop.Release + "\n");
        root.Write("proc/modules", "ext4 1024000 1 - Live 0xffffffffc0a41000\n");
        return root;
    }

    private static byte[] Packed(byte[] plain, string as_)
    {
        switch (as_)
        {
            case ".ko.gz":
                using (var stream = new MemoryStream())
                {
                    using (var gzip = new GZipStream(stream, CompressionLevel.Fastest, leaveOpen: true))
                        gzip.Write(plain);
                    return stream.ToArray();
                }

            case ".ko.xz":
                var room = new byte[plain.Length + 4096];
                nuint written = 0;
                var answer = LzmaEncode(6, Crc32, 0, plain, (nuint)plain.Length, room, ref written, (nuint)room.Length);
                Assert.Equal(0, answer);
                return room[..(int)written];
            case ".ko.zst":
                room = new byte[plain.Length + 4096];
                return room[..(int)ZstdCompress(room, (nuint)room.Length, plain, (nuint)plain.Length, 1)];
            default:
                return plain;
        }
    }

    private const int Crc32 = 1;

    [LibraryImport("liblzma.so.5", EntryPoint = "lzma_easy_buffer_encode")]
    private static partial int LzmaEncode(
        uint preset,
        int check,
        nint allocator,
        byte[] plain,
        nuint size,
        [Out] byte[] packed,
        ref nuint written,
        nuint room);

    [LibraryImport("libzstd.so.1", EntryPoint = "ZSTD_compress")]
    private static partial nuint ZstdCompress([Out] byte[] packed, nuint room, byte[] plain, nuint size, int level);
}
