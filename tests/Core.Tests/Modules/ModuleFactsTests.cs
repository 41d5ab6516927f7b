using LivepatchAgent.Core.Modules;

namespace LivepatchAgent.Core.Tests.Modules;

/// <summary>modinfo, struct module, symbol versions: what is told, and what is refused.</summary>
public sealed class ModuleFactsTests
{
    private const string Name = "name=test_patch\0", Vermagic = "vermagic=6.19.0 SMP \0";

    [Fact]
    public void Read_RealLivepatch_TellsTheCrcOfEachNeededSymbol()
    {
        foreach (var name in new[] { Corpus.CmdlineV2, Corpus.CmdlineV2Older })
        {
            var facts = ModuleReader.Read(Corpus.Module(name)).Value;

            Assert.NotNull(facts.SymbolVersions);
            Assert.Equal(
                facts.NeededSymbols.Append("module_layout").Order(StringComparer.Ordinal),
                facts.SymbolVersions.Select(v => v.Name).Order(StringComparer.Ordinal));
            Assert.All(facts.SymbolVersions, v => Assert.NotEqual(0u, v.Crc));
            Assert.Null(facts.ExtendedSymbolVersions);
            Assert.Equal(0, facts.TrailingBytes);
        }
    }

    /// <summary>
    /// As /sys/module and the kernel's own headers have it: 1280 bytes on Debian's 6.12, 896 on its 6.1 (cloud, amd64).
    /// </summary>
    [Theory]
    [InlineData(Corpus.CmdlineV2, 1280)]
    [InlineData(Corpus.CmdlineV2Older, 896)]
    public void Read_RealLivepatch_TellsTheSizeOfStructModule(string file, long size) =>
        Assert.Equal(size, ModuleReader.Read(Corpus.Module(file)).Value.ThisModuleSize);

    [Theory]
    [InlineData(62, false)]
    [InlineData(22, true)]
    public void Read_SymbolVersions_OfBothKinds(ushort machine, bool isBigEndian)
    {
        var longName = new string('x', 100);
        var builder = ElfBuilder.Livepatch(machine, isBigEndian).Words(
            "__versions", ElfBuilder.Alloc, 0xd272d446, 0, 0, 0, 0, 0, 0, 0);
        var file = builder.HalfWords("__version_ext_crcs", ElfBuilder.Alloc, 0xd272d446, 7).Text(
            "__version_ext_names", ElfBuilder.Alloc, $"kfree\0{longName}\0\0").Build();
        "kfree"u8.CopyTo(
            file.AsSpan(
                file.AsSpan().IndexOf(
                    isBigEndian
                        ? [0, 0, 0, 0, 0xd2, 0x72, 0xd4, 0x46]
                        : (ReadOnlySpan<byte>)[0x46, 0xd4, 0x72, 0xd2, 0, 0, 0, 0]) + 8));
        var facts = ModuleReader.Read(file).Value;

        Assert.Equal([new SymbolVersion("kfree", 0xd272d446)], facts.SymbolVersions);
        Assert.Equal(
            [new SymbolVersion("kfree", 0xd272d446), new SymbolVersion(longName, 7)], facts.ExtendedSymbolVersions);
    }

    /// <summary>Rows as long as their names, as in Ubuntu's kernels.</summary>
    [Theory]
    [InlineData(62, false, 0x92997ed8)]
    [InlineData(22, true, 0x92997ed8)]
    [InlineData(62, false, 0)]
    public void Read_SymbolVersionsOfAnyLength_TellsEach(ushort machine, bool isBigEndian, uint first)
    {
        var longName = new string('x', 100);
        SymbolVersion[] versions = [new("_printk", first), new(longName, 7), new("kfree", 0xd272d446)];
        var facts = ModuleReader.Read(SampleModules.VersionsOfAnyLength(machine, isBigEndian, versions)).Value;

        Assert.Equal(versions, facts.SymbolVersions);
    }

    public static TheoryData<string, string> Malformed => new()
    {
        { "row beyond", "its __versions is malformed" },
        { "row within its head", "its __versions is malformed" },
        { "row's name not ended", "its __versions is malformed" },
        { "crc too large", "its __versions is malformed" },
        { "name not ended", "its __versions is malformed" },
        { "crcs alone", "it has only one of __version_ext_crcs and __version_ext_names" },
        { "names alone", "it has only one of __version_ext_crcs and __version_ext_names" },
        { "fewer names", "its __version_ext_names has fewer names than __version_ext_crcs has numbers" },
        { "two struct modules", "it has more than one .gnu.linkonce.this_module" },
        { "struct module not allocated", "its .gnu.linkonce.this_module is not an allocated section with content" },
        { "other name in struct module", "it names itself test_patch in its modinfo and other in its struct module" },
        { "modinfo not ended", "its .modinfo ends within an entry" },
        { "no vermagic", "its modinfo has no vermagic" },
    };

