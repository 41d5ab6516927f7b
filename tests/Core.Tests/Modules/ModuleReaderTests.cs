using LivepatchAgent.Core.Modules;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Core.Tests.Modules;

public sealed class ModuleReaderTests
{
    [Theory]
    [InlineData(Corpus.Cmdline, "livepatch_cmdline", "6.12.117+deb12-cloud-amd64", false, new[] { "cmdline_proc_show" })]
    [InlineData(Corpus.CmdlineSigned, "livepatch_cmdline", "6.12.117+deb12-cloud-amd64", false, new[] { "cmdline_proc_show" })]
    [InlineData(Corpus.CmdlineV2, "livepatch_cmdline_v2", "6.12.117+deb12-cloud-amd64", true, new[] { "cmdline_proc_show", "version_proc_show" })]
    [InlineData(Corpus.CmdlineV2Older, "livepatch_cmdline_v2", "6.1.0-56-cloud-amd64", true, new[] { "cmdline_proc_show", "version_proc_show" })]
    public void Read_RealLivepatch_TellsItsTables(string file, string name, string release, bool replace, string[] functions)
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
}
