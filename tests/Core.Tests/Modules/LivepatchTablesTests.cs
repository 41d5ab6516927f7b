using LivepatchAgent.Core.Modules;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Core.Tests.Modules;

/// <summary>
/// Tables of each tool, written by hand after its headers: callbacks, states, old and new layouts, each architecture.
/// </summary>
public sealed class LivepatchTablesTests
{
    public static TheoryData<ushort, bool, string> Architectures =>
        new() { { 62, false, "x86_64" }, { 183, false, "aarch64" }, { 22, true, "s390x" } };

    /// <summary>
    /// struct klp_patch with a module's object, callbacks and states, as a C compiler would lay it out.
    /// </summary>
    [Theory]
    [MemberData(nameof(Architectures))]
    public void Read_KlpPatch_TellsCallbacksAndStates(ushort machine, bool isBigEndian, string architecture)
    {
        var facts = ModuleReader.Read(
            SampleModules.KlpPatch(machine, isBigEndian, "name=test_patch\0livepatch=Y\0vermagic=6.12.0 SMP \0")).Value;

        Assert.Equal(architecture, facts.Architecture);
        Assert.Equal(PatchTables.KlpPatch, facts.Tables);
        Assert.True(facts.Replace);
        Assert.Equal(
            [new PatchedFunction("vmlinux", "do_exit"), new PatchedFunction("ext4", "ext4_iget", 2)], facts.Functions);
        Assert.Equal(
            [
                new PatchCallback("vmlinux", CallbackMoment.PostUnpatch, "undo_it"),
                new PatchCallback("ext4", CallbackMoment.PrePatch, "ask_first"),
                new PatchCallback("ext4", CallbackMoment.PostPatch, ""),
            ],
            facts.Callbacks);
        Assert.Equal([new SystemState(0x1_0000_0007, 3), new SystemState(9, 1)], facts.States);
    }

    /// <summary>
    /// In 5.4 replace stood where states is now: here it is the pointer's first byte, 0 before it is relocated.
    /// </summary>
    [Theory]
    [InlineData("5.4.0 SMP ", null, false)]
    [InlineData("4.19.0 SMP ", null, null)]
    [InlineData("something", null, null)]
    public void Read_KlpPatchOfOlderKernels_TellsNoMoreThanItKnows(string vermagic, int? states, bool? replace)
    {
        var facts = ModuleReader.Read(
            SampleModules.KlpPatch(62, false, $"name=test_patch\0livepatch=Y\0vermagic={vermagic}\0")).Value;

        Assert.Equal(states, facts.States?.Count);
        Assert.Equal(replace, facts.Replace);
        Assert.Equal(2, facts.Functions.Count);
    }

    /// <summary>
    /// The table is the last variable of its section, as a compiler puts the first one of a file: its size is known all
    /// the same.
    /// </summary>
    [Theory]
    [InlineData(0, TableFaultKind.FunctionWithoutCode)]
    [InlineData(8, TableFaultKind.FunctionWithoutName)]
    public void Read_KlpPatchWithHalfAnEntry_TellsWhichHalf(ulong member, TableFaultKind fault)
    {
        var module = ElfBuilder.Livepatch(modinfo: "name=test_patch\0livepatch=Y\0vermagic=6.12.0 SMP \0")
            .Text(".rodata.str", ElfBuilder.Alloc, "do_exit\0")
            .Add(".text", ElfBuilder.Code, new byte[64])
            .Words(".data", ElfBuilder.Data, new ulong[22]) // patch, objs, funcs
            .Symbol("patch", ".data", 0, 48)
            .Symbol("objs", ".data", 48, 64)
            .Symbol("funcs", ".data", 112, 64)
            .Pointer(".data", 0, ".gnu.linkonce.this_module", 0)
            .Pointer(".data", 8, ".data", 48)
            .Pointer(".data", 56, ".data", 112)
            .Pointer(".data", 112 + member, member == 0 ? ".rodata.str" : ".text", 0)
            .Build();

        var facts = ModuleReader.Read(module).Value;

        Assert.Empty(facts.Functions);
        Assert.Equal(new TableFault(fault, "vmlinux"), Assert.Single(facts.TableFaults));
    }

