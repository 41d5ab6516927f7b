using LivepatchAgent.Core.Modules;

namespace LivepatchAgent.Core.Tests.Modules;

/// <summary>What __mcount_loc lists, beside the code that is there. No kernel loads any of these.</summary>
public sealed class CallSiteReaderTests
{
    private const string Modinfo = "name=test_patch\0livepatch=Y\0vermagic=6.12.0-nowhere SMP \0";

    private const uint Absolute = 1, Pc32 = 2, Plt32 = 4;

    private const ulong LivepatchRela = 0x0010_0042;

    private static readonly byte[] Call = [0xe8, 0, 0, 0, 0], NoOp = [0x0f, 0x1f, 0x44, 0, 0], Ret =
    [
        0xc3, 0xcc, 0xcc, 0xcc, 0xcc,
    ];

    [Fact]
    public void Read_RealLivepatches_HaveNoFault()
    {
        foreach (var name in new[] { Corpus.Cmdline, Corpus.CmdlineSigned, Corpus.CmdlineV2, Corpus.CmdlineV2Older })
        {
            var facts = ModuleReader.Read(Corpus.Module(name)).Value;
            Assert.Empty(facts.CallSiteFaults);
            Assert.Empty(facts.TableFaults);
            Assert.Equal(0, facts.NoOpCallSites);
        }
    }

    [Theory]
    [InlineData(Plt32)]
    [InlineData(Pc32)]
    public void Read_CallOfFentry_IsSound(uint type) =>
        Assert.Empty(Read(Code(Call).Calls("__fentry__", 9, type)).CallSiteFaults);

    /// <summary>
    /// As klp-build refers to a symbol of vmlinux, exported or not: the kernel fills it in before ftrace looks.
    /// </summary>
    [Fact]
    public void Read_CallOfFentryByALivepatchSymbol_IsSound()
    {
        const string Symbol = ".klp.sym.vmlinux.__fentry__,0";
        var builder = Code(Call).Symbol(Symbol, 0xff20).Relocate(
            ".klp.rela.vmlinux..text", ".text", 9, Symbol, Plt32, LivepatchRela, -4);
        Assert.Empty(Read(builder).CallSiteFaults);
    }

    [Fact]
    public void Read_NoOp_IsCounted()
    {
        var facts = Read(Code(NoOp));
        Assert.Empty(facts.CallSiteFaults);
        Assert.Equal(1, facts.NoOpCallSites);
    }

    public static TheoryData<string> NoCalls =>
        [
            "no relocation",
            "another function",
            "another instruction",
            "another addend",
            "an own function",
            "a byte early",
            "a no-op that is changed",
            "no call at all",
        ];

    [Theory]
    [MemberData(nameof(NoCalls))]
    public void Read_PlaceThatIsNoCall_IsAFault(string what)
    {
        var builder = what switch
        {
            "no relocation" => Code(Call),
            "another function" => Code(Call).Calls("schedule", 9),
            "another instruction" => Code([0xe9, 0, 0, 0, 0]).Calls("__fentry__", 9),
            "another addend" => Code(Call).Symbol("__fentry__").Relocate(
                ".rela.text", ".text", 9, "__fentry__", Plt32, addend: -8),
            "an own function" => Code(Call).Symbol("__fentry__", ".text").Relocate(
                ".rela.text", ".text", 9, "__fentry__", Plt32, addend: -4),
            "a byte early" => Code(Call).Calls("__fentry__", 8),
            "a no-op that is changed" => Code(NoOp).Calls("schedule", 9),
            _ => Code(Ret),
        };
        Assert.Equal([new CallSiteFault(CallSiteFaultKind.NoCall, ".text+0x8")], Read(builder).CallSiteFaults);
    }

