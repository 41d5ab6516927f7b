using System.Text;
using System.Text.Json;
using LivepatchAgent.Core;
using LivepatchAgent.Core.History;

namespace LivepatchAgent.Cli.Tests;

public sealed class HistoryCommandTests
{
    private const string Server = "https://livepatch.example";

    private static readonly HistoryPatch Listed = new(Digest('a'));

    private static readonly HistoryPatch Patch =
        new(Digest('a'), "livepatch_lpn_0002", "2.1", Digest('b'), Digest('c'));

    private static readonly Problem Unsigned =
        new(ProblemCode.ModuleUnsigned, "cannot load livepatch_lpn_0002: it is not signed", "sign it");

    private static readonly HistoryMark Mark = new HistoryMark().With(
        [
            new(HistoryKind.Started) { Note = "livepatch-agentd 0.1.0 on 6.12.117+deb12-cloud-amd64" },
            new(HistoryKind.EnableAsked) { By = new HistoryBy(1000, 4711, "evil\e[2J"), Note = $"with {Server}" },
            new(HistoryKind.Offered) { By = new HistoryBy(Server: Server), Patch = Listed },
            new(HistoryKind.Loaded) { Patch = Patch },
            new(HistoryKind.Refused) { Patch = Patch with { Signer = null }, Problem = Unsigned },
            new(HistoryKind.Disabled) { By = new HistoryBy(0, 12) },
        ],
        0, null, Samples.Now, "boot-1");

    private static readonly HistoryVerdict Whole =
        new() { Whole = true, First = 1, Last = 6, Hash = Digest('d'), Missed = 2, Faults = [] };

    private static readonly HistoryVerdict Broken = Whole with
    {
        Whole = false,
        Faults = ["entry 3 was changed", "entries 5 to 6 are missing: the end was cut off"],
    };

    [Fact]
    public void History_IsALineForEachEntry()
    {
        using var daemon = Saying(null);
        var ran = Run.Of(daemon.SocketPath, "history");
        Assert.Equal((0, ""), (ran.Code, ran.Error));
        Golden.Verify("history", ran.Out);
    }

    [Fact]
    public void History_ForPrograms_IsWhatTheDaemonSent()
    {
        using var daemon = Saying(null);
        Assert.Equal(Body(null) + "\n", Run.Of(daemon.SocketPath, "history", "--format", "json").Out);
        var yaml = Run.Of(daemon.SocketPath, "history", "--format", "yaml").Out;
        Assert.Contains("kind: loaded", yaml, StringComparison.Ordinal);
    }

    [Fact]
    public void Verify_ShowsItsFindingByItsExitCode()
    {
        using var whole = Saying(Whole);
        using var broken = Saying(Broken);
        using var older = Saying(null);
        var ran = Run.Of(whole.SocketPath, "history", "--verify");
        Assert.Equal(0, ran.Code);
        Golden.Verify("history-whole", ran.Out);
        ran = Run.Of(broken.SocketPath, "history", "--verify");
        Assert.Equal(1, ran.Code);
        Golden.Verify("history-broken", ran.Out);
        Assert.Equal(1, Run.Of(broken.SocketPath, "history", "--verify", "--format", "json").Code);
        Assert.Equal(4, Run.Of(older.SocketPath, "history", "--verify").Code);
    }

    [Fact]
    public void History_AskedForInVain_SaysWhy()
    {
        var refusal = new Problem(ProblemCode.NotPermitted, "cannot show this: you are not root", "use sudo");
        using var strict = new TestDaemon((_, _) => TestDaemon.Error(403, refusal));
        var ran = Run.Of(strict.SocketPath, "history");
        Assert.Equal((5, "", refusal + "\n"), (ran.Code, ran.Out, ran.Error));
        Assert.Equal(4, Run.Of("/nonexistent", "history").Code);
    }

    [Theory]
    [InlineData("[]", 4)]
    [InlineData("null", 4)]
    [InlineData("""{"schema":"livepatch-history/1"}""", 4)]
    [InlineData("""{"schema":"livepatch-history/1","entries":[]}""", 0)]
    public void History_InAnyAnswer_IsReadOrRefusedInALine(string body, int code)
    {
        using var daemon = new TestDaemon((_, _) => TestDaemon.Http(200, body));
        var ran = Run.Of(daemon.SocketPath, "history");
        Assert.Equal((code, code == 0 ? "nothing has happened yet\n" : ""), (ran.Code, ran.Out));
        Assert.Equal(code == 0 ? 0 : 1, ran.Error.Count(c => c == '\n'));
    }

    [Theory]
    [InlineData("0")]
    [InlineData("1001")]
    [InlineData("-1")]
    [InlineData("many")]
    public void Limit_OutOfRange_IsWrongUsage(string limit)
    {
        var ran = Run.Of("/nonexistent", "history", "--limit", limit);
        Assert.Equal((64, ""), (ran.Code, ran.Out));
        Assert.Contains("--limit takes a count, 1 to 1000", ran.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Limit_IsAskedFor()
    {
        var asked = new List<string>();
        using var daemon = TestDaemon.Keeping(asked, Body(Whole));
        Run.Of(daemon.SocketPath, "history");
        Run.Of(daemon.SocketPath, "history", "--limit", "7", "--verify");
        Assert.Equal(["GET /v1/history?limit=50 HTTP/1.0", "GET /v1/history?limit=7&verify=1 HTTP/1.0"], asked);
    }

    private static TestDaemon Saying(HistoryVerdict? verdict) => new((_, _) => TestDaemon.Http(200, Body(verdict)));

    private static string Body(HistoryVerdict? verdict)
    {
        var lines = Mark.Pending.Select(line => HistoryLine.Read(Encoding.UTF8.GetBytes(line), out _)!);
        var answer = new HistoryAnswer
        {
            Schema = HistoryAnswer.SchemaName,
            Entries = [.. lines],
            Verification = verdict,
        };
        return JsonSerializer.Serialize(answer, HistoryJson.Default.HistoryAnswer);
    }

    private static string Digest(char digit) => new(digit, 64);
}
