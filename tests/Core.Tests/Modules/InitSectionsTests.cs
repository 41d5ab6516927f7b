using LivepatchAgent.Core.Modules;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Core.Tests.Modules;

/// <summary>What a patch hands to the kernel for good must stay in memory, and its new code must have a name.</summary>
public sealed class InitSectionsTests
{
    private const string Modinfo = "name=test_patch\0livepatch=Y\0vermagic=6.12.0-nowhere SMP \0";

    private const ulong NotAllocated = ElfBuilder.Code & ~ElfBuilder.Alloc;

    [Fact]
    public void Read_PatchThatStaysInMemory_HasNoFault() => Assert.Empty(Faults(Patch()));

    [Theory]
    [InlineData(".data.patch", ".init.data", "vmlinux", "struct klp_patch in .init.data")]
    [InlineData(".data.objs", ".init.data", "vmlinux", "the array of objects in .init.data")]
    [InlineData(".data.funcs", ".init.data", "ext4", "the array of functions in .init.data")]
    [InlineData(".data.states", ".init.data", "vmlinux", "the array of states in .init.data")]
    [InlineData(".rodata.object", ".init.rodata.str1.1", "ext4", "the object's name in .init.rodata.str1.1")]
    [InlineData(".rodata.name", ".init.rodata", "ext4", "the name ext4_iget in .init.rodata")]
    [InlineData(".text", ".init.text", "ext4", "the new code of ext4_iget in .init.text")]
    [InlineData(".text", ".initialised", "ext4", "the new code of ext4_iget in .initialised")]
    [InlineData(".text.callback", ".init.text", "ext4", "the callback post-patch in .init.text")]
    public void Read_PatchThatIsFreedAfterInit_IsAFault(string section, string name, string holder, string detail) =>
        Assert.Equal([new TableFault(TableFaultKind.FreedAfterInit, holder, detail)], Faults(Patch(section, name)));

    [Fact]
    public void Read_CodeThatIsNeverLoaded_IsAFault()
    {
        var fault = Assert.Single(Faults(Patch(codeFlags: NotAllocated)));
        Assert.Equal((TableFaultKind.FreedAfterInit, "the new code of ext4_iget in .text"), (fault.Kind, fault.Detail));
    }

    /// <summary>A name that is longer than any that is shown.</summary>
    [Fact]
    public void Read_CodeInAnInitSectionOfALongName_IsAFault() =>
        Assert.Equal(
            TableFaultKind.FreedAfterInit, Assert.Single(Faults(Patch(".text", ".init" + new string('x', 600)))).Kind);

    /// <summary>Tools copy their tables while init runs; their code they hand on as it is.</summary>
    [Theory]
    [InlineData(".text", false)]
    [InlineData(".init.text", true)]
    public void Read_ToolsTables_MayBeInInitSectionsAndTheirCodeMayNot(string code, bool isFault)
    {
        var klpBuild = ElfBuilder.Livepatch(modinfo: Modinfo)
            .Text(".rodata", ElfBuilder.Alloc, "do_exit\0")
            .Add(code, ElfBuilder.Code, new byte[64])
            .Words(".init.klp_funcs", ElfBuilder.Data, 0, 0, 0)
            .Words(".init.klp_objects", ElfBuilder.Data, 0, 0, 0, 0, 0, 0, 0, 1)
            .Symbol("do_exit", code, 16, 8)
            .Symbol("ask_first", code, 0, 8)
            .Pointer(".init.klp_funcs", 0, ".rodata", 0)
            .Pointer(".init.klp_funcs", 8, code, 16)
            .Pointer(".init.klp_objects", 8, ".init.klp_funcs", 0)
            .Pointer(".init.klp_objects", 16, code, 0)
            .Build();
        var kpatchBuild = ElfBuilder.Livepatch(modinfo: Modinfo)
            .Text(".kpatch.strings", ElfBuilder.Alloc, "do_exit\0vmlinux\0")
            .Add(code, ElfBuilder.Code, new byte[64])
            .Words(".kpatch.funcs", ElfBuilder.Data, new ulong[7])
            .Words(".kpatch.callbacks.pre_patch", ElfBuilder.Data, 0, 0)
            .Symbol("do_exit", code, 16, 8)
            .Symbol("ask_first", code, 0, 8)
            .Pointer(".kpatch.funcs", 0, code, 16)
            .Pointer(".kpatch.funcs", 40, ".kpatch.strings", 0)
            .Pointer(".kpatch.funcs", 48, ".kpatch.strings", 8)
            .Pointer(".kpatch.callbacks.pre_patch", 0, code, 0)
            .Build();
        foreach (var module in new[] { klpBuild, kpatchBuild })
        {
            var facts = ModuleReader.Read(module).Value;
            Assert.Equal([new PatchedFunction("vmlinux", "do_exit")], facts.Functions);
            string[] details = isFault
                ? ["the new code of do_exit in .init.text", "the callback pre-patch in .init.text"]
                : [];
            Assert.Equal(details.Order(), facts.TableFaults.Select(f => f.Detail).Order());
        }
    }