    /// <summary>
    /// The same table, whole: where it ends its section ends, by its symbol or against it, and the next section's
    /// pointers are not its own.
    /// </summary>
    [Theory]
    [InlineData(72, false)] // one function, and no row of zeros behind it
    [InlineData(72, true)]
    [InlineData(4000, true)] // a symbol that says more than the section has
    [InlineData(0, true)] // one that says nothing
    public void Read_KlpPatchWhoseTableIsTheLastOfItsSection_TellsItWhole(ulong size, bool isFollowed)
    {
        var builder = ElfBuilder.Livepatch(modinfo: "name=test_patch\0livepatch=Y\0vermagic=6.12.0 SMP \0")
            .Text(".rodata.str", ElfBuilder.Alloc, "do_exit\0other\0")
            .Add(".text", ElfBuilder.Code, new byte[64])
            .Words(".data", ElfBuilder.Data, new ulong[23]) // patch, objs, funcs
            .Words(".data.next", ElfBuilder.Data, new ulong[23])
            .Symbol("patch", ".data", 0, 48)
            .Symbol("objs", ".data", 48, 64)
            .Symbol("funcs", ".data", 112, size)
            .Symbol("new_exit", ".text", 0, 8)
            .Pointer(".data", 0, ".gnu.linkonce.this_module", 0)
            .Pointer(".data", 8, ".data", 48)
            .Pointer(".data", 56, ".data", 112)
            .Pointer(".data", 112, ".rodata.str", 0)
            .Pointer(".data", 120, ".text", 0);
        // Neither half an entry of this table, nor a whole one, though the offsets go on as its own would.
        if (isFollowed) builder.Pointer(".data.next", 0, ".rodata.str", 8).Pointer(".data.next", 176, ".rodata.str", 8);

        var facts = ModuleReader.Read(builder.Build()).Value;

        Assert.Equal([new PatchedFunction("vmlinux", "do_exit")], facts.Functions);
        Assert.Empty(facts.TableFaults);
    }

    [Fact]
    public void Read_KpatchBuild_TellsCallbacksAndDynamicRelocations()
    {
        var facts = ModuleReader.Read(SampleModules.KpatchBuild(hasPosition: true)).Value;

        Assert.Equal(PatchTables.KpatchBuild, facts.Tables);
        Assert.Equal([new PatchedFunction("ext4", "ext4_iget", 3)], facts.Functions);
        Assert.Equal([new DynamicRelocation("ext4", "ext4_iget", 4)], facts.DynamicRelocations);
        Assert.Equal(
            [
                new PatchCallback("vmlinux", CallbackMoment.PrePatch, "ask_first"),
                new PatchCallback("ext4", CallbackMoment.PostUnpatch, "undo_it"),
            ],
            facts.Callbacks);
        Assert.Null(facts.Replace);
        Assert.Null(facts.States);
    }

    /// <summary>Before 2016 its tables had no symbol position.</summary>
    [Fact]
    public void Read_OldKpatchBuild_TellsTheSameWithoutPositions()
    {
        var facts = ModuleReader.Read(SampleModules.KpatchBuild(hasPosition: false)).Value;

        Assert.Equal([new PatchedFunction("ext4", "ext4_iget")], facts.Functions);
        Assert.Equal([new DynamicRelocation("ext4", "ext4_iget", 0)], facts.DynamicRelocations);
    }

    /// <summary>klp-build of Linux 6.19 and of Linux 7 name the section differently.</summary>
    [Theory]
    [InlineData("__klp_objects")]
    [InlineData(".init.klp_objects")]
    public void Read_KlpBuild_TellsObjectsFunctionsAndCallbacks(string objects)
    {
        var facts = ModuleReader.Read(SampleModules.KlpBuild(objects)).Value;

        Assert.Equal(PatchTables.KlpBuild, facts.Tables);
        Assert.Equal(
            [new PatchedFunction("vmlinux", "do_exit"), new PatchedFunction("ext4", "ext4_iget", 5)], facts.Functions);
        Assert.Equal([new PatchCallback("ext4", CallbackMoment.PrePatch, "ask_first")], facts.Callbacks);
        Assert.Null(facts.Replace);
    }

