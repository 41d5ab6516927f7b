using System.Diagnostics;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Cli.Tests;

public sealed class StatusCommandTests
{
    [Fact]
    public void Status_WhenTheDaemonAnswers_ShowsText()
    {
        using var daemon = TestDaemon.Saying(Samples.Applied);
        var ran = Run.Of(daemon.SocketPath, "status");
        Assert.Equal((0, ""), (ran.Code, ran.Error));
        const string start = "last check: 12 seconds ago\nkernel: 6.12.117+deb12-cloud-amd64\n";
        Assert.StartsWith(start, ran.Out, StringComparison.Ordinal);
    }

    [Fact]
    public void StatusJson_IsWhatTheDaemonSent_Untouched()
    {
        var json = JsonSerializer.Serialize(Samples.Applied, WireJson.Default.AgentStatus);
        var newer = $"{{ \"new\":[1e3],{json[1..]}";
        using var daemon = new TestDaemon((_, _) => TestDaemon.Http(200, newer));
        Assert.Equal(newer + "\n", Run.Of(daemon.SocketPath, "status", "--format", "json").Out);
    }

    [Fact]
    public void StatusYaml_ReadsAsItsGolden()
    {
        using var daemon = TestDaemon.Saying(Samples.Applied);
        Golden.Verify("status-yaml", Run.Of(daemon.SocketPath, "status", "--format", "yaml").Out);
    }

    [Fact]
    public void Patches_InEachFormat_ShowsThePatches()
    {
        using var daemon = TestDaemon.Saying(Samples.Applied);
        Golden.Verify("patches-applied", Run.Of(daemon.SocketPath, "patches").Out);
        Golden.Verify("patches-yaml", Run.Of(daemon.SocketPath, "patches", "--format=yaml").Out);
        var json = JsonNode.Parse(Run.Of(daemon.SocketPath, "patches", "--format=json").Out)!;
        Assert.Equal(["schema", "revision", "at", "patch", "loaded"], json.AsObject().Select(field => field.Key));
    }

