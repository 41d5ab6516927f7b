using LivepatchAgent.Core;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Daemon.Tests.Surroundings;
using Microsoft.Extensions.Logging;
using static LivepatchAgent.Daemon.Tests.BrokenPatchCases;

namespace LivepatchAgent.Daemon.Tests;

/// <summary>A second patch that must not be loaded, on a host that runs the first; then a third one that may.</summary>
public sealed class BrokenPatchTests
{
    private static readonly Published Three = Workshop.Patch(3);

    public static TheoryData<string> Names => [.. All.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public async Task Patch_ThatMustNotBeLoaded_IsReportedAndTheHostKeepsWhatItRuns(string name)
    {
        var test = All[name];
        await using var host = await HostUnderTest.EnrolledAsync(One);
        test.Breaks(host.Server);
        host.Server.Publish(test.Patch);
        var status = await host.ProblemAsync();
        HostUnderTest.AssertProblem(status.Problem, test.Code);
        Assert.Equal(test.ForGood ? PatchState.Refused : PatchState.Applying, status.State);
        Assert.Equal("1.0", status.Patch?.Version);
        Assert.Equal([One.Name], host.Kernel.Patches);

        var (start, asked) = (host.Time.GetUtcNow(), host.Server.Calls.Count);
        var warned = host.Log.Of(LogLevel.Warning).Length;
        await host.HappensAsync("an hour", () => host.Time.GetUtcNow() - start > TimeSpan.FromHours(1));
        Assert.InRange(host.Server.Calls.Count - asked, 1, 80);
        Assert.InRange(host.Log.Of(LogLevel.Warning).Length, warned, warned + 2);
        Assert.Equal([One.Name], host.Kernel.Loaded);
        var files = new DirectoryInfo(host.Paths.StateFolder).EnumerateFiles("*", SearchOption.AllDirectories);
        Assert.True(files.All(f => f.Length <= 64 * 1024));

        Mend(host.Server);
        host.Server.Publish(test.ForGood ? Three : Two);
        var version = test.ForGood ? "3.0" : "2.0";
        await host.UntilAsync(
            "mended", s => s.Settled && s.State == PatchState.Applied && s.Patch?.Version == version);
        await host.UntilAsync("no problem", s => s.Problem is null);
    }

    [Fact]
    public async Task Patch_OfALowerNumber_IsNotGoneBackTo()
    {
        await using var host = await HostUnderTest.EnrolledAsync(Two);
        host.Server.Publish(One);
        var status = await host.SettledAsync(PatchState.Refused);
        HostUnderTest.AssertProblem(status.Problem, ProblemCode.PatchRolledBack, "its sequence is 1");
        Assert.Equal([Two.Name], host.Kernel.Loaded);
    }

    [Fact]
    public async Task Catalogue_ThatFailsWhileNothingNewIsAssigned_LeavesThePatchApplied()
    {
        await using var host = await HostUnderTest.EnrolledAsync(One);
        host.Server.CatalogueSigner = Workshop.Stranger;
        await host.RefreshAsync();
        var status = await host.ProblemAsync();
        Assert.Equal((PatchState.Applied, ProblemCode.CatalogueSignatureInvalid), (status.State, status.Problem!.Code));
        Mend(host.Server);
        await host.UntilAsync("mended", s => s.Settled && s.Problem is null && s.State == PatchState.Applied);
    }

    [Fact]
    public async Task Download_ThatBreaks_GoesOnWhereItWas()
    {
        var big = Workshop.Patch(2, padding: 700_000);
        await using var host = await HostUnderTest.EnrolledAsync(One);
        host.Server.Instead = c => AnsweredAsync(c, big.ModulePath, async () =>
        {
            await c.RawAsync($"HTTP/1.1 200 X\r\nContent-Length: {big.Module.Length}\r\n\r\n");
            await c.RawAsync(big.Module[..400_000]);
        });
        host.Server.Publish(big);
        await host.HappensAsync(
            "broken", () => host.Server.Count(big.ModulePath) == 1 && host.Server.Busy == 0, timePasses: false);
        await host.Server.StopAsync();
        await host.UntilAsync("reported", s => s.Problem is not null, timePasses: false);
        Mend(host.Server);
        host.Server.Start();
        await host.UntilAsync("2.0", s => s.Settled && s.Patch?.Version == "2.0");
        var parts = host.Server.Calls.Where(c => c.Path == big.ModulePath).ToArray();
        Assert.Null(parts[0].RangeFrom);
        Assert.Equal(400_000, parts[^1].RangeFrom);
    }

    /// <summary>A page of something in between, cut off where the module goes on later.</summary>
    [Fact]
    public async Task Download_WhoseBeginningIsForeign_IsFetchedAnewInOnePiece()
    {
        var big = Workshop.Patch(2, padding: 700_000);
        await using var host = await HostUnderTest.EnrolledAsync(One);
        var first = true;
        host.Server.Instead = async c => first && await AnsweredAsync(c, big.ModulePath, () =>
        {
            first = false;
            return c.AnswerAsync(200, new byte[5000], "application/octet-stream");
        });
        host.Server.Publish(big);
        var status = await host.UntilAsync("2.0", s => s.Settled && s.Patch?.Version == "2.0");
        Assert.Null(status.Problem);
        var asked = host.Server.Calls.Where(c => c.Path == big.ModulePath).Select(c => c.RangeFrom).ToArray();
        Assert.Equal([null, 5000, null], asked);
    }

    /// <summary>Whose every beginning is foreign: it is not asked for for ever.</summary>
    [Fact]
    public async Task Download_WhoseBeginningIsAlwaysForeign_IsRefusedInTheEnd()
    {
        var big = Workshop.Patch(2, padding: 700_000);
        await using var host = await HostUnderTest.EnrolledAsync(One);
        host.Server.Instead = async c => c.RangeFrom is null && await AnsweredAsync(
            c, big.ModulePath, () => c.AnswerAsync(200, new byte[5000], "application/octet-stream"));
        host.Server.Publish(big);
        var status = await host.UntilAsync("refused", s => s.Settled && s.State == PatchState.Refused);
        HostUnderTest.AssertProblem(status.Problem, ProblemCode.ModuleDigestMismatch);
        Assert.Equal("1.0", status.Patch?.Version);
        Assert.Equal(4, host.Server.Count(big.ModulePath));
    }

    [Fact]
    public async Task Download_FromAServerWithoutRanges_BeginsAnew()
    {
        var big = Workshop.Patch(2, padding: 700_000);
        await using var host = await HostUnderTest.EnrolledAsync(One);
        var calls = 0;
        host.Server.Instead = c => AnsweredAsync(c, big.ModulePath, async () =>
        {
            await c.RawAsync($"HTTP/1.1 200 X\r\nContent-Length: {big.Module.Length}\r\n\r\n");
            await c.RawAsync(big.Module[..(Interlocked.Increment(ref calls) == 1 ? 400_000 : big.Module.Length)]);
        });
        host.Server.Publish(big);
        await host.UntilAsync("2.0", s => s.Settled && s.Patch?.Version == "2.0");
        Assert.Equal(2, calls);
    }

    [Fact]
    public async Task Download_InADrip_IsGivenUpAndResumed()
    {
        var big = Workshop.Patch(2, padding: 200_000);
        await using var host = await HostUnderTest.EnrolledAsync(One);
        var first = true;
        var part = Path.Combine(host.Paths.StateFolder, "modules", big.Manifest.Module.Sha256 + ".part");
        host.Server.Instead = async c =>
        {
            if (c.Path != big.ModulePath || !first) return false;
            first = false;
            await c.RawAsync($"HTTP/1.1 200 X\r\nContent-Length: {big.Module.Length}\r\n\r\n");
            for (var i = 0; i < big.Module.Length / 100; i++)
            {
                await c.RawAsync(big.Module[(i * 100)..((i + 1) * 100)]);
                await host.HappensAsync("stored", () => IsStored(c, (i + 1) * 100), timePasses: false);
                host.Time.Advance(TimeSpan.FromSeconds(1));
            }

            return true;
        };
        host.Server.Publish(big);
        var status = await host.UntilAsync("reported", s => s.Problem is not null);
        HostUnderTest.AssertProblem(status.Problem, ProblemCode.ServerTimeout);
        await host.UntilAsync("2.0", s => s.Settled && s.Patch?.Version == "2.0");
        Assert.True(host.Server.Calls.Last(c => c.Path == big.ModulePath).RangeFrom > 0);

        bool IsStored(Call call, int length)
        {
            if (call.Line is not { CanRead: true } || host.Board.Current.Problem is not null) return true;
            return File.Exists(part) && new FileInfo(part).Length >= length;
        }
    }
}
