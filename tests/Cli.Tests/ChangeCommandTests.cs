using System.Text;
using System.Text.Json;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Cli.Tests;

public sealed class ChangeCommandTests
{
    internal static readonly string Token = EnrolmentToken.Write(new TokenContent
    {
        Server = "https://livepatch.example",
        Secret = "c2VjcmV0LXNlY3JldC1zZWNyZXQ",
        Tls = [],
        Catalogue = [new string('a', 64)],
        Publishers = [new string('b', 64)],
    });

    private const string Success = "✓ patched: version 2.1 (notice LPN-0002), fixes CVE-2026-0001, CVE-2026-0002\n";

    private static readonly string Body = $"{{\"token\":\"{Token}\"}}";

    /// <summary>
    /// Answers the change with revision 10 and then with one status after the other, the last again and again.
    /// </summary>
    private static TestDaemon Showing(List<string> asked, params AgentStatus[] story)
    {
        var next = 0;
        return new TestDaemon((request, body) =>
        {
            asked.Add($"{request} {body}".TrimEnd());
            if (TestDaemon.IsChange(request)) return TestDaemon.Changed(10);
            var status = story[Math.Min(next, story.Length - 1)];
            return TestDaemon.Json(200, status with { Revision = 11 + next++ });
        });
    }

    private static AgentStatus[] Story(AgentStatus end)
    {
        string[] stages =
        [
            "not-enrolled-enrolling",
            "needs-check",
            "applying-manifest",
            "applying-downloading",
            "applying-downloading-unsized",
            "applying-verifying",
            "applying-loading",
            "applying-transition",
        ];
        return [.. stages.Select(name => Samples.All[name].Status with { Settled = false }), end];
    }

    [Fact]
    public void Enable_InAPipe_ShowsEachStageOnceAndTheOutcome()
    {
        var asked = new List<string>();
        using var daemon = Showing(asked, Story(Samples.Applied));
        var ran = Run.Of(daemon.SocketPath, "enable", Token);
        Assert.Equal((ExitCode.Ok, ""), (ran.Code, ran.Error));
        Golden.Verify("enable-pipe", ran.Out);
        Assert.Equal($"POST /v1/enable HTTP/1.0 {Body}", asked[0]);
        string[] watching = ["GET /v1/status?after=10&wait=25 HTTP/1.0", "GET /v1/status?after=11&wait=25 HTTP/1.0"];
        Assert.Equal(watching, asked[1..3]);
    }

    [Fact]
    public void Enable_OnATerminal_RewritesOneLine()
    {
        using var daemon = Showing([], Story(Samples.Applied));
        var ran = Run.With(daemon.SocketPath, new Terminal(true, true, true), "", null, "enable", Token);
        var visible = ran.Out.Replace('\e', '␛').Replace('\r', '␍');
        Golden.Verify("enable-terminal", visible);
    }

    [Theory]
    [InlineData("-", null)]
    [InlineData(null, "-")]
    public void Enable_WithTheTokenOnStandardInput_SendsIt(string? argument, string? file)
    {
        var asked = new List<string>();
        using var daemon = Showing(asked, Samples.Applied);
        string[] args = argument is not null ? ["enable", argument] : ["enable", "--token-file", file!];
        var ran = Run.With(daemon.SocketPath, Run.Pipe, $"\n {Token}\r\n", null, args);
        Assert.Equal(ExitCode.Ok, ran.Code);
        Assert.EndsWith(Body, asked[0], StringComparison.Ordinal);
    }

    /// <summary>Nobody who pastes a token into a terminal presses Ctrl-D after it.</summary>
    [Fact]
    public void Enable_WithStandardInputLeftOpen_EndsAtTheFirstLine()
    {
        var asked = new List<string>();
        using var daemon = Showing(asked, Samples.Applied);
        using var output = new StringWriter();
        var code = CommandLine.Run(["--socket", daemon.SocketPath, "enable", "-"], Run.Around(output, output) with
        {
            ReadInput = (_, read) => read(new OpenEnded($"\r\n\n {Token}\n")),
        });
        Assert.Equal(ExitCode.Ok, code);
        Assert.EndsWith(Body, asked[0], StringComparison.Ordinal);
    }