    /// <summary>
    /// As in the kernel's samples/livepatch: an object that has callbacks and an empty array of functions, among others
    /// that have some.
    /// </summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Read_KlpPatchWithCallbacksAlone_TellsThemAndWhatFollows(bool hasFunctions)
    {
        var builder = ElfBuilder.Livepatch(modinfo: "name=test_patch\0livepatch=Y\0vermagic=6.12.0 SMP \0")
            .Text(".rodata.str", ElfBuilder.Alloc, "ext4\0xfs\0xfs_iget\0")
            .Add(".text", ElfBuilder.Code, new byte[64])
            .Add(".bss", ElfBuilder.Data, new byte[32], type: 8)
            .Words(".data", ElfBuilder.Data, new ulong[6 + 20 + 8]) // patch, two objects of 80 bytes, funcs
            .Symbol("no_funcs", ".bss", 0, 32)
            .Symbol("ask_first", ".text", 40, 8)
            .Symbol("objs", ".data", 48, 160)
            .Symbol("funcs", ".data", 208, 64)
            .Pointer(".data", 0, ".gnu.linkonce.this_module", 0)
            .Pointer(".data", 8, ".data", 48)
            .Pointer(".data", 48, ".rodata.str", 0)
            .Pointer(".data", 56, ".bss", 0)
            .Pointer(".data", 64, ".text", 40);
        if (hasFunctions)
            builder.Pointer(
                ".data",
                128,
                ".rodata.str",
                5).Pointer(
                    ".data",
                    136,
                    ".data",
                    208).Pointer(".data", 208, ".rodata.str", 9).Pointer(".data", 216, ".text", 0);
        var facts = ModuleReader.Read(builder.Build()).Value;

        Assert.Equal(PatchTables.KlpPatch, facts.Tables);
        Assert.Equal([new PatchCallback("ext4", CallbackMoment.PrePatch, "ask_first")], facts.Callbacks);
        Assert.Equal(hasFunctions ? [new PatchedFunction("xfs", "xfs_iget")] : [], facts.Functions);
        Assert.Empty(facts.NotVisible);
    }

    /// <summary>Linux 6.12 and 7.3 take two objects with one empty array; one with an entry is a BUG.</summary>
    [Theory]
    [InlineData("empty", false)]
    [InlineData("ended by its first row", false)]
    [InlineData("one function", true)]
    public void Read_KlpPatchWhoseObjectsShareAnArray_IsAFaultWhereItHasAnEntry(string array, bool isFault)
    {
        var builder = ElfBuilder.Livepatch(modinfo: "name=test_patch\0livepatch=Y\0vermagic=6.12.0 SMP \0")
            .Text(".rodata.str", ElfBuilder.Alloc, "ext4\0xfs\0xfs_iget\0")
            .Add(".text", ElfBuilder.Code, new byte[64])
            .Words(".data.funcs", ElfBuilder.Data, new ulong[8])
            .Words(".data", ElfBuilder.Data, new ulong[6 + 20]) // patch, two objects of 80 bytes
            .Symbol("funcs", ".data.funcs", 0, 64)
            .Symbol("ask_first", ".text", 40, 8)
            .Symbol("objs", ".data", 48, 160)
            .Pointer(".data", 0, ".gnu.linkonce.this_module", 0)
            .Pointer(".data", 8, ".data", 48)
            .Pointer(".data", 48, ".rodata.str", 0)
            .Pointer(".data", 56, ".data.funcs", 0)
            .Pointer(".data", 64, ".text", 40)
            .Pointer(".data", 128, ".rodata.str", 5)
            .Pointer(".data", 136, ".data.funcs", 0)
            .Pointer(".data", 144, ".text", 40);
        var row = array == "one function" ? 0UL : 32;
        if (array is "one function" or "ended by its first row")
            builder.Pointer(".data.funcs", row, ".rodata.str", 9).Pointer(".data.funcs", row + 8, ".text", 0);
        var facts = ModuleReader.Read(builder.Build()).Value;

        Assert.Equal(isFault, facts.TableFaults.Contains(new TableFault(TableFaultKind.SharedFunctions, "xfs")));
        if (isFault) return;
        Assert.Empty(facts.TableFaults);
        Assert.Empty(facts.Functions);
        Assert.Equal(["ext4", "xfs"], facts.Callbacks.Select(c => c.Object));
    }