    [Theory]
    [InlineData("", 0, true)] // as `strip --strip-unneeded` leaves it
    [InlineData("$x", 0, true)]
    [InlineData(".L12", 0, true)]
    [InlineData("other", 8, true)]
    [InlineData("new_iget", 0, false)]
    public void Read_NewCode_NeedsASymbolWhereItBegins(string symbol, ulong at, bool isFault)
    {
        TableFault[] expected = isFault ? [new(TableFaultKind.CodeWithoutSymbol, "ext4", "ext4_iget")] : [];
        Assert.Equal(expected, Faults(Patch(symbol: symbol, symbolAt: at)));
    }

    /// <summary>A patch of one function with all that the kernel keeps, each in a section of its own.</summary>
    /// <param name="section">The one that is called otherwise.</param>
    private static byte[] Patch(
        string section = "",
        string name = "",
        ulong codeFlags = ElfBuilder.Code,
        string symbol = "new_iget",
        ulong symbolAt = 0)
    {
        string N(string own) => own == section ? name : own;
        return ElfBuilder.Livepatch(modinfo: Modinfo)
            .Text(N(".rodata.object"), ElfBuilder.Alloc, "ext4\0")
            .Text(N(".rodata.name"), ElfBuilder.Alloc, "ext4_iget\0")
            .Add(N(".text"), codeFlags, new byte[64])
            .Add(N(".text.callback"), ElfBuilder.Code, new byte[64])
            .Words(N(".data.funcs"), ElfBuilder.Data, new ulong[8])
            .Words(N(".data.objs"), ElfBuilder.Data, new ulong[20])
            .Words(N(".data.states"), ElfBuilder.Data, 7, 1, 0, 0, 0, 0)
            .Words(N(".data.patch"), ElfBuilder.Data, new ulong[6])
            .Symbol("funcs", N(".data.funcs"), 0, 64)
            .Symbol("objs", N(".data.objs"), 0, 160)
            .Symbol("tell", N(".text.callback"), 0, 8)
            .Symbol(symbol, N(".text"), symbolAt)
            .Pointer(N(".data.patch"), 0, ".gnu.linkonce.this_module", 0)
            .Pointer(N(".data.patch"), 8, N(".data.objs"), 0)
            .Pointer(N(".data.patch"), 16, N(".data.states"), 0)
            .Pointer(N(".data.objs"), 0, N(".rodata.object"), 0)
            .Pointer(N(".data.objs"), 8, N(".data.funcs"), 0)
            .Pointer(N(".data.objs"), 24, N(".text.callback"), 0)
            .Pointer(N(".data.funcs"), 0, N(".rodata.name"), 0)
            .Pointer(N(".data.funcs"), 8, N(".text"), 0)
            .Build();
    }

    private static IReadOnlyList<TableFault> Faults(byte[] module)
    {
        var facts = ModuleReader.Read(module).Value;
        Assert.Equal([new PatchedFunction("ext4", "ext4_iget")], facts.Functions);
        Assert.Single(facts.Callbacks);
        return facts.TableFaults;
    }
}
