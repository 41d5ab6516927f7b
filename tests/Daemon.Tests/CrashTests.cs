using System.Text.Json;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Agent;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Daemon.Tests.Surroundings;
using Microsoft.Extensions.Logging;

namespace LivepatchAgent.Daemon.Tests;

/// <summary>
/// kill -9 before and after every kind of step, and in the midst of loading: the next daemon ends where this one would
/// have.
/// </summary>
public sealed class CrashTests
{
    private static readonly Published One = Workshop.Patch(1);
    private static readonly Published Two = Workshop.Patch(2);

    public static TheoryData<string> FirstPatch =>
    [
        .. Both("enrol", "believe", "check-in", "fetch-catalogue", "fetch-manifest"),
        .. Both("download", "verify", "preflight", "load", "tidy", "listen"),
    ];

    [Theory]
    [MemberData(nameof(FirstPatch))]
    public async Task Killed_OnTheWayToTheFirstPatch_EndsApplied(string at)
    {
        await using var host = new HostUnderTest();
        host.Server.Publish(One);
        await host.StartAsync(at);
        await host.EnableAsync();
        await host.DeadAsync();
        await host.StartAsync();
        var status = await host.SettledAsync(PatchState.Applied);
        Assert.Equal("1.0", status.Patch?.Version);
        Assert.Equal([One.Name], host.Kernel.Loaded);
        Assert.Empty(host.Log.From(LogLevel.Error));
        if (!at.StartsWith("download:after", StringComparison.Ordinal)) return;
        Assert.Equal(1, host.Server.Count(One.ModulePath));
    }

    public static TheoryData<string> SecondPatch =>
    [
        .. Both("believe", "fetch-catalogue", "fetch-manifest", "download", "verify"),
        .. Both("preflight", "load", "remove-module", "check-in"),
    ];

