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
        Assert.StartsWith("last check: 12 seconds ago\nkernel: 6.12.117+deb12-cloud-amd64\n", ran.Out, StringComparison.Ordinal);
    }

    [Fact]
    public void StatusJson_IsWhatTheDaemonSaid_Untouched()
    {
        var said = JsonSerializer.Serialize(Samples.Applied, WireJson.Default.AgentStatus).Replace("{\"schema\"", "{ \"new\":[1e3],\"schema\"", StringComparison.Ordinal);
        using var daemon = new TestDaemon((_, _) => TestDaemon.Http(200, said));
        Assert.Equal(said + "\n", Run.Of(daemon.SocketPath, "status", "--format", "json").Out);
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
        var fields = JsonNode.Parse(Run.Of(daemon.SocketPath, "patches", "--format=json").Out)!.AsObject().Select(field => field.Key);
        Assert.Equal(["schema", "revision", "at", "patch", "loaded"], fields);
    }

    [Fact]
    public void Status_OfANewerDaemon_ShowsItsWordsAndIgnoresItsFields()
    {
        var node = JsonSerializer.SerializeToNode(Samples.Applied, WireJson.Default.AgentStatus)!;
        node["state"] = "compacted";
        node["activity"] = new JsonObject { ["kind"] = "defragmenting", ["since"] = "soon" };
        node["problem"] = new JsonObject { ["code"] = "moon-phase", ["message"] = "cannot see the moon", ["cure"] = "wait", ["more"] = 1 };
        node["extra"] = new JsonObject();
        using var daemon = new TestDaemon((_, _) => TestDaemon.Http(200, node.ToJsonString()));
        var ran = Run.Of(daemon.SocketPath, "status");
        Assert.Equal((ExitCode.Failed, ""), (ran.Code, ran.Error));
        Assert.Contains("patch state: ✗ compacted (a state that is newer", ran.Out, StringComparison.Ordinal);
        Assert.Contains("activity: defragmenting\nproblem: cannot see the moon\n  cure: wait\n", ran.Out, StringComparison.Ordinal);
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
        Assert.Contains($"did not answer on {daemon.SocketPath} within 2 s, so it hangs", ran.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Status_WhenTheDaemonAcceptsNoMore_EndsAtItsDeadline()
    {
        var path = Path.Combine(Directory.CreateTempSubdirectory("lpa").FullName, "s");
        using var listener = Listening(path);
        var clients = Enumerable.Range(0, 8).Select(_ => Connecting(path)).ToList();
        var clock = Stopwatch.StartNew();
        var ran = Run.Of(path, "status");
        Assert.InRange(clock.Elapsed, TimeSpan.FromSeconds(1.9), TimeSpan.FromSeconds(6));
        Assert.Contains("so it hangs", ran.Error, StringComparison.Ordinal);
        clients.ForEach(client => client.Dispose());
    }

    [Fact]
    public void Status_WhenTheDaemonIsAway_SaysHowToStartItAndShowsItsLastWord()
    {
        using var daemon = TestDaemon.Saying(Samples.Applied); // for its folder
        var file = daemon.File("status.json", JsonSerializer.Serialize(Samples.Applied with { At = Samples.Now.AddMinutes(-3) }, WireJson.Default.AgentStatus));
        var ran = Run.With("/nonexistent/agent.sock", new Terminal(false, false, true), "", file, "status");
        Assert.Equal(ExitCode.DaemonAway, ran.Code);
        Assert.Equal("""
            cannot reach livepatch-agentd: no socket at /nonexistent/agent.sock (it does not exist); start it with `sudo systemctl start livepatch-agentd`
            what follows is the daemon's last status, written 3 minutes ago (2026-11-23 11:57:00 UTC); the kernel may have moved on

            """, ran.Error);
        Assert.Contains("patch state: ✓", ran.Out, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("{\"schema\":")]
    [InlineData("null")]
    public void Status_WhenTheLastWordIsGarbage_ShowsNothingOfIt(string content)
    {
        using var daemon = TestDaemon.Saying(Samples.Applied);
        var ran = Run.With("/nonexistent/agent.sock", new Terminal(false, false, true), "", daemon.File("status.json", content), "status");
        Assert.Equal((ExitCode.DaemonAway, "", 1), (ran.Code, ran.Out, ran.Error.Count(c => c == '\n')));
    }

    [Fact]
    public void Status_WhenNothingListens_SaysSo()
    {
        var path = Path.Combine(Directory.CreateTempSubdirectory("lpa").FullName, "s");
        Listening(path).Dispose();
        File.Delete(path);
        using (var stale = new System.Net.Sockets.Socket(System.Net.Sockets.AddressFamily.Unix, System.Net.Sockets.SocketType.Stream, 0))
            stale.Bind(new System.Net.Sockets.UnixDomainSocketEndPoint(path));
        var ran = Run.Of(path, "status");
        Assert.Equal(ExitCode.DaemonAway, ran.Code);
        Assert.StartsWith("cannot reach livepatch-agentd: ", ran.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Status_WithAnImpossibleSocketPath_SaysSo() =>
        Assert.Contains("a socket's path has 1 to 107 bytes", Run.Of("/" + new string('x', 200), "status").Error, StringComparison.Ordinal);

    [Fact]
    public void Status_WhenTheDaemonFails_TellsItsProblem()
    {
        using var daemon = new TestDaemon((_, _) => TestDaemon.Error(500, new Problem(ProblemCode.InternalError, "cannot say: \ttired", "wait")));
        var ran = Run.Of(daemon.SocketPath, "status");
        Assert.Equal((ExitCode.Failed, "cannot say: ?tired; wait\n"), (ran.Code, ran.Error));
    }

    private static System.Net.Sockets.Socket Listening(string path)
    {
        var listener = new System.Net.Sockets.Socket(System.Net.Sockets.AddressFamily.Unix, System.Net.Sockets.SocketType.Stream, 0);
        listener.Bind(new System.Net.Sockets.UnixDomainSocketEndPoint(path));
        listener.Listen(1);
        return listener;
    }

    /// <summary>Fills the backlog; not waited for, since the last ones find no room.</summary>
    private static System.Net.Sockets.Socket Connecting(string path)
    {
        var socket = new System.Net.Sockets.Socket(System.Net.Sockets.AddressFamily.Unix, System.Net.Sockets.SocketType.Stream, 0) { Blocking = false };
        try
        {
            socket.Connect(new System.Net.Sockets.UnixDomainSocketEndPoint(path));
        }
        catch (System.Net.Sockets.SocketException)
        {
            // full
        }
        return socket;
    }
}
