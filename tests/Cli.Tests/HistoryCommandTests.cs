using System.Text.Json;
using LivepatchAgent.Core;
using LivepatchAgent.Core.History;

namespace LivepatchAgent.Cli.Tests;

public sealed class HistoryCommandTests
{
    private static readonly HistoryPatch Patch = new(new string('a', 64), "livepatch_lpn_0002", "2.1", new string('b', 64), new string('c', 64));

    private static readonly HistoryMark Mark = new HistoryMark().With(
        [
            new(HistoryKind.Started) { Note = "livepatch-agentd 0.1.0 on 6.12.117+deb12-cloud-amd64" },
            new(HistoryKind.EnableAsked) { By = new HistoryBy(1000, 4711, "evil\e[2J"), Note = "with https://livepatch.example" },
            new(HistoryKind.Offered) { By = new HistoryBy(Server: "https://livepatch.example"), Patch = new HistoryPatch(new string('a', 64)) },
            new(HistoryKind.Loaded) { Patch = Patch },
            new(HistoryKind.Refused) { Patch = Patch with { Signer = null }, Problem = new Problem(ProblemCode.ModuleUnsigned, "cannot load livepatch_lpn_0002: it is not signed", "sign it") },
            new(HistoryKind.Disabled) { By = new HistoryBy(0, 12) },
        ],
        0, null, Samples.Now, "boot-1");

    private static readonly HistoryVerdict Whole = new() { Whole = true, First = 1, Last = 6, Hash = new string('d', 64), Missed = 2, Faults = [] };

    [Fact]
    public void History_IsALineForEachEntry()
    {
        using var daemon = Saying(null);
        var ran = Run.Of(daemon.SocketPath, "history");
        Assert.Equal((0, ""), (ran.Code, ran.Error));
        Golden.Verify("history", ran.Out);
        Assert.Equal(Entries().Count, JsonDocument.Parse(Run.Of(daemon.SocketPath, "history", "--format", "json").Out).RootElement.GetProperty("entries").GetArrayLength());
        Assert.Contains("kind: loaded", Run.Of(daemon.SocketPath, "history", "--format", "yaml").Out, StringComparison.Ordinal);
    }

    [Fact]
    public void Verify_TellsByItsExitCode()
    {
        using var whole = Saying(Whole);
        using var broken = Saying(Whole with { Whole = false, Faults = ["entry 3 was changed", "entries 5 to 6 are missing: the end was cut off"] });
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
        using var strict = new TestDaemon((_, _) => TestDaemon.Error(403, new Problem(ProblemCode.NotPermitted, "cannot show this: you are neither root nor in group livepatch", "use sudo")));
        Assert.Equal(5, Run.Of(strict.SocketPath, "history").Code);
        using var odd = new TestDaemon((_, _) => TestDaemon.Http(200, "[]"));
        Assert.Equal(4, Run.Of(odd.SocketPath, "history").Code);
        using var empty = new TestDaemon((_, _) => TestDaemon.Http(200, """{"schema":"livepatch-history/1","entries":[]}"""));
        Assert.Equal("nothing has happened yet\n", Run.Of(empty.SocketPath, "history").Out);
        Assert.Equal(64, Run.Of("/nonexistent", "history", "--limit", "0").Code);
        Assert.Equal(4, Run.Of("/nonexistent", "history").Code);
    }

    [Fact]
    public void Limit_IsAskedFor()
    {
        var asked = "";
        using var daemon = new TestDaemon((line, _) =>
        {
            asked = line;
            return TestDaemon.Http(200, Body(Whole));
        });
        Run.Of(daemon.SocketPath, "history", "--limit", "7", "--verify");
        Assert.Equal("GET /v1/history?limit=7&verify=1 HTTP/1.0", asked);
    }

    private static TestDaemon Saying(HistoryVerdict? verdict) => new((_, _) => TestDaemon.Http(200, Body(verdict)));

    private static string Body(HistoryVerdict? verdict) =>
        JsonSerializer.Serialize(new HistoryAnswer { Schema = HistoryAnswer.SchemaName, Entries = Entries(), Verification = verdict }, HistoryJson.Default.HistoryAnswer);

    private static List<HistoryLine> Entries() => [.. Mark.Pending.Select(l => HistoryLine.Read(System.Text.Encoding.UTF8.GetBytes(l), out _)!)];
}