    [Theory]
    [MemberData(nameof(SecondPatch))]
    public async Task Killed_WhileReplacing_EndsWithTheSecondPatchAlone(string at)
    {
        await using var host = await HostUnderTest.EnrolledAsync(One);
        await host.StopAsync();
        host.Server.Publish(Two);
        await host.StartAsync(at);
        await host.SendAsync(new Command.Refresh());
        await host.DeadAsync();
        if (!at.StartsWith("believe", StringComparison.Ordinal)) Assert.False(host.State.Kernel.StoppedCleanly);
        await host.StartAsync();
        await host.UntilAsync(
            "2.0", s => s.Settled && s.Patch?.Version == "2.0" && host.State.Kernel.Leftovers.Count == 0);
        Assert.Equal([Two.Name], host.Kernel.Modules);
        Assert.Equal([One.Name, Two.Name], host.Kernel.Loaded);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Killed_InsideFinitModule_FindsWhatTheKernelDid(bool completes)
    {
        await using var host = new HostUnderTest();
        host.Server.Publish(One);
        host.Kernel.CompletesAtOnce = completes;
        host.Kernel.AfterLoading = () =>
        {
            if (completes) host.Kernel.Complete(One.Name);
            throw new Killed();
        };
        await host.StartAsync();
        await host.EnableAsync();
        await host.DeadAsync();
        Assert.IsType<Phase.Loading>(host.State.Phase);
        host.Kernel.AfterLoading = () => { };
        await host.StartAsync();
        if (!completes)
        {
            await host.InTransitionAsync();
            host.Kernel.Complete(One.Name);
        }

        await host.SettledAsync(PatchState.Applied);
        Assert.Equal([One.Name], host.Kernel.Loaded);
    }

    [Fact]
    public async Task Killed_EachTimeBeforeTheKernelTookIt_GivesUpAfterThree()
    {
        await using var host = new HostUnderTest();
        host.Server.Publish(One);
        host.Kernel.LoadAnswer = _ => throw new Killed();
        await host.StartAsync();
        await host.EnableAsync();
        for (var i = 0; i < 3; i++)
        {
            await host.DeadAsync();
            await host.StartAsync();
        }

        var status = await host.SettledAsync(PatchState.ApplyFailed);
        HostUnderTest.AssertProblem(status.Problem, ProblemCode.KernelError, "3 times");
        Assert.Equal(3, host.Kernel.Loaded.Count);
    }

    public static TheoryData<string> Reversal => [.. Both("reverse")];

    [Theory]
    [MemberData(nameof(Reversal))]
    public async Task Killed_WhileReversing_EndsWithThePatchOut(string at)
    {
        await using var host = new HostUnderTest();
        host.Write("etc/livepatch-agent/agent.conf", "stall-policy = reverse\nstall-reverse-after-minutes = 1\n");
        host.Kernel.CompletesAtOnce = false;
        host.Server.Publish(One);
        await host.StartAsync(at);
        await host.EnableAsync();
        await host.DeadAsync();
        await host.StartAsync();
        await host.HappensAsync("reversed", () => host.Kernel.Enabled(One.Name) == "0");
        host.Kernel.LetGo(One.Name);
        var status = await host.SettledAsync(PatchState.ApplyFailed);
        HostUnderTest.AssertProblem(status.Problem, ProblemCode.TransitionReversed, One.Name);
        await host.HappensAsync("removed", () => host.Kernel.Modules.Length == 0);
        Assert.Single(host.Kernel.Loaded);
    }

    public static TheoryData<string> Withdrawal => [.. Both("fetch-withdrawal")];

    [Theory]
    [MemberData(nameof(Withdrawal))]
    public async Task Killed_WhileHearingOfAWithdrawal_HearsItAgain(string at)
    {
        await using var host = await HostUnderTest.EnrolledAsync(One);
        await host.StopAsync();
        var withdrawal = Workshop.Withdraw(One, "it stalls");
        host.Server.Withdrawals[Workshop.Sha256(withdrawal)] = withdrawal;
        host.Server.Publish(null);
        await host.StartAsync(at);
        await host.SendAsync(new Command.Refresh());
        await host.DeadAsync();
        await host.StartAsync();
        await host.UntilAsync("withdrawn", s => s.Settled && s.Patch?.Withdrawn == "it stalls");
    }

    public static TheoryData<string> Pins => [.. Both("fetch-pins")];

    [Theory]
    [MemberData(nameof(Pins))]
    public async Task Killed_WhileFollowingPins_FollowsThemOnce(string at)
    {
        await using var host = await HostUnderTest.EnrolledAsync(One);
        await host.StopAsync();
        var pins = TestPins.Of(host, 1, 1, [Workshop.Publisher, Workshop.Stranger]);
        TestPins.Offer(host, 1, pins, Workshop.Publisher);
        await host.StartAsync(at);
        await host.SendAsync(new Command.Refresh());
        await host.DeadAsync();
        await host.StartAsync();
        await host.HappensAsync(
            "followed", () => host.State.Enrolment is { PinsVersion: 1, PublisherCertificates.Count: 2 });
        await host.SettledAsync(PatchState.Applied);
        await host.StopAsync();
        var history = File.ReadAllText(host.Path("var/lib/livepatch-agent/history.jsonl"));
        Assert.Equal(2, history.Split("pins-changed").Length);
    }

    [Fact]
    public void Points_AreBeforeAndAfterEachStep()
    {
        var steps = typeof(Step).GetNestedTypes()
            .Where(t => t.IsSubclassOf(typeof(Step)) && t != typeof(Step.Rest))
            .Select(t => JsonNamingPolicy.KebabCaseLower.ConvertName(t.Name));
        TheoryData<string>[] tables = [FirstPatch, SecondPatch, Reversal, Withdrawal, Pins];
        var points = tables.SelectMany(p => p).Select(row => row.Data).Distinct();
        Assert.Equal(Both([.. steps]).Order(), points.Order());
    }

    [Theory]
    [InlineData("load:before")]
    [InlineData("load:after")]
    public async Task HostGoesDown_WhileLoading_QuarantinesThePatchAndGoesBack(string at)
    {
        await using var host = await HostUnderTest.EnrolledAsync(One);
        await host.HappensAsync("probation", () => host.State.Record.LastGood is not null);
        await host.StopAsync();
        host.Server.Publish(Two);
        await host.StartAsync(at);
        await host.SendAsync(new Command.Refresh());
        await host.DeadAsync();
        var loads = host.Kernel.Loaded.Count;
        await host.RebootAsync(cleanly: false);
        var status = await host.UntilAsync(
            "refused", s => s.Settled && s.Problem?.Code == ProblemCode.PatchQuarantined && s.Patch is not null);
        Assert.Equal("1.0", status.Patch!.Version);
        Assert.Equal([One.Name], host.Kernel.Patches);
        Assert.Equal(loads + 1, host.Kernel.Loaded.Count);
        // A refresh is somebody's wish, not a better patch.
        await host.RefreshAsync();
        await host.UntilAsync("refused again", s => s.Settled && s.Problem?.Code == ProblemCode.PatchQuarantined);
        Assert.Equal(loads + 1, host.Kernel.Loaded.Count);
    }

    [Fact]
    public async Task LastGoodPatch_WhoseFilesAreGone_IsFetchedAgain()
    {
        await using var host = await HostUnderTest.EnrolledAsync(One);
        await host.StopAsync();
        Directory.Delete(Path.Combine(host.Paths.StateFolder, "manifests"), recursive: true);
        await host.RebootAsync(cleanly: true);
        await host.SettledAsync(PatchState.Applied);
        Assert.Equal(2, host.Kernel.Loaded.Count);
        Assert.Equal(2, host.Server.Count(One.ManifestPath));
        Assert.Equal(1, host.Server.Count(One.ModulePath));
    }

    [Fact]
    public async Task Bug_InAnEffect_IsShownAndTheDaemonGoesOn()
    {
        await using var host = await HostUnderTest.EnrolledAsync(One);
        host.Kernel.LoadAnswer = call => call == 2 ? throw new InvalidOperationException("a bug\nin two lines") : 0;
        host.Server.Publish(Two);
        var status = await host.UntilAsync(
            "reported", s => s.Problem?.Code == ProblemCode.InternalError, timePasses: false);
        HostUnderTest.AssertProblem(status.Problem, ProblemCode.InternalError, "a bug in two lines");
        await host.UntilAsync("2.0", s => s.Settled && s.Patch?.Version == "2.0" && s.Problem is null);
        Assert.Single(host.Log.Of(LogLevel.Error));
    }

    private static IEnumerable<string> Both(params string[] steps) =>
        steps.SelectMany(s => new[] { s + ":before", s + ":after" });
}
