using LivepatchAgent.Core;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.EndToEnd.Tests.Harness;

namespace LivepatchAgent.EndToEnd.Tests;

/// <summary>What a host runs after it went down, by the administrator's will and without it. Boots really.</summary>
public sealed class PowerCutTests(Workshop workshop)
{
    [Fact]
    public Task PowerCutInProbation_QuarantinesPatch() => Scenario.RunAsync(async s =>
    {
        var server = await s.ServerAsync();
        await server.PublishAsync(await workshop.PatchAsync(HostKind.Plain, "livepatch_cmdline", "1.0", 1));
        var host = await s.HostAsync(HostKind.Plain);
        (await host.EnableAsync(await server.TokenAsync())).Good();

        await host.CutPowerAsync();
        var status = await host.UntilAsync(
            "the patch is quarantined",
            x => x is { State: PatchState.Refused, Settled: true, CheckIn.Result: CheckInResult.Succeeded });
        Assert.Equal(ProblemCode.PatchQuarantined, status.Problem!.Code);
        Assert.Empty(status.Loaded);
        var text = await host.StatusTextAsync();
        Assert.Equal(1, text.Status);
        const string reason =
            "it is quarantined on this host: the host went down while the patch was in its probation";
        Assert.Contains(reason, text.Out, StringComparison.Ordinal);
        Assert.DoesNotContain("live patched", await host.DoAsync("cat /proc/cmdline"), StringComparison.Ordinal);
        Assert.Contains("patch-quarantined", await server.MachinesAsync(), StringComparison.Ordinal);

        // Asking again does not help a patch that took the host down; a better one does.
        var refreshed = await host.RefreshAsync();
        Assert.Equal(1, refreshed.Status);
        Assert.Contains("quarantined", refreshed.Error, StringComparison.Ordinal);
        await server.PublishAsync(await workshop.PatchAsync(HostKind.Plain, "livepatch_cmdline_v2", "2.0", 2));
        await host.UntilAppliedAsync("2.0");
    });

    [Fact]
    public Task PatchThatIsTrusted_IsLoadedAtBootWithoutServer() => Scenario.RunAsync(async s =>
    {
        var server = await s.ServerAsync();
        await server.PublishAsync(await workshop.PatchAsync(HostKind.Plain, "livepatch_cmdline", "1.0", 1));
        var host = await s.HostAsync(HostKind.Plain);
        (await host.EnableAsync(await server.TokenAsync())).Good();
        await server.StopAsync();

        // In probation, but the host went down because somebody said so.
        await host.RebootAsync();
        await AppliedWithoutServerAsync(host);

        await host.DoAsync(
            """
            sed -i 's/^# probation-minutes.*/probation-minutes = 0/' /etc/livepatch-agent/agent.conf &&
                systemctl reload livepatch-agentd
            """);
        await host.UntilHoldsAsync($"{LabHost.Journal} | grep -q 'has survived its probation'", tries: 50);
        await host.DoAsync("sync");
        await host.CutPowerAsync();
        await AppliedWithoutServerAsync(host);

        await server.ResumeAsync();
        Assert.Equal(0, (await host.RefreshAsync()).Status);
    });

    [Fact]
    public Task PowerCutWhileLoading_QuarantinesAndFallsBack() => Scenario.RunAsync(async s =>
    {
        var server = await s.ServerAsync();
        await server.PublishAsync(await workshop.PatchAsync(HostKind.Plain, "livepatch_cmdline", "1.0", 1));
        var host = await s.HostAsync(HostKind.Plain);
        await host.DoAsync(
            """
            echo probation-minutes = 0 >>/etc/livepatch-agent/agent.conf && systemctl restart livepatch-agentd
            """);
        (await host.EnableAsync(await server.TokenAsync())).Good();
        await host.DoAsync(
            """
            sed -i '/^probation-minutes/d' /etc/livepatch-agent/agent.conf &&
                mkdir -p /run/systemd/system/livepatch-agentd.service.d &&
                printf '[Service]\nRestart=no\nEnvironment=LIVEPATCH_AGENTD_FAILPOINT=load:after\n' \
                    >/run/systemd/system/livepatch-agentd.service.d/x.conf &&
                systemctl daemon-reload && systemctl restart livepatch-agentd
            """);
        await server.PublishAsync(await workshop.PatchAsync(HostKind.Plain, "livepatch_cmdline_v2", "2.0", 2));
        await host.DoAsync("while systemctl -q is-active livepatch-agentd; do sleep 0.3; done", seconds: 60);

        await host.CutPowerAsync();
        var status = await host.UntilAsync("back on the last good one", IsBackOnFirst, 90);
        Assert.Equal("1.0", status.Patch!.Version);
        Assert.Equal(ProblemCode.PatchQuarantined, status.Problem!.Code);
    });

    private static bool IsBackOnFirst(AgentStatus status)
    {
        if (status is not { Settled: true, CheckIn.Result: CheckInResult.Succeeded }) return false;
        return status.Loaded.Any(p => p is { Name: "livepatch_cmdline", Enabled: true, Transition: false });
    }

    private static async Task AppliedWithoutServerAsync(LabHost host)
    {
        var status = await host.UntilAsync(
            "applied from the host's own store",
            x => x is { State: PatchState.Applied, CheckIn.Result: CheckInResult.Failed });
        Assert.Equal("1.0", status.Patch!.Version);
        await host.CmdlineIsPatchedAsync();
        var unit = await host.DoAsync("systemctl status --no-pager livepatch-agentd");
        Assert.Contains("the patch server does not answer", unit, StringComparison.Ordinal);
    }
}