    /// <summary>Gives a byte at a time and fails where a terminal would wait.</summary>
    private sealed class OpenEnded(string text) : MemoryStream(Encoding.ASCII.GetBytes(text))
    {
        public override int Read(Span<byte> buffer)
        {
            if (Position == Length) throw new InvalidOperationException("waits for more");
            return base.Read(buffer[..1]);
        }
    }

    [Fact]
    public void Enable_InAPipe_SaysHowManyTasksOnceThatIsKnown()
    {
        var waiting = Samples.All["applying-transition"].Status with { Settled = false };
        var unknown = waiting with { Activity = waiting.Activity! with { Tasks = null, TaskCount = null } };
        var fewer = waiting with { Activity = waiting.Activity! with { TaskCount = 1 } };
        using var daemon = Showing([], unknown, waiting, fewer, unknown, Samples.Applied);
        string[] stages =
        [
            "enrolling with the server",
            "waiting for tasks to switch over",
            "waiting for 3 tasks to switch over",
        ];
        Assert.Equal(stages, Run.Of(daemon.SocketPath, "enable", Token).Out.Split('\n')[..3]);
        using var refused = Showing([], unknown, Samples.Applied);
        Assert.Equal(3, Run.Of(refused.SocketPath, "enable", Token).Out.TrimEnd().Split('\n').Length);
    }

    [Fact]
    public void Enable_WithATokenFile_SendsIt()
    {
        var asked = new List<string>();
        using var daemon = Showing(asked, Samples.Applied);
        var file = daemon.File("token", Token + "\n");
        Assert.Equal(ExitCode.Ok, Run.Of(daemon.SocketPath, "enable", "--token-file", file).Code);
        Assert.EndsWith(Body, asked[0], StringComparison.Ordinal);
    }

    [Fact]
    public void Enable_WithAMalformedToken_SaysSoWithoutTheDaemonAndWithoutTheToken()
    {
        using var daemon = new TestDaemon((_, _) => throw new InvalidOperationException("must not be asked"));
        string[] malformed = [Token[..^20], Token[1..], "lpa1.", "hunter2", new string('x', 5000)];
        foreach (var token in malformed)
        {
            var ran = Run.Of(daemon.SocketPath, "enable", token);
            Assert.Equal((ExitCode.Failed, ""), (ran.Code, ran.Out));
            Assert.StartsWith("cannot read the token: ", ran.Error, StringComparison.Ordinal);
            Assert.True(token == "lpa1." || !ran.Error.Contains(token, StringComparison.Ordinal));
        }
    }

    [Theory]
    [InlineData("cannot read the token file /dev/zero: ", "--token-file", "/dev/zero")] // without an end
    [InlineData("cannot read the token file /nonexistent: ", "--token-file", "/nonexistent")]
    [InlineData("cannot read the token file /: ", "--token-file", "/")]
    [InlineData("cannot read the token: it is empty", "-")]
    public void Enable_WithoutAReadableToken_SaysWhy(string why, params string[] token)
    {
        var ran = Run.Of("/nonexistent", ["enable", .. token]);
        Assert.Equal((ExitCode.Failed, ""), (ran.Code, ran.Out));
        Assert.StartsWith(why, ran.Error, StringComparison.Ordinal);
    }

