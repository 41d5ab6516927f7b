using LivepatchAgent.Core.Modules;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Core.Tests.Modules;

public sealed class ModuleReaderTests
{
    [Theory]
    [InlineData(
        Corpus.Cmdline, "livepatch_cmdline", "6.12.117+deb12-cloud-amd64", false, new[] { "cmdline_proc_show" })]
    [InlineData(
        Corpus.CmdlineSigned, "livepatch_cmdline", "6.12.117+deb12-cloud-amd64", false, new[] { "cmdline_proc_show" })]
    [InlineData(
        Corpus.CmdlineV2,
        "livepatch_cmdline_v2",
        "6.12.117+deb12-cloud-amd64",
        true,
        new[] { "cmdline_proc_show", "version_proc_show" })]
    [InlineData(
        Corpus.CmdlineV2Older,
        "livepatch_cmdline_v2",
        "6.1.0-56-cloud-amd64",
        true,
        new[] { "cmdline_proc_show", "version_proc_show" })]
    public void Read_RealLivepatch_TellsItsTables(
        string file, string name, string release, bool replace, string[] functions)
    {
        var facts = ModuleReader.Read(Corpus.Module(file)).Value;

        Assert.Equal(name, facts.Name);
        Assert.Equal(release, facts.KernelRelease);
        Assert.Equal("x86_64", facts.Architecture);
        Assert.True(facts.IsLivepatch);
        Assert.Equal(replace, facts.Replace);
        Assert.Equal(functions.Select(f => new PatchedFunction("vmlinux", f)), facts.Functions);
        Assert.Equal(file == Corpus.CmdlineSigned, facts.Signature is not null);
    }

    [Fact]
    public void Read_RealLivepatch_TellsWhatItNeedsOfTheKernel()
    {
        var facts = ModuleReader.Read(Corpus.Module(Corpus.CmdlineV2)).Value;

        Assert.Equal(
            ["klp_enable_patch", "__fentry__", "const_pcpu_hot", "__x86_return_thunk", "seq_write", "seq_printf"],
            facts.NeededSymbols);
        Assert.Empty(facts.LivepatchSymbols);
        Assert.Empty(facts.LivepatchRelocations);
        Assert.Equal(40, facts.BuildId?.Length);
    }

    [Fact]
    public void Read_LivepatchSymbolsAndRelocations_AreTold()
    {
        var file = TestElf.Livepatch(
            symbols:
            [
                (".klp.sym.vmlinux.si_swapinfo,0", 0xff20),
                (".klp.sym.ext4.a.b,2", 0xff20),
                (".klp.sym.bad", 0xff20),
                (".klp.sym.vmlinux.x,1", 0),
            ],
            sections:
            [
                (".klp.rela.vmlinux..text", 4, 0x0010_0042, new byte[48]),
                (".klp.rela.ext4.text", 4, 0x40, new byte[24]),
            ]);
        var facts = ModuleReader.Read(file).Value;

        Assert.Equal(
            [
                new("vmlinux", "si_swapinfo", 0, true),
                new("ext4", "a.b", 2, true),
                new("", ".klp.sym.bad", 0, true),
                new("vmlinux", "x", 1, false),
            ],
            facts.LivepatchSymbols);
        Assert.Equal(
            [new("vmlinux", "..text"[1..], 2, true, true), new("ext4", ".text", 1, false, false)],
            facts.LivepatchRelocations.Select(
                r => r with { Section = r.Section.Replace("..", ".", StringComparison.Ordinal) }));
    }

    [Fact]
    public void Read_KpatchBuild_TellsItsFunctions()
    {
        var entries = new byte[112];
        entries[56 + 32] = 3;
        var file = TestElf.Livepatch(
            sections:
            [
                (".kpatch.strings", 1, 2, "meminfo_proc_show\0vmlinux\0ext4_iget\0ext4\0"u8.ToArray()),
                (".kpatch.funcs", 1, 3, entries),
            ],
            pointers: (".kpatch.funcs", ".kpatch.strings", [(40, 0), (48, 18), (96, 26), (104, 36)]));

        Assert.Equal(
            [new PatchedFunction("vmlinux", "meminfo_proc_show"), new PatchedFunction("ext4", "ext4_iget", 3)],
            ModuleReader.Read(file).Value.Functions);
    }

    [Fact]
    public void Read_KlpBuild_TellsItsFunctions()
    {
        // One section for objects, functions and their names keeps the file simple; the reader follows pointers only.
        var data = new byte[64 + 24 + 32];
        data[56] = 1;
        data[64 + 16] = 2;
        "do_exit\0"u8.CopyTo(data.AsSpan(88));
        foreach (var name in new[] { "__klp_objects", ".init.klp_objects" })
        {
            var file = TestElf.Livepatch(sections: [(name, 1, 3, data)], pointers: (name, name, [(8, 64), (64, 88)]));
            Assert.Equal([new PatchedFunction("vmlinux", "do_exit", 2)], ModuleReader.Read(file).Value.Functions);
        }
    }
}