    [Fact]
    public void Status_OfANewerDaemon_ShowsItsWordsAndIgnoresItsFields()
    {
        var node = JsonSerializer.SerializeToNode(Samples.Applied, WireJson.Default.AgentStatus)!;
        node["state"] = "compacted";
        node["activity"] = new JsonObject { ["kind"] = "defragmenting", ["since"] = "soon" };
        node["problem"] = new JsonObject
        {
            ["code"] = "moon-phase", ["message"] = "cannot see the moon", ["cure"] = "wait", ["more"] = 1,
        };
        node["extra"] = new JsonObject();
        using var daemon = new TestDaemon((_, _) => TestDaemon.Http(200, node.ToJsonString()));
        var ran = Run.Of(daemon.SocketPath, "status");
        Assert.Equal((ExitCode.Failed, ""), (ran.Code, ran.Error));
        Assert.Contains("patch state: ✗ compacted (a state that is newer", ran.Out, StringComparison.Ordinal);
        const string rest = "activity: defragmenting\nproblem: cannot see the moon\n  cure: wait\n";
        Assert.Contains(rest, ran.Out, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", "hung up without an answer")]
    [InlineData("SSH-2.0-OpenSSH\r\n\r\n", "not HTTP")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Le", "cut off")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{}", "cut off")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n{}", "not HTTP")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n{}", "longer than 1 MiB")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", "not HTTP")]
    [InlineData("HTTP/1.1 200 OK\r\n\r\n", "cannot read the status")]
    [InlineData("HTTP/1.1 200 OK\r\n\r\nnull", "cannot read the status")]
    [InlineData("HTTP/1.1 200 OK\r\n\r\n[]", "cannot read the status")]
    [InlineData("HTTP/1.1 200 OK\r\n\r\n{\"state\":\"applied\"}", "cannot read the status")]
    [InlineData("HTTP/1.1 200 OK\r\n\r\n{\"state\":1,\"kernel\":[],\"checkIn\":3}", "cannot read the status")]
    [InlineData("HTTP/1.1 200 OK\r\n\r\n<html>\e[2J", "cannot read the status")]
    public void Status_WhenTheAnswerIsGarbage_SaysSoInALine(string answer, string why)
    {
        using var daemon = new TestDaemon((_, _) => Encoding.UTF8.GetBytes(answer));
        var ran = Run.Of(daemon.SocketPath, "status");
        Assert.Equal((ExitCode.DaemonAway, ""), (ran.Code, ran.Out));
        Assert.Contains(why, ran.Error, StringComparison.Ordinal);
        Assert.StartsWith("cannot understand livepatch-agentd on ", ran.Error, StringComparison.Ordinal);
        Assert.Equal(1, ran.Error.Count(char.IsControl));
    }

    [Fact]
    public void Status_CutOffAtEveryByte_NeverThrows()
    {
        var whole = TestDaemon.Json(200, Samples.Applied);
        var length = 0;
        using var daemon = new TestDaemon((_, _) => whole[..length]);
        for (; length < whole.Length; length += 7)
            Assert.Equal(ExitCode.DaemonAway, Run.Of(daemon.SocketPath, "status").Code);
    }

    [Fact]
    public void Status_WhenTheAnswerNeverEnds_StopsAtItsBound()
    {
        var flood = new byte[3 << 20];
        "HTTP/1.1 200 OK\r\n\r\n"u8.CopyTo(flood);
        using var daemon = new TestDaemon((_, _) => flood);
        Assert.Contains("longer than 1 MiB", Run.Of(daemon.SocketPath, "status").Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Status_WhenTheDaemonIsSilent_EndsAtItsDeadline()
    {
        using var daemon = new TestDaemon((_, _) => null);
        var clock = Stopwatch.StartNew();
        var ran = Run.Of(daemon.SocketPath, "status");
        Assert.InRange(clock.Elapsed, TimeSpan.FromSeconds(1.9), TimeSpan.FromSeconds(6));
        Assert.Equal(ExitCode.DaemonAway, ran.Code);
        var line = $"did not answer on {daemon.SocketPath} within 2 s, so it hangs";
        Assert.Contains(line, ran.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Status_WhenTheDaemonAcceptsNoMore_EndsAtItsDeadline()
    {
        var path = UnixSocket.NewPath();
        using var listener = UnixSocket.Listening(path);
        var clients = Enumerable.Range(0, 8).Select(_ => UnixSocket.Connecting(path)).ToList();
        var clock = Stopwatch.StartNew();
        var ran = Run.Of(path, "status");
        Assert.InRange(clock.Elapsed, TimeSpan.FromSeconds(1.9), TimeSpan.FromSeconds(6));
        Assert.Contains("so it hangs", ran.Error, StringComparison.Ordinal);
        clients.ForEach(client => client.Dispose());
    }

    [Fact]
    public void Status_WhenTheDaemonIsAway_SaysHowToStartItAndShowsItsLastStatus()
    {
        using var daemon = TestDaemon.Saying(Samples.Applied); // for its folder
        var last = Samples.Applied with { At = Samples.Now.AddMinutes(-3) };
        var file = daemon.File("status.json", JsonSerializer.Serialize(last, WireJson.Default.AgentStatus));
        var ran = Run.With("/nonexistent/agent.sock", Run.Pipe, "", file, "status");
        Assert.Equal(ExitCode.DaemonAway, ran.Code);
        string[] lines =
        [
            "cannot reach livepatch-agentd: no socket at /nonexistent/agent.sock (it does not exist); "
                + "start it with `sudo systemctl start livepatch-agentd`",
            "what follows is the daemon's last status, written 3 minutes ago (2026-11-23 11:57:00 UTC); "
                + "the kernel may have moved on",
            "",
        ];
        Assert.Equal(string.Join('\n', lines), ran.Error);
        Assert.Contains("patch state: ✓", ran.Out, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("{\"schema\":")]
    [InlineData("null")]
    public void Status_WhenTheLastStatusIsGarbage_ShowsNothingOfIt(string content)
    {
        using var daemon = TestDaemon.Saying(Samples.Applied);
        var file = daemon.File("status.json", content);
        var ran = Run.With("/nonexistent/agent.sock", Run.Pipe, "", file, "status");
        Assert.Equal((ExitCode.DaemonAway, "", 1), (ran.Code, ran.Out, ran.Error.Count(c => c == '\n')));
    }

    [Fact]
    public void Status_WhenNothingListens_SaysSo()
    {
        var path = UnixSocket.Stale();
        var ran = Run.Of(path, "status");
        Assert.Equal(ExitCode.DaemonAway, ran.Code);
        var line = $"cannot reach livepatch-agentd: nothing listens on {path}; ";
        Assert.StartsWith(line, ran.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Status_WithAnImpossibleSocketPath_SaysSo()
    {
        var ran = Run.Of("/" + new string('x', 200), "status");
        Assert.Equal(ExitCode.DaemonAway, ran.Code);
        Assert.Contains("a socket's path has 1 to 107 bytes", ran.Error, StringComparison.Ordinal);
    }

    /// <summary>The option wins over the variable.</summary>
    [Fact]
    public void Status_WithASocketNamedTwice_TakesTheOption()
    {
        using var daemon = TestDaemon.Saying(Samples.Applied);
        Assert.Equal(ExitCode.Ok, Run.Of("/nonexistent", "status", "--socket", daemon.SocketPath).Code);
        Assert.Equal(ExitCode.Ok, Run.Of("/nonexistent", "--socket", daemon.SocketPath, "status").Code);
    }

    [Fact]
    public void Status_WhenTheDaemonFails_ShowsItsProblem()
    {
        var problem = new Problem(ProblemCode.InternalError, "cannot say: \ttired", "wait");
        using var daemon = new TestDaemon((_, _) => TestDaemon.Error(500, problem));
        var ran = Run.Of(daemon.SocketPath, "status");
        Assert.Equal((ExitCode.Failed, "cannot say: ?tired; wait\n"), (ran.Code, ran.Error));
    }
}
