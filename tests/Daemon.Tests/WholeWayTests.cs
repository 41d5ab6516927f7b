using LivepatchAgent.Core.Agent;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Daemon.Tests.Surroundings;
using Microsoft.Extensions.Logging;

namespace LivepatchAgent.Daemon.Tests;

public sealed class WholeWayTests
{
    private static readonly Published One = Workshop.Patch(1);
    private static readonly Published Two = Workshop.Patch(2);

    [Fact]
    public async Task Enable_WithAPatchForThisKernel_EndsApplied()
    {
        await using var host = await HostUnderTest.EnrolledAsync(One);
        var status = await host.SettledAsync(PatchState.Applied);
        Assert.Equal("1.0", status.Patch!.Version);
        Assert.Equal(["CVE-2026-0001"], status.Patch.Fixes);
        Assert.Equal(CoverageState.Covered, status.Kernel.Coverage);
        Assert.Null(status.Problem);
        Assert.True(status.CheckIn.Listening);
        Assert.Equal([One.Name], host.Kernel.Loaded);
        Assert.Empty(host.Log.From(LogLevel.Warning));
    }

    [Fact]
    public async Task Publish_OfASecondPatch_ReplacesTheFirstAndRemovesItsModule()
    {
        await using var host = await HostUnderTest.EnrolledAsync(One);
        host.Server.Publish(Two);
        await host.UntilAsync("2.0", s => s.Settled && s.Patch?.Version == "2.0");
        await host.HappensAsync("removed", () => host.Kernel.Removed.Count == 1);
        Assert.Equal([Two.Name], host.Kernel.Patches);
        Assert.Equal([Two.Name], host.Kernel.Modules);
        Assert.Equal([One.Name, Two.Name], host.Kernel.Loaded);
    }

    [Fact]
    public async Task Restart_WithThePatchInTheKernel_LoadsNothing()
    {
        await using var host = await HostUnderTest.EnrolledAsync(One);
        await host.StopAsync();
        Assert.True(host.State.Kernel.StoppedCleanly);
        await host.StartAsync();
        await host.SettledAsync(PatchState.Applied);
        Assert.Single(host.Kernel.Loaded);
    }

    [Fact]
    public async Task Start_WithNoMemoryAndThePatchInTheKernel_AdoptsIt()
    {
        await using var host = await HostUnderTest.EnrolledAsync(One);
        await host.StopAsync();
        Directory.Delete(host.Paths.StateFolder, recursive: true);
        await host.StartAsync();
        await host.SettledAsync(PatchState.NotEnrolled);
        await host.EnableAsync();
        await host.SettledAsync(PatchState.Applied);
        Assert.Single(host.Kernel.Loaded);
        Assert.Equal([One.Name], host.Kernel.Patches);
    }

    [Fact]
    public async Task Disable_KeepsThePatchAndForgetsTheServer()
    {
        await using var host = await HostUnderTest.EnrolledAsync(One);
        await host.SendAsync(new Command.Disable());
        var status = await host.SettledAsync(PatchState.NotEnrolled);
        Assert.Null(status.Enrolment);
        Assert.Equal("1.0", status.Patch!.Version);
        Assert.Equal([One.Name], host.Kernel.Patches);
        await host.EnableAsync();
        await host.SettledAsync(PatchState.Applied);
        Assert.Single(host.Kernel.Loaded);
    }

    [Fact]
    public async Task Refresh_AsksTheServerAndKeepsSayingApplied()
    {
        await using var host = await HostUnderTest.EnrolledAsync(One);
        var seen = host.Board.Current.Revision;
        var before = host.Server.Count(TestServer.Catalogues);
        await host.RefreshAsync();
        var status = await host.UntilAsync("settled again", s => s.Revision > seen && s.Settled);
        Assert.Equal(PatchState.Applied, status.State);
        Assert.Equal(before + 1, host.Server.Count(TestServer.Catalogues));
        Assert.Single(host.Kernel.Loaded);
    }

    [Fact]
    public async Task Reboot_AfterACleanStop_LoadsThePatchAgain()
    {
        await using var host = await HostUnderTest.EnrolledAsync(One);
        await host.RebootAsync(cleanly: true);
        await host.SettledAsync(PatchState.Applied);
        Assert.Equal([One.Name, One.Name], host.Kernel.Loaded);
    }

    [Fact]
    public async Task Withdrawal_IsReportedAndThePatchStays()
    {
        await using var host = await HostUnderTest.EnrolledAsync(One);
        var withdrawal = Workshop.Withdraw(One, "it stalls");
        host.Server.Withdrawals[Workshop.Sha256(withdrawal)] = withdrawal;
        host.Server.Publish(null);
        var status = await host.UntilAsync("withdrawn", s => s.Patch?.Withdrawn is not null);
        Assert.Equal("it stalls", status.Patch!.Withdrawn);
        Assert.Equal([One.Name], host.Kernel.Patches);
    }

    [Fact]
    public async Task Disable_DuringATransitionAndThenAReboot_LeavesTheDaemonWell()
    {
        await using var host = await HostUnderTest.StartedAsync();
        host.Kernel.CompletesAtOnce = false;
        host.Server.Publish(One);
        await host.EnableAsync();
        await host.InTransitionAsync();
        await host.SendAsync(new Command.Disable());
        await host.RebootAsync(cleanly: true);
        var status = await host.SettledAsync(PatchState.NotEnrolled);
        Assert.Null(status.Problem);
        Assert.Empty(host.Log.From(LogLevel.Error));
    }
}
