using System.Buffers.Binary;
using LivepatchAgent.Core.Modules;

namespace LivepatchAgent.Core.Tests.Modules;

/// <summary>Each fault of a relocation that a kernel refuses, or crashes with, made in a file that has none.</summary>
public sealed class LivepatchRelocationTests
{
    private const int Text = 3, Symbol = 2, ModuleSymbol = 4, Ordinary = 5, Malformed = 6;
    private const ulong Marked = 0x0010_0042, Allocated = 0x42;

    private sealed record Case(
        RelocationFaultKind? Kind,
        string Section = ".klp.rela.vmlinux..text",
        ulong Flags = Marked,
        ulong Place = 4,
        uint Type = 2,
        uint Index = Symbol,
        uint Info = Text,
        string Target = ".text",
        byte Fill = 0,
        int Cut = 0);

    private static readonly Case[] Cases =
    [
        new(null),
        new(null, Flags: 0x0010_0040), // without SHF_ALLOC: harmless for vmlinux
        new(null, ".klp.rela.ext4..text", Index: ModuleSymbol),
        new(
            null,
            ".klp.rela.jbd2..text",
            Index: ModuleSymbol), // of a module that the patched one depends on: the kernel looks it up
        new(null, ".klp.rela.vmlinux", Index: Symbol),
        new(null, ".klp.rela.vmlinux.__jump_table", Target: "__jump_table"),
        new(null, Place: 12),
        new(null, Fill: 1, Type: 0),
        new(RelocationFaultKind.NameMalformed, ".klp.rela."),
        new(RelocationFaultKind.NameMalformed, ".text.klp"),
        new(
            RelocationFaultKind.NameMalformed,
            ".klp.rela." + "x123456789x123456789x123456789x123456789x123456789x12345.text"),
        new(RelocationFaultKind.NotMarked, Flags: Allocated),
        new(RelocationFaultKind.NotAllocated, ".klp.rela.ext4..text", Flags: 0x0010_0040, Index: ModuleSymbol),
        new(RelocationFaultKind.TargetMissing, Info: 999),
        new(RelocationFaultKind.TargetMissing, Info: 0),
        new(RelocationFaultKind.EntriesMalformed, Cut: 1),
        new(RelocationFaultKind.SymbolOutOfRange, Index: 7),
        new(RelocationFaultKind.SymbolOutOfRange, Index: uint.MaxValue),
        new(RelocationFaultKind.SymbolNotLivepatch, Index: Ordinary),
        new(RelocationFaultKind.SymbolNotLivepatch, Index: 1),
        new(RelocationFaultKind.SymbolNameMalformed, Index: Malformed),
        new(RelocationFaultKind.KernelSymbolInModuleSection, ".klp.rela.ext4..text"),
        new(RelocationFaultKind.SymbolOfOtherObject, Index: ModuleSymbol),
        new(RelocationFaultKind.PlaceOutOfTarget, Place: 13),
        new(RelocationFaultKind.PlaceOutOfTarget, Place: ulong.MaxValue),
        new(RelocationFaultKind.PlaceNotZero, Fill: 1),
        new(RelocationFaultKind.TypeUnknown, Type: 99),
        new(
            RelocationFaultKind.ReadTooEarly,
            ".klp.rela.ext4.__jump_table",
            Index: ModuleSymbol,
            Target: "__jump_table"),
        new(
            RelocationFaultKind.ReadTooEarly,
            ".klp.rela.ext4..altinstructions",
            Index: ModuleSymbol,
            Target: ".altinstructions"),
        new(RelocationFaultKind.LivepatchSymbolInOrdinarySection, ".rela.text", Flags: Allocated),
        new(
            null,
            ".rela__klp_relocs",
            Flags: Allocated,
            Type: 1,
            Place: 8,
            Target: "__klp_relocs"), // what klp-build's list of its own says
        new(null, ".rela__klp_relocs.ext4", Flags: Allocated, Type: 1, Place: 8, Target: "__klp_relocs.ext4"),
        new(
            RelocationFaultKind.LivepatchSymbolInOrdinarySection,
            ".rela__klp_relocation",
            Flags: Allocated,
            Type: 1,
            Place: 8,
            Target: "__klp_relocation"),
        new(RelocationFaultKind.SymbolOutOfRange, ".rela.text", Flags: Allocated, Index: 7),
        new(RelocationFaultKind.PlaceOutOfTarget, ".rela.text", Flags: Allocated, Index: Ordinary, Place: 16),
        new(RelocationFaultKind.PlaceNotZero, ".rela.text", Flags: Allocated, Index: Ordinary, Fill: 9),
        new(RelocationFaultKind.TypeUnknown, ".rela.text", Flags: Allocated, Index: Ordinary, Type: 99),
        new(RelocationFaultKind.TargetMissing, ".rela.text", Flags: Allocated, Index: Ordinary, Info: 999),
        new(null, ".rela.text", Flags: Allocated, Index: Ordinary),
    ];

