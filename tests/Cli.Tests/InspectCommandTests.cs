using System.Text.Json;

namespace LivepatchAgent.Cli.Tests;

/// <summary>Works without a daemon: the socket leads nowhere.</summary>
public sealed class InspectCommandTests
{
    private const string NoDaemon = "/nonexistent";
    private static readonly string Module = CorpusModule.Path;

    [Fact]
    public void Inspect_Module_IsShown()
    {
        var ran = Run.Of(NoDaemon, "inspect", Module);
        Assert.Equal((ExitCode.Ok, ""), (ran.Code, ran.Error));
        Golden.Verify("inspect", ran.Out);
    }

    [Fact]
    public void Inspect_Json_IsOneDocument()
    {
        using var document = JsonDocument.Parse(Run.Of(NoDaemon, "inspect", Module, "--format", "json").Out);
        Assert.Equal("livepatch_cmdline", document.RootElement.GetProperty("name").GetString());
        var signer = document.RootElement.GetProperty("signatures")[0].GetProperty("signers")[0];
        Assert.Equal("sha512", signer.GetProperty("digest").GetString());
    }

    [Fact]
    public void Inspect_Yaml_SaysTheSame()
    {
        var yaml = Run.Of(NoDaemon, "inspect", Module, "--format", "yaml").Out;
        Assert.Contains("name: livepatch_cmdline\n", yaml, StringComparison.Ordinal);
    }

    [Fact]
    public void Inspect_OfTwoGiB_IsOneLineAndExit1()
    {
        var path = Path.GetTempFileName();
        try
        {
            using (var sparse = File.OpenWrite(path)) sparse.SetLength(2L << 30);
            var ran = Run.Of(NoDaemon, "inspect", path);
            Assert.Equal((ExitCode.Failed, ""), (ran.Code, ran.Out));
            const string cure = "no livepatch is that large: check which file this is";
            Assert.Equal($"cannot read {path}: it has more than 268435456 bytes; {cure}\n", ran.Error);
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Theory]
    [InlineData("/nonexistent/x.ko", "cannot read /nonexistent/x.ko: there is no such file or folder; ")]
    [InlineData("/tmp", "cannot read /tmp: it is a folder or the right to it is missing; ")]
    [InlineData("/dev/null", "/dev/null: cannot read the module: it is not an ELF file; ")]
    [InlineData("/dev/zero", "cannot read /dev/zero: it has more than 268435456 bytes; ")]
    public void Inspect_WhatIsNoModule_IsOneLineAndExit1(string path, string line)
    {
        var ran = Run.Of(NoDaemon, "inspect", path);
        Assert.Equal((ExitCode.Failed, ""), (ran.Code, ran.Out));
        Assert.StartsWith(line, ran.Error, StringComparison.Ordinal);
        Assert.Equal(1, ran.Error.Count(c => c == '\n'));
    }
}