    /// <summary>A line that never ends: what is read is bounded, and none of it is shown.</summary>
    [Fact]
    public void Enable_WithTooMuchOnStandardInput_SaysSo()
    {
        var flood = new string('x', 1 << 20);
        var ran = Run.With("/nonexistent", Run.Pipe, flood, null, "enable", "-");
        Assert.Equal(ExitCode.Failed, ran.Code);
        Assert.StartsWith("cannot read the token on standard input: ", ran.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("xxx", ran.Error, StringComparison.Ordinal);
    }

    public static TheoryData<string> AtRest =>
        [.. Samples.All.Where(sample => sample.Value.Status.Settled).Select(sample => sample.Key)];

    [Theory, MemberData(nameof(AtRest))]
    public void Refresh_SettledInEveryState_EndsWithItsCodeAndALine(string name)
    {
        var (status, _, outcome) = Samples.All[name];
        using var daemon = Showing([], status);
        var ran = Run.Of(daemon.SocketPath, "refresh");
        Assert.Equal(outcome, ran.Code);
        Golden.Verify($"refresh-{name}", $"{ran.Out}--\n{ran.Error}");
    }

    [Fact]
    public void Refresh_WhenTimeRunsOut_SaysWhatStillGoesOn()
    {
        using var daemon = Showing([], Samples.All["stalled"].Status);
        var ran = Run.Of(daemon.SocketPath, "refresh", "--timeout", "1");
        Assert.Equal((ExitCode.Ongoing, ""), (ran.Code, ran.Error));
        Golden.Verify("refresh-timeout", ran.Out);
    }

    [Fact]
    public void Refresh_WhenTheDaemonRestarts_GoesOnWatching()
    {
        var calls = 0;
        using var daemon = new TestDaemon((request, _) => (TestDaemon.IsChange(request), calls++) switch
        {
            (true, _) => TestDaemon.Changed(10),
            (_, < 3) => [], // hung up
            _ => TestDaemon.Json(200, Samples.Applied with { Revision = 1 }),
        });
        var ran = Run.Of(daemon.SocketPath, "refresh");
        Assert.Equal((ExitCode.Ok, $"waiting for livepatch-agentd to come back\n{Success}"), (ran.Code, ran.Out));
    }

    /// <summary>The token was saved, and the daemon ended before it could say so.</summary>
    [Fact]
    public void Enable_WhenTheDaemonEndsBeforeItAnswers_SaysWhatCameOfIt()
    {
        var settled = TestDaemon.Json(200, Samples.Applied with { Revision = 1 });
        using var daemon = new TestDaemon((request, _) => TestDaemon.IsChange(request) ? [] : settled);
        var ran = Run.Of(daemon.SocketPath, "enable", Token);
        Assert.Equal((ExitCode.Ok, Success), (ran.Code, ran.Out));
    }

    [Fact]
    public void Refresh_WhenTheSettledStatusIsOlderThanTheChange_IsNotTakenForTheOutcome()
    {
        var calls = 0;
        using var daemon = new TestDaemon((request, _) =>
        {
            if (TestDaemon.IsChange(request)) return TestDaemon.Changed(10);
            var status = calls++ == 0 ? Samples.All["not-enrolled"].Status : Samples.Applied;
            return TestDaemon.Json(200, status with { Revision = 9 + calls });
        });
        Assert.Equal(ExitCode.Ok, Run.Of(daemon.SocketPath, "refresh").Code);
    }

    [Fact]
    public void Refresh_WhenTheStatusCannotBeRead_SaysSo()
    {
        using var daemon = new TestDaemon((request, _) =>
            TestDaemon.IsChange(request) ? TestDaemon.Changed(10) : TestDaemon.Http(200, "{}"));
        var ran = Run.Of(daemon.SocketPath, "refresh");
        Assert.Equal((ExitCode.DaemonAway, ""), (ran.Code, ran.Out));
        Assert.Contains("cannot read the status", ran.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Refresh_WhenTheDaemonEndsForGood_SaysSoWhenTimeIsUp()
    {
        using var daemon = new TestDaemon((request, _) => TestDaemon.IsChange(request) ? TestDaemon.Changed(10) : []);
        var ran = Run.Of(daemon.SocketPath, "refresh", "--timeout", "1");
        Assert.Equal((ExitCode.DaemonAway, "waiting for livepatch-agentd to come back\n"), (ran.Code, ran.Out));
        Assert.Contains("it hung up without an answer", ran.Error, StringComparison.Ordinal);
    }

    public static TheoryData<int, string, int, string> Refusals
    {
        get
        {
            const string line = "cannot do it: no right; use sudo";
            const string agent = "cannot do that: livepatch-agentd ";
            const string rights = agent + "takes changes from root and the group `livepatch` only; use sudo";
            const string log = "see `journalctl -u livepatch-agentd`";
            return new()
            {
                { 403, "not-permitted", ExitCode.NotPermitted, line },
                { 409, "not-enrolled", ExitCode.NotEnrolled, line },
                { 409, "already-enrolled", ExitCode.Failed, line },
                { 400, "moon-phase", ExitCode.Failed, line }, // a code of a newer daemon
                { 401, "", ExitCode.NotPermitted, rights },
                { 403, "", ExitCode.NotPermitted, rights },
                { 404, "", ExitCode.Failed, $"{agent}answered 404 without a reason; {log}" },
                { 500, "", ExitCode.Failed, $"{agent}answered 500 without a reason; {log}" },
            };
        }
    }

    [Theory, MemberData(nameof(Refusals))]
    public void Changes_WhenRefused_ShowWhyInALine(int http, string code, int exit, string line)
    {
        var error = new { code, message = "cannot do it: no right", cure = "use sudo" };
        var body = code.Length == 0 ? "<html>" : JsonSerializer.Serialize(new { error });
        using var daemon = new TestDaemon((_, _) => TestDaemon.Http(http, body));
        string[][] commands = [["enable", Token], ["disable"], ["refresh"], ["hold"], ["unhold"]];
        foreach (var command in commands)
            Assert.Equal((exit, "", line + "\n"), Fields(Run.Of(daemon.SocketPath, command)));
    }

    public static TheoryData<string, string, string> Holds => new()
    {
        { "applied", "hold", "held: this host keeps what it runs; new patches are reported and not loaded" },
        { "applied-held", "hold", "already held: since 2026-11-23 10:00:00 UTC by uid 1000 (livepatch-agent)" },
        { "applied", "unhold", "not held: nothing to end" },
        {
            "applied-held",
            "unhold",
            "no longer held: this host loads the patch that is assigned to it; "
            + "`livepatch-agent status` shows the result"
        },
    };

    [Theory, MemberData(nameof(Holds))]
    public void HoldAndUnhold_SayWhatTheyChanged(string before, string verb, string line)
    {
        var asked = new List<string>();
        using var daemon = Showing(asked, Samples.All[before].Status);
        Assert.Equal((0, line + "\n", ""), Fields(Run.Of(daemon.SocketPath, verb)));
        Assert.Contains($"POST /v1/{verb} HTTP/1.0", asked);
    }

    [Fact]
    public void Disable_WhenDone_SaysThatThePatchStays()
    {
        var asked = new List<string>();
        using var daemon = Showing(asked, Samples.Applied);
        var ran = Run.Of(daemon.SocketPath, "disable");
        const string stays = "a patch that the kernel runs stays until the host reboots";
        Assert.Equal((0, $"disabled: this host no longer checks in; {stays}\n", ""), Fields(ran));
        Assert.Equal("POST /v1/disable HTTP/1.0", asked[0]);
    }

    [Fact]
    public void Change_AnsweredWithoutRevision_IsNotUnderstood()
    {
        using var daemon = new TestDaemon((_, _) => Encoding.ASCII.GetBytes("HTTP/1.1 202 Accepted\r\n\r\n{}"));
        var ran = Run.Of(daemon.SocketPath, "refresh");
        Assert.Equal(ExitCode.DaemonAway, ran.Code);
        Assert.Contains("names no revision", ran.Error, StringComparison.Ordinal);
    }

    private static (int, string, string) Fields(Run ran) => (ran.Code, ran.Out, ran.Error);
}