    public static TheoryData<string, CallSiteFaultKind, string> NoPlaces => new()
    {
        { "data", CallSiteFaultKind.NotInCode, "__mcount_loc+0x8" },
        { "beyond", CallSiteFaultKind.NotInCode, "__mcount_loc+0x8" },
        { "undefined", CallSiteFaultKind.NotInCode, "__mcount_loc+0x8" },
        { "another type", CallSiteFaultKind.NotInCode, "__mcount_loc+0x8" },
        { "an address", CallSiteFaultKind.NotInCode, "__mcount_loc+0x0" },
        { "twice", CallSiteFaultKind.ListedTwice, ".text+0x8" },
    };

    [Theory]
    [MemberData(nameof(NoPlaces))]
    public void Read_EntryThatIsNoPlace_IsAFault(string what, CallSiteFaultKind kind, string place)
    {
        const string List = "__mcount_loc";
        var builder = Code(
            Call,
            what == "an address" ? 0x1000UL : 0).Calls("__fentry__", 9).Symbol("elsewhere").Symbol("data", ".data");
        builder = what switch
        {
            "data" => builder.Pointer(List, 8, ".data", 0),
            "beyond" => builder.Pointer(List, 8, ".text", 60),
            "undefined" => builder.Relocate(".rela" + List, List, 8, "elsewhere", Absolute),
            "another type" => builder.Relocate(".rela" + List, List, 8, "data", Pc32),
            "twice" => builder.Pointer(List, 8, ".text", 8),
            _ => builder,
        };
        Assert.Equal([new CallSiteFault(kind, place)], Read(builder).CallSiteFaults);
    }

    /// <summary>A list of zeros, none at all, and those of other architectures.</summary>
    [Fact]
    public void Read_WhatIsNotUnderstood_IsNoFault()
    {
        Assert.Empty(Read(ElfBuilder.Livepatch(modinfo: Modinfo)).CallSiteFaults);
        Assert.Empty(
            Read(ElfBuilder.Livepatch(modinfo: Modinfo).Words("__mcount_loc", ElfBuilder.Data, 0, 0)).CallSiteFaults);
        var arm = ElfBuilder.Livepatch(183, false, Modinfo)
            .Add(".text", ElfBuilder.Code, new byte[64])
            .Words("__mcount_loc", ElfBuilder.Data, 0, 0)
            .Words("__patchable_function_entries", ElfBuilder.Data, 0)
            .Pointer("__mcount_loc", 0, ".text", 8)
            .Pointer("__patchable_function_entries", 0, ".text", 8);
        Assert.Empty(Read(arm).CallSiteFaults);
    }

    [Fact]
    public void Read_ManyFaults_KeepsTheFirst()
    {
        const int Count = 5000;
        var builder = ElfBuilder.Livepatch(modinfo: Modinfo)
            .Add(".text", ElfBuilder.Code, new byte[Count + 8])
            .Words("__mcount_loc", ElfBuilder.Data, new ulong[Count]);
        for (var i = 0UL; i < Count; i++) builder.Pointer("__mcount_loc", i * 8, ".text", i);
        Assert.Equal(64, Read(builder).CallSiteFaults.Count);
    }

    /// <summary>Code with one place at .text+0x8, and room for a second entry in the list.</summary>
    private static ElfBuilder Code(byte[] bytes, ulong word = 0)
    {
        var code = new byte[64];
        bytes.CopyTo(code, 8);
        var list = new[] { word, 0UL };
        var builder = ElfBuilder.Livepatch(modinfo: Modinfo)
            .Add(".text", ElfBuilder.Code, code)
            .Words(".data", ElfBuilder.Data, 0)
            .Words("__mcount_loc", ElfBuilder.Data, list);
        return word == 0 ? builder.Pointer("__mcount_loc", 0, ".text", 8) : builder;
    }

    private static ModuleFacts Read(ElfBuilder builder) => ModuleReader.Read(builder.Build()).Value;
}

file static class Calling
{
    public static ElfBuilder Calls(this ElfBuilder builder, string function, ulong at, uint type = 4) =>
        builder.Symbol(function).Relocate(".rela.text", ".text", at, function, type, addend: -4);
}
