using LivepatchAgent.Cli.Commands;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Cli.Tests;

public sealed class QuarantineCommandTests
{
    private static readonly AgentStatus Holding = Samples.Applied with { Quarantine = Samples.Quarantine };

    [Theory]
    [InlineData("text")]
    [InlineData("json")]
    [InlineData("yaml")]
    public void List_InEachFormat_ReadsAsItsGolden(string format)
    {
        using var daemon = TestDaemon.Saying(Holding);
        var run = Run.Of(daemon.SocketPath, "quarantine", "list", "--format", format);
        Assert.Equal((ExitCode.Ok, ""), (run.Code, run.Error));
        Golden.Verify($"quarantine-{format}", run.Out);
    }

    [Theory]
    [InlineData("text", "no patch is quarantined on this host\n")]
    [InlineData("yaml", "quarantine: []\n")]
    public void List_WithoutAny_SaysSo(string format, string end)
    {
        using var daemon = TestDaemon.Saying(Samples.Applied);
        var run = Run.Of(daemon.SocketPath, "quarantine", "list", "--format", format);
        Assert.EndsWith(end, run.Out, StringComparison.Ordinal);
    }

    [Fact]
    public void Release_SendsTheNameAndSaysWhatFollows()
    {
        var asked = new List<string>();
        using var daemon = new TestDaemon((request, body) =>
        {
            asked.Add($"{request} {body}");
            return TestDaemon.Changed(10);
        });
        var run = Run.Of(daemon.SocketPath, "quarantine", "release", "livepatch_lpn_0003");
        Assert.Equal((ExitCode.Ok, ""), (run.Code, run.Error));
        Assert.StartsWith("released: livepatch_lpn_0003 is no longer quarantined", run.Out, StringComparison.Ordinal);
        Assert.Equal(["POST /v1/quarantine/release HTTP/1.0 {\"name\":\"livepatch_lpn_0003\"}"], asked);
    }

    [Fact]
    public void Release_OfANameThatNoneHas_ShowsProblemAndCure()
    {
        var problem = new Problem(ProblemCode.NotFound, "cannot release x: no patch has this name", "list them");
        using var daemon = new TestDaemon((_, _) => TestDaemon.Error(409, problem));
        var run = Run.Of(daemon.SocketPath, "quarantine", "release", "x");
        Assert.Equal((ExitCode.Failed, "", $"{problem}\n"), (run.Code, run.Out, run.Error));
    }

    [Theory]
    [InlineData("quarantine")]
    [InlineData("quarantine", "release")]
    [InlineData("quarantine", "release", "a", "b")]
    public void Usage_WhenWrong_Is64AndOneLine(params string[] args)
    {
        var run = Run.Of("/nonexistent", args);
        Assert.Equal((ExitCode.Usage, "", 1), (run.Code, run.Out, run.Error.Count(c => c == '\n')));
    }
}
