using LivepatchAgent.Core;
using LivepatchAgent.Core.Agent;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Daemon.Tests.Surroundings;

namespace LivepatchAgent.Daemon.Tests;

/// <summary>Boots that end in order and boots that do not, seen from the whole daemon.</summary>
public sealed class BootTests
{
    private static readonly Published One = Workshop.Patch(1);
    private static readonly Published Two = Workshop.Patch(2);

    /// <summary>
    /// A patch that panics the host when it is loaded, after a reboot during its first transition that was in order.
    /// </summary>
    [Fact]
    public async Task Host_ThatGoesDownAtEachLoadOfTheSecondPatch_LoadsItOnce()
    {
        await using var host = await HostUnderTest.EnrolledAsync(One);
        await host.HappensAsync("probation", () => host.State.Record.LastGood is not null);
        host.Kernel.CompletesAtOnce = false;
        host.Server.Publish(Two);
        await host.InTransitionAsync();
        host.Kernel.CompletesAtOnce = true;
        host.Kernel.LoadAnswer = _ => host.Kernel.Loaded[^1] == Two.Name ? throw new Killed() : 0;
        await host.RebootAsync(cleanly: true);
        await host.DeadAsync();
        // The first one was brought back beforehand.
        Assert.Equal([One.Name, Two.Name, One.Name, Two.Name], host.Kernel.Loaded);
        await host.RebootAsync(cleanly: false);
        var status = await host.UntilAsync("refused", IsQuarantined);
        Assert.Equal("1.0", status.Patch!.Version);
        Assert.Equal([One.Name, Two.Name, One.Name, Two.Name, One.Name], host.Kernel.Loaded);
    }

    /// <summary>The evidence outlives a boot on which nothing was done, however that one ended.</summary>
    [Theory]
    [InlineData("off\n")]
    [InlineData("observe\n")]
    public async Task Host_ThatWentDownInProbation_IsRememberedOverABootWithTheKillSwitch(string mode)
    {
        await using var host = await WentDownInProbationAsync(One);
        host.Write("etc/livepatch-agent/mode", mode);
        await host.RebootAsync(cleanly: false);
        await host.UntilAsync("at rest", s => s.Settled && s.State is PatchState.Unsupported or PatchState.Refused);
        Assert.Null(host.Board.Current.Patch);
        host.Write("etc/livepatch-agent/mode", "");
        await host.RebootAsync(cleanly: true);
        await host.UntilAsync("quarantined", s => s.Settled && s.Problem?.Code == ProblemCode.PatchQuarantined);
        Assert.Single(host.Kernel.Loaded);
    }

    /// <summary>
    /// The newest patch took the host down, its publisher took it back, and the one before is assigned: that is no
    /// rollback.
    /// </summary>
    [Fact]
    public async Task Host_ThatWentDownInProbation_TakesAnOlderPatchOnceTheNewerIsWithdrawn()
    {
        await using var host = await WentDownInProbationAsync(Two);
        await host.RebootAsync(cleanly: false);
        await host.UntilAsync("quarantined", s => s.Settled && s.Problem?.Code == ProblemCode.PatchQuarantined);
        host.Server.Publish(One);
        await IsRolledBackAsync(host);
        var withdrawal = Workshop.Withdraw(Two, "it panics");
        host.Server.Withdrawals[Workshop.Sha256(withdrawal)] = withdrawal;
        host.Server.Publish(One);
        var status = await host.UntilAsync("1.0", s => s.Settled && s.State == PatchState.Applied);
        Assert.Equal("1.0", status.Patch!.Version);
        Assert.Equal([Two.Name, One.Name], host.Kernel.Loaded);
    }

    /// <summary>
    /// Only the publisher's word counts: a server that says "withdrawn" with nothing behind it brings no older patch
    /// in.
    /// </summary>
    [Fact]
    public async Task Withdrawal_OfAStranger_IsNoLeaveToGoBack()
    {
        await using var host = await HostUnderTest.EnrolledAsync(Two);
        var forged = new string('d', 64);
        host.Server.Cataloguing = c => c with { Patches = [.. c.Patches.Select(Withdrawn)] };
        host.Server.Publish(One);
        await IsRolledBackAsync(host);
        Assert.Equal([Two.Name], host.Kernel.Loaded);
        Assert.Null(host.Board.Current.Patch!.Withdrawn);

        CatalogueEntry Withdrawn(CatalogueEntry listed) =>
            listed.ManifestDigest == Two.Digest ? listed with { Withdrawal = forged } : listed;
    }

    private static async Task IsRolledBackAsync(HostUnderTest host)
    {
        var status = await host.UntilAsync(
            "rolled back", s => s.Settled && s.Problem?.Code == ProblemCode.PatchRolledBack);
        HostUnderTest.AssertProblem(status.Problem, ProblemCode.PatchRolledBack, "its sequence is 1");
    }

    private static bool IsQuarantined(AgentStatus status) =>
        status.Settled && status.Problem?.Code == ProblemCode.PatchQuarantined && status.Patch is not null;

    private static async Task<HostUnderTest> WentDownInProbationAsync(Published patch)
    {
        var host = await HostUnderTest.EnrolledAsync(patch);
        Assert.Null(host.State.Record.LastGood);
        await host.StopAsync();
        await host.StartAsync("fetch-catalogue:before");
        await host.SendAsync(new Command.Refresh());
        await host.DeadAsync();
        Assert.False(host.State.Kernel.StoppedCleanly);
        return host;
    }
}
