using System.Net;
using System.Net.Http;
using System.Text;
using System.Text.Json;
using LivepatchAgent.Core.History;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Daemon.Store;
using LivepatchAgent.Daemon.Tests.Surroundings;
using Microsoft.Extensions.Logging;

namespace LivepatchAgent.Daemon.Tests;

/// <summary>history.jsonl of a whole daemon: what it shows, what it survives, and what it finds out.</summary>
public sealed class HistoryTests
{
    private const string WholeWay = "started enable-asked enrolled offered verified loading loaded applied";
    private static readonly Published One = Workshop.Patch(1);
    private static readonly Published Two = Workshop.Patch(2);

    [Fact]
    public async Task History_OfAWholeLife_ShowsWhatHappenedAndByWhom()
    {
        await using var host = await HostUnderTest.EnrolledAsync(One);
        await host.StartSocketAsync();
        using (var root = Person.Of(host.Paths.Socket))
        {
            using var answer = await root.PostAsync("/v1/refresh", null, HostUnderTest.Ct);
            Assert.Equal(HttpStatusCode.Accepted, answer.StatusCode);
        }

        await host.SettledAsync(PatchState.Applied);
        host.Server.Publish(Workshop.Patch(2, moduleSigner: Workshop.Stranger));
        await host.SettledAsync(PatchState.Refused);
        await host.StopAsync();

        var lines = Lines(host);
        Assert.Equal($"{WholeWay} refresh-asked offered refused stopped", Kinds(lines));
        Assert.True(Verified(host).Whole);
        var loaded = lines.Single(l => l.Kind == "loaded");
        var patch = loaded.Patch!;
        Assert.Equal((One.Digest, One.Manifest.Module.Sha256), (patch.ManifestDigest, patch.Module));
        Assert.Equal(Core.Trust.Certificates.Fingerprint(Workshop.Publisher), patch.Signer);
        Assert.Equal(("boot-1", host.Time.GetUtcNow().Date), (loaded.Boot, loaded.At.Date));
        Assert.Equal(host.Server.Url, lines.First(l => l.Kind == "offered").By?.Server);
        var asked = lines.Single(l => l.Kind == "refresh-asked").By;
        Assert.Equal((0u, Environment.ProcessId), (asked?.Uid, asked?.Pid));
        Assert.Equal("module-signer-unknown", lines.Single(l => l.Kind == "refused").Problem);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Journalled(host)));
        var text = File.ReadAllText(Journalled(host));
        Assert.DoesNotContain(host.Server.Token.Secret, text, StringComparison.Ordinal);
        Assert.DoesNotContain(new string('A', 43), text, StringComparison.Ordinal);
    }

    public static TheoryData<string> Ends =>
    [
        .. new[] { "enrol", "fetch-catalogue", "fetch-manifest", "download", "verify", "load", "believe" }
            .SelectMany(s => new[] { s + ":before", s + ":after" }),
    ];

    [Theory]
    [MemberData(nameof(Ends))]
    public async Task History_OfADaemonThatIsKilled_LosesNothingAndShowsNothingTwice(string failPoint)
    {
        await using var host = new HostUnderTest();
        host.Server.Publish(One);
        await host.StartAsync(failPoint);
        await host.EnableAsync();
        await host.DeadAsync();
        await host.StartAsync();
        await host.SettledAsync(PatchState.Applied);
        await host.StopAsync();
        var verdict = Verified(host);
        Assert.True(verdict.Whole, string.Join(", ", verdict.Faults));
        var kinds = Lines(host).Select(l => l.Kind).Where(k => k is not ("started" or "stopped")).ToList();
        // A verdict is never read from the disk: what was verified before the end is verified again.
        // The rest happens once.
        var others = kinds.Where(k => k != "verified").Distinct();
        Assert.Equal("enable-asked enrolled offered loading loaded applied", string.Join(' ', others));
        Assert.All(new[] { "enable-asked", "enrolled", "offered", "loaded", "applied" }, k => Assert.Single(kinds, k));
    }

    [Fact]
    public async Task History_TornByAPowerCut_IsRepairedAndSaysSo()
    {
        await using var host = await HostUnderTest.EnrolledAsync(One);
        await host.StopAsync();
        var (text, journal) = (File.ReadAllBytes(Journalled(host)), File.ReadAllBytes(host.Journal));
        var last = text.AsSpan(0, text.Length - 1).LastIndexOf((byte)'\n') + 1;
        foreach (var cut in new[] { last, last + 1, last + 40, text.Length - 1 })
        {
            File.WriteAllBytes(host.Journal, journal);
            File.WriteAllBytes(Journalled(host), text[..cut]);
            await host.StartAsync();
            await host.SettledAsync(PatchState.Applied);
            await host.StopAsync();
            Assert.True(Verified(host).Whole, $"{cut}: {string.Join(", ", Verified(host).Faults)}");
            Assert.Equal(cut == last ? 1 : 2, Lines(host).Count(l => l.Kind == "repaired"));
            Assert.Equal($"{WholeWay} stopped", string.Join(' ', Kinds(Lines(host)).Split(' ').Take(9)));
        }
    }

    [Fact]
    public async Task History_CutOff_IsFoundOutForEver()
    {
        await using var host = await HostUnderTest.EnrolledAsync(One);
        await host.StopAsync();
        var lines = File.ReadAllLines(Journalled(host));
        File.WriteAllText(Journalled(host), string.Concat(lines[..3].Select(l => l + "\n")));
        for (var start = 0; start < 2; start++)
        {
            await host.StartAsync();
            await host.SettledAsync(PatchState.Applied);
            var errors = host.Log.Of(LogLevel.Error);
            Assert.Contains(errors, l => l.Contains("history ends at entry 3", StringComparison.Ordinal));
            await host.StopAsync();
            Assert.Contains($"entries 4 to {lines.Length} are missing", Verified(host).Faults);
        }

        Assert.Single(Lines(host), l => l.Kind == "damaged");
        File.Delete(Journalled(host));
        Assert.Contains("the end was cut off", Assert.Single(Verified(host).Faults), StringComparison.Ordinal);
    }

    [Fact]
    public async Task History_ThatCannotBeWritten_StopsNoPatchAndShowsTheGap()
    {
        await using var host = await HostUnderTest.StartedAsync();
        await host.HappensAsync("begun", () => File.Exists(Journalled(host)));
        File.Delete(Journalled(host));
        Directory.CreateDirectory(Journalled(host));
        host.Server.Publish(One);
        await host.EnableAsync();
        await host.SettledAsync(PatchState.Applied);
        var warnings = host.Log.Of(LogLevel.Warning);
        Assert.Single(warnings, l => l.Contains("history.jsonl", StringComparison.Ordinal));
        for (var i = 0; i < 40; i++) await host.RefreshAsync();
        await host.SettledAsync(PatchState.Applied);
        Directory.Delete(Journalled(host));
        await host.RefreshAsync();
        await host.SettledAsync(PatchState.Applied);
        await host.RefreshAsync();
        await host.SettledAsync(PatchState.Applied);
        Assert.Contains(host.Log.Lines, l => l.Line == "The history can be saved again");
        var lines = Lines(host);
        Assert.Single(lines, l => l.Kind == "applied");
        Assert.InRange(Assert.Single(lines, l => l.Kind == "gap").Missed ?? 0, 5, 60);
        // The one entry that was in the file when it was taken away is missing, and nothing else.
        Assert.Equal("entries 1 to 1 are missing", Assert.Single(Verified(host).Faults));
    }

    [Fact]
    public async Task Route_IsForRootAndGroupAndBounded()
    {
        await using var host = await HostUnderTest.EnrolledAsync(One);
        await host.StartSocketAsync();
        using var root = Person.Of(host.Paths.Socket);
        using var nobody = Person.Of(host.Paths.Socket, Person.Nobody, Person.Nobody);
        Assert.Equal(HttpStatusCode.Forbidden, (await nobody.GetAsync("/v1/history", HostUnderTest.Ct)).StatusCode);
        foreach (var limit in new[] { "0", "1001", "-1", "x", "99999999999" })
        {
            using var refused = await root.GetAsync($"/v1/history?limit={limit}", HostUnderTest.Ct);
            Assert.Equal(HttpStatusCode.BadRequest, refused.StatusCode);
        }

        var answer = await AskAsync(root, "?limit=2");
        Assert.Equal("loaded applied", Kinds(answer.Entries));
        Assert.Null(answer.Verification);
        answer = await AskAsync(root, "?verify=1");
        Assert.Equal(WholeWay, Kinds(answer.Entries));
        Assert.True(answer.Verification?.Whole);

        var text = File.ReadAllText(Journalled(host));
        File.WriteAllText(Journalled(host), text.Replace("loading", "loadinG", StringComparison.Ordinal));
        Assert.Equal(["entry 6 was changed"], (await AskAsync(root, "?verify=1")).Verification!.Faults);
        File.WriteAllText(Journalled(host), text[..(text[..^1].LastIndexOf('\n') + 1)]);
        var cut = (await AskAsync(root, "?verify=1")).Verification!;
        Assert.Equal(["entries 8 to 8 are missing: the end was cut off"], cut.Faults);
        File.WriteAllText(Journalled(host), text + "\0\u0001 nonsense\n");
        Assert.False((await AskAsync(root, "?verify=1")).Verification!.Whole);
        File.WriteAllText(Journalled(host), text + new string('x', 300_000));
        Assert.False((await AskAsync(root, "?verify=1")).Verification!.Whole);
    }

    private static async Task<HistoryAnswer> AskAsync(HttpClient person, string query)
    {
        var json = await person.GetByteArrayAsync("/v1/history" + query, HostUnderTest.Ct);
        return JsonSerializer.Deserialize(json, HistoryJson.Default.HistoryAnswer)!;
    }

    private static string Journalled(HostUnderTest host) => Path.Combine(host.Paths.StateFolder, "history.jsonl");

    private static HistoryLine[] Lines(HostUnderTest host) =>
        [.. File.ReadAllLines(Journalled(host)).Select(l => HistoryLine.Read(Encoding.UTF8.GetBytes(l), out _)!)];

    private static string Kinds(IEnumerable<HistoryLine> lines) => string.Join(' ', lines.Select(l => l.Kind));

    /// <summary>By another reader of the same files.</summary>
    private static HistoryVerdict Verified(HostUnderTest host)
    {
        var verifier = new HistoryVerifier();
        var torn = LineFile.Read(Journalled(host), verifier.Take);
        return verifier.End(host.State.History with { Pending = [] }, torn);
    }
}