    [Theory]
    [MemberData(nameof(Malformed))]
    public void Read_Malformed_IsRefusedWithTheReason(string what, string reason)
    {
        var plain = ElfBuilder.Livepatch();
        var builder = what switch
        {
            "crc too large" => plain.Words("__versions", ElfBuilder.Alloc, 0x1_0000_0000, 0, 0, 0, 0, 0, 0, 0),
            "name not ended" => plain.Words(
                "__versions", ElfBuilder.Alloc, [1, .. Enumerable.Repeat(ulong.MaxValue, 7)]),
            "row beyond" => plain.HalfWords("__versions", ElfBuilder.Alloc, 16, 7, 0x41, 0, 28, 7, 0x41, 0, 0, 0),
            "row within its head" => plain.HalfWords("__versions", ElfBuilder.Alloc, 8, 7, 0x41, 0),
            "row's name not ended" => plain.HalfWords("__versions", ElfBuilder.Alloc, 12, 7, 0x41414141, 0, 0),
            "crcs alone" => plain.HalfWords("__version_ext_crcs", ElfBuilder.Alloc, 1),
            "names alone" => plain.Text("__version_ext_names", ElfBuilder.Alloc, "a\0"),
            "fewer names" => plain.HalfWords("__version_ext_crcs", ElfBuilder.Alloc, 1, 2).Text(
                "__version_ext_names", ElfBuilder.Alloc, "a\0"),
            "two struct modules" => plain.Add(
                ".gnu.linkonce.this_module", ElfBuilder.Data, ElfBuilder.ThisModule("test_patch")),
            "struct module not allocated" => new ElfBuilder().Text(".modinfo", ElfBuilder.Alloc, Name + Vermagic).Add(
                ".gnu.linkonce.this_module", 0, ElfBuilder.ThisModule("test_patch")),
            "other name in struct module" => new ElfBuilder().Text(".modinfo", ElfBuilder.Alloc, Name + Vermagic).Add(
                ".gnu.linkonce.this_module", ElfBuilder.Data, ElfBuilder.ThisModule("other")),
            "modinfo not ended" => ElfBuilder.Livepatch(modinfo: Name + Vermagic + "license=GPL"),
            "no vermagic" => ElfBuilder.Livepatch(modinfo: Name),
            _ => throw new ArgumentOutOfRangeException(nameof(what)),
        };

        var problem = ModuleReader.Read(builder.Build()).Problem;
        Assert.Equal(ProblemCode.ModuleMalformed, problem?.Code);
        Assert.Contains(reason, problem!.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Read_RepeatedModinfo_IsReported()
    {
        const string repeated = "vermagic=6.1.0 SMP \0author=a\0author=b\0license=GPL\0license=MIT\0";
        var facts = ModuleReader.Read(ElfBuilder.Livepatch(modinfo: Name + Vermagic + repeated).Build()).Value;

        Assert.Equal(["vermagic", "license"], facts.RepeatedModinfo);
        Assert.Equal("6.19.0", facts.KernelRelease);
        var text = ModuleText.Of(facts);
        Assert.Contains("modinfo:       vermagic=6.1.0 SMP \n", text, StringComparison.Ordinal);
        Assert.Contains("more than one vermagic, license in modinfo", text, StringComparison.Ordinal);
    }

    /// <summary>
    /// What is kept of a file is paid from its size, and each of these is made of what costs most of one kind.
    /// </summary>
    [Theory]
    [InlineData("pointers")]
    [InlineData("sections")]
    [InlineData("states")]
    [InlineData("objects")]
    [InlineData("functions")]
    [InlineData("modinfo")]
    [InlineData("needed symbols")]
    [InlineData("unsafe names")]
    [InlineData("versions")]
    [InlineData("relocation sections")]
    public void Read_FileOfOneKindOfThing_CostsAboutItsSize(string kind)
    {
        Fuzz.ModuleTargets.Module(SampleModules.Relocations()); // what is made once a process is no file's cost
        Assert.Null(Record.Exception(() => Fuzz.ModuleTargets.Module(HostileModules.Of(kind))));
    }
}
