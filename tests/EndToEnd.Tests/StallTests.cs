using LivepatchAgent.Core;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.EndToEnd.Tests.Harness;

namespace LivepatchAgent.EndToEnd.Tests;

/// <summary>Transitions that do not end, or not soon.</summary>
public sealed class StallTests(Workshop workshop)
{
    [Fact]
    public Task StalledTransition_NamesItsTaskAndIsReversed() => Scenario.RunAsync(async s =>
    {
        var server = await s.ServerAsync();
        await server.PublishAsync(await workshop.PatchAsync(HostKind.Plain, "livepatch_stall", "1.0", 1));
        var host = await s.HostAsync(HostKind.Plain);
        await host.DoAsync(
            """
            printf 'stall-policy = reverse\nstall-reverse-after-minutes = 1\n' >>/etc/livepatch-agent/agent.conf
            systemctl reload livepatch-agentd
            """);

        var enabled = await host.EnableAsync(await server.TokenAsync(), "--timeout 35");
        Assert.Equal(2, enabled.Status);
        Assert.Contains("waiting for 1 task", enabled.Out, StringComparison.Ordinal);
        Assert.Contains("oom_reaper", enabled.Out, StringComparison.Ordinal);
        var text = await host.StatusTextAsync();
        Assert.Equal(1, text.Status);
        Assert.Matches("the kernel has been switching over for [0-9]+ seconds, and 1 task holds it up", text.Out);
        // Its stack is readable under the unit's limits.
        Assert.Matches(@"task [0-9]+ \(oom_reaper\).*, in (oom_reaper|kthread|schedule|__schedule)", text.Out);
        Assert.Contains("transition-stalled", await server.MachinesAsync(), StringComparison.Ordinal);
        var metrics = await host.MetricsAsync();
        Assert.Contains("livepatch_problem{code=\"transition-stalled\"} 1", metrics, StringComparison.Ordinal);

        await host.StopsAtOnceAsync("in a stalled transition");
        await host.DoAsync("systemctl start livepatch-agentd");
        await host.UntilAsync("it is watched again", x => x.Problem?.Code == ProblemCode.TransitionStalled);

        var reversed = await host.UntilAsync(
            "reversed", x => x is { State: PatchState.ApplyFailed, Settled: true }, 90);
        Assert.Equal(ProblemCode.TransitionReversed, reversed.Problem!.Code);
        await host.UntilAsync("nothing is patched", x => x.Loaded.Count == 0);
        await host.UntilUnloadedAsync("livepatch_stall");

        // And the host takes the next one.
        await server.PublishAsync(await workshop.PatchAsync(HostKind.Plain, "livepatch_cmdline", "2.0", 2));
        await host.UntilAppliedAsync("2.0");
    });

    [Fact]
    public Task SlowTransition_IsWaitedFor() => Scenario.RunAsync(async s =>
    {
        var server = await s.ServerAsync();
        await server.PublishAsync(await workshop.PatchAsync(HostKind.Plain, "livepatch_slow", "1.0", 1));
        var host = await s.HostAsync(HostKind.Plain);
        await host.DoAsync("systemd-run --quiet --unit sleeper sleep infinity");

        var clock = System.Diagnostics.Stopwatch.StartNew();
        var enabled = await host.EnableAsync(await server.TokenAsync());
        Assert.True(enabled.Status == 0, $"{enabled}");
        Assert.Contains("waiting for tasks to switch over", enabled.Out, StringComparison.Ordinal);
        Assert.InRange(clock.Elapsed.TotalSeconds, 12, 60); // the kernel's fake signal comes after 15 s
        await host.UntilAppliedAsync("1.0");
        Assert.Equal("active", await host.DoAsync("systemctl is-active sleeper"));
    });
}