    /// <summary>To the kernel any name is a module's: it would wait for one that is called vmlinux.</summary>
    [Theory]
    [InlineData("klp-patch", true)]
    [InlineData("klp-build", true)]
    [InlineData("kpatch-build", false)]
    public void Read_KernelByItsName_IsAFaultWhereTheKernelReadsTheName(string made, bool isFault)
    {
        var facts = ModuleReader.Read(made switch
        {
            "klp-patch" => SampleModules.KlpPatch(
                62, false, "name=test_patch\0livepatch=Y\0vermagic=6.12.0 SMP \0", holder: "vmlinux"),
            "klp-build" => SampleModules.KlpBuild(".init.klp_objects", holder: "vmlinux"),
            _ => SampleModules.KpatchBuild(hasPosition: true, holder: "vmlinux"),
        }).Value;

        Assert.Contains("vmlinux", facts.Functions.Select(f => f.Object));
        Assert.Equal(isFault, facts.TableFaults.Contains(new TableFault(TableFaultKind.KernelByName, "vmlinux")));
    }

    [Fact]
    public void Read_PatchesTables_SayWhatIsNotVisible()
    {
        Assert.Empty(
            ModuleReader.Read(
                SampleModules.KlpPatch(
                    62, false, "name=test_patch\0livepatch=Y\0vermagic=6.12.0 SMP \0")).Value.NotVisible);
        Assert.Equal(
            ["replace", "states"], ModuleReader.Read(SampleModules.KlpBuild("__klp_objects")).Value.NotVisible);
        Assert.Equal(
            ["functions", "callbacks", "replace", "states", "shadowVariables"],
            ModuleReader.Read(ElfBuilder.Livepatch().Symbol("klp_shadow_get").Build()).Value.NotVisible);
        Assert.Empty(
            ModuleReader.Read(
                ElfBuilder.Livepatch(modinfo: "name=test_patch\0vermagic=6.12.0 SMP \0").Build()).Value.NotVisible);
    }

    /// <summary>As of Linux 6.19, and as of later ones.</summary>
    [Theory]
    [InlineData("nr_context_switches", "__klp_relocs")]
    [InlineData(".klp.tombstone.nr_context_switches", "__klp_relocs.vmlinux")]
    public void Read_KlpBuildWithRelocations_TellsTheSymbolAndNoFault(string original, string list)
    {
        var facts = ModuleReader.Read(SampleModules.KlpBuildLinked(original, list)).Value;

        Assert.Equal([new PatchedFunction("vmlinux", "do_exit")], facts.Functions);
        Assert.Equal([new LivepatchSymbol("vmlinux", "nr_context_switches", 0, true)], facts.LivepatchSymbols);
        Assert.Equal([new LivepatchRelocations("vmlinux", "..text", 1, true, true)], facts.LivepatchRelocations);
        Assert.Empty(facts.RelocationFaults);
        Assert.Empty(facts.NeededSymbols);
    }

    [Fact]
    public void Read_NoTables_SaysNotVisible()
    {
        var facts = ModuleReader.Read(ElfBuilder.Livepatch().Build()).Value;

        Assert.Null(facts.Tables);
        Assert.Null(facts.States);
        Assert.Contains("tables:        not visible in the file\n", ModuleText.Of(facts), StringComparison.Ordinal);
    }

    [Fact]
    public void Read_ShadowVariables_AreSeenByTheirCalls()
    {
        var facts = ModuleReader.Read(
            ElfBuilder.Livepatch().Symbol("klp_shadow_alloc").Symbol("klp_get_state").Symbol("kfree").Build()).Value;

        Assert.Equal(["klp_shadow_alloc", "klp_get_state"], facts.StateCalls);
        Assert.Contains(
            "shadow data:   calls klp_shadow_alloc, klp_get_state; with which ids is not visible in the file\n",
            ModuleText.Of(facts),
            StringComparison.Ordinal);
    }
}