    public static TheoryData<int, string> Rows()
    {
        var rows = new TheoryData<int, string>();
        for (var i = 0; i < Cases.Length; i++) rows.Add(i, Cases[i].ToString());
        return rows;
    }

    [Theory]
    [MemberData(nameof(Rows))]
    public void Read_WithThisRelocation_FindsThis(int row, string what)
    {
        var c = Cases[row];
        var faults = ModuleReader.Read(File(c)).Value.RelocationFaults;
        Assert.True(
            c.Kind is null ? faults.Count == 0 : faults.Any(f => f.Kind == c.Kind && f.Section == c.Section),
            $"{what}: {string.Join("; ", faults)}");
        // A fault of another kind would hide behind this one.
        var bringsAnother = c.Kind is RelocationFaultKind.NameMalformed or RelocationFaultKind.NotMarked
            or RelocationFaultKind.EntriesMalformed;
        Assert.True(faults.Count <= 1 || bringsAnother, string.Join("; ", faults));
    }

    [Fact]
    public void Read_ManyFaultsOfAKind_AreOneWithTheirCount()
    {
        var rows = Enumerable.Range(0, 1000).SelectMany(_ => Entry(4, 2, 9)).ToArray();
        var fault = Assert.Single(ModuleReader.Read(File(new Case(null), rows)).Value.RelocationFaults);
        Assert.Equal((RelocationFaultKind.SymbolOutOfRange, 1000, "symbol 9"), (fault.Kind, fault.Count, fault.Detail));
    }

    [Theory]
    [InlineData(Corpus.Cmdline)]
    [InlineData(Corpus.CmdlineSigned)]
    [InlineData(Corpus.CmdlineV2)]
    [InlineData(Corpus.CmdlineV2Older)]
    public void Read_RealLivepatch_HasNoFault(string file) =>
        Assert.Empty(ModuleReader.Read(Corpus.Module(file)).Value.RelocationFaults);

    private static byte[] File(Case c, byte[]? rows = null)
    {
        rows ??= Entry(c.Place, c.Type, c.Index);
        var target = new byte[16];
        if (c.Fill != 0) Array.Fill(target, c.Fill);
        var file = TestElf.Livepatch(
            symbols:
            [
                (
                    ".klp.sym.vmlinux.si_swapinfo,0",
                    0xff20), (
                        ".klp.sym.vmlinux.other,1",
                        0xff20), (
                            ".klp.sym.ext4.ext4_sops,0",
                            0xff20), ("ordinary", Text), (".klp.sym.vmlinux.no_position", 0xff20),
            ],
            sections: [(c.Target, 1, 6, target), (c.Section, 4, c.Flags, rows[..^c.Cut])]);
        SetInfo(file, Text + 1, c.Info);
        return file;
    }

    private static byte[] Entry(ulong place, uint type, uint symbol)
    {
        var row = new byte[24];
        BinaryPrimitives.WriteUInt64LittleEndian(row, place);
        BinaryPrimitives.WriteUInt64LittleEndian(row.AsSpan(8), ((ulong)symbol << 32) | type);
        return row;
    }

    private static void SetInfo(byte[] file, int section, uint info) =>
        BinaryPrimitives.WriteUInt32LittleEndian(
            file.AsSpan((int)BinaryPrimitives.ReadUInt64LittleEndian(file.AsSpan(40)) + (section * 64) + 44), info);
}
