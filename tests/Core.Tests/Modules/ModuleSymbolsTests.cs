using LivepatchAgent.Core.Modules;

namespace LivepatchAgent.Core.Tests.Modules;

/// <summary>
/// What a module that is not loaded will have when it comes: its names, and which of them ftrace can redirect.
/// </summary>
public sealed class ModuleSymbolsTests
{
    private const ushort X64 = 62, Arm64 = 183, S390 = 22;

    [Fact]
    public void Read_RealModule_HasWhatItDefinesAndWhatCanBeTraced()
    {
        var symbols = ModuleSymbols.Read(Corpus.Module(Corpus.CmdlineSigned))!;
        Assert.Equal(1, symbols.Names["init_module"]);
        Assert.DoesNotContain("klp_enable_patch", symbols.Names.Keys);
        // Its function begins with an endbr64: the place to be redirected is behind that.
        Assert.Contains("patched_cmdline_proc_show", symbols.Traceable.Keys);
        Assert.DoesNotContain("patch", symbols.Traceable.Keys);
    }

    [Theory]
    [InlineData(X64, "__mcount_loc", 0x14, true)] // behind an endbr64
    [InlineData(X64, "__mcount_loc", 0x10, true)]
    [InlineData(X64, "__mcount_loc", 0x1f, true)]
    [InlineData(X64, "__mcount_loc", 0x20, false)]
    [InlineData(X64, "__mcount_loc", 0x0c, false)]
    [InlineData(X64, "__patchable_function_entries", 0x10, false)] // pads functions, and tells nothing of ftrace
    [InlineData(S390, "__mcount_loc", 0x10, true)]
    [InlineData(Arm64, "__patchable_function_entries", 0x14, true)] // behind a bti
    [InlineData(Arm64, "__patchable_function_entries", 0x08, true)] // two instructions before, with CALL_OPS
    [InlineData(Arm64, "__patchable_function_entries", 0x04, false)]
    [InlineData(Arm64, "__mcount_loc", 0x14, false)]
    public void Read_FunctionWithAPlaceForFtrace_IsTraceable(int machine, string list, int place, bool isTraceable)
    {
        var file = new ElfBuilder((ushort)machine, machine == S390)
            .Add(".text", ElfBuilder.Code, new byte[64])
            .Add(".data", ElfBuilder.Data, new byte[64])
            .Words(list, ElfBuilder.Alloc, 0)
            .Symbol("function", ".text", 0x10, 0x10)
            .Symbol("variable", ".data", 0x10, 0x10)
            .Pointer(list, 0, ".text", (ulong)place)
            .Build();
        var symbols = ModuleSymbols.Read(file)!;
        Assert.Equal(["function", "variable"], symbols.Names.Keys.Order(StringComparer.Ordinal));
        Assert.Equal(isTraceable ? ["function"] : [], symbols.Traceable.Keys);
    }

    [Fact]
    public void Read_SeveralFunctionsOfAName_CountsThem()
    {
        var file = new ElfBuilder()
            .Add(".text", ElfBuilder.Code, new byte[64])
            .Words("__mcount_loc", ElfBuilder.Alloc, 0)
            .Symbol("twin", ".text", 0, 0x10)
            .Symbol("twin", ".text", 0x20, 0x10)
            .Pointer("__mcount_loc", 0, ".text", 0x20)
            .Build();
        var symbols = ModuleSymbols.Read(file)!;
        Assert.Equal((2, 1), (symbols.Names["twin"], symbols.Traceable["twin"]));
    }

    [Fact]
    public void Read_NoModule_IsNull() => Assert.Null(ModuleSymbols.Read("nonsense"u8));
}
