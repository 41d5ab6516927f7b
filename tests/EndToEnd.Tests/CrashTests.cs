using System.Text.Json;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Agent;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.EndToEnd.Tests.Harness;

namespace LivepatchAgent.EndToEnd.Tests;

/// <summary>
/// The daemon dies as by kill -9, at every step of its journal and at random moments.
/// The end is always the right one.
/// </summary>
public sealed class CrashTests(Workshop workshop)
{
    /// <summary>
    /// On the way of one patch from the token to rest, in the order in which they come. Enrolment's "after" is the
    /// first: its "before" could come between a command and its answer, where nobody can watch on.
    /// </summary>
    private static readonly string[] Points =
    [
        "enrol:after", "enrol:before",
        .. Both("check-in"), .. Both("believe"), .. Both("fetch-catalogue"), .. Both("fetch-manifest"),
        .. Both("download"), .. Both("verify"), .. Both("preflight"), .. Both("load"), .. Both("tidy"),
        .. Both("listen"),
    ];

    private static readonly string[] Removal = Both("remove-module");
    private static readonly string[] Withdrawal = Both("fetch-withdrawal");
    private static readonly string[] Pins = Both("fetch-pins");
    private static readonly string[] Reversal = Both("reverse");

    /// <summary>
    /// Each death arms the next: the unit's environment is read at each start, and what runs after each stop puts the
    /// next fail point there. No race against the restart.
    /// </summary>
    private const string DiesInTurn = """
        touch /run/failpoints
        cat >/run/next-failpoint <<'X'
        #!/bin/sh
        sed -n 1p /run/failpoints >/run/failpoint.env
        sed -i 1d /run/failpoints
        X
        chmod 755 /run/next-failpoint
        mkdir -p /run/systemd/system/livepatch-agentd.service.d
        cat >/run/systemd/system/livepatch-agentd.service.d/crash.conf <<'X'
        [Unit]
        StartLimitIntervalSec=0
        [Service]
        RestartSec=100ms
        EnvironmentFile=-/run/failpoint.env
        ExecStopPost=+/run/next-failpoint
        X
        systemctl daemon-reload
        """;

    [Fact]
    public void Points_AreBeforeAndAfterEachStep()
    {
        var steps = typeof(Step).GetNestedTypes()
            .Where(t => t.IsSubclassOf(typeof(Step)) && t != typeof(Step.Rest))
            .Select(t => JsonNamingPolicy.KebabCaseLower.ConvertName(t.Name));
        string[] points = [.. Points, .. Removal, .. Withdrawal, .. Pins, .. Reversal];
        Assert.Equal(steps.SelectMany(Both).Order(), points.Order());
    }

    [Fact]
    public Task CrashAtEachStep_EndsAppliedAndLoadedOnce() => Scenario.RunAsync(async s =>
    {
        var server = await s.ServerAsync();
        var one = await workshop.PatchAsync(HostKind.Plain, "livepatch_cmdline", "1.0", 1);
        await server.PublishAsync(one);
        var host = await s.HostAsync(HostKind.Plain);
        await host.DoAsync(DiesInTurn);
        await ArmAsync(host, Points);

        var enabled = await host.EnableAsync(await server.TokenAsync(), "--timeout 180", seconds: 200);
        Scenario.Say(enabled.Out);
        await AllPassedAsync(host, Points);
        await host.UntilAppliedAsync("1.0");
        Assert.True(enabled.Status == 0, $"{enabled}"); // it has watched through all the restarts
        await LoadedOnceAsync(host, "livepatch_cmdline");
        Assert.Equal(2, (await server.MachinesAsync()).Split('\n').Length); // with the heading: it did not enrol twice

        // The way of the second patch goes through the removal of the first.
        await ArmAsync(host, Removal);
        var two = await workshop.PatchAsync(HostKind.Plain, "livepatch_cmdline_v2", "2.0", 2);
        await server.PublishAsync(two);
        await AllPassedAsync(host, Removal);
        await host.UntilAppliedAsync("2.0");
        await host.UntilUnloadedAsync("livepatch_cmdline");
        await LoadedOnceAsync(host, "livepatch_cmdline_v2");

        // Later news: both are withdrawn, so that there is nothing to go back to, and other keys are to be trusted.
        (await server.PublisherAsync(["withdraw", one.Manifest, "--reason", "it is old", .. Workshop.Signing])).Good();
        await ArmAsync(host, Withdrawal);
        (await server.PublisherAsync(["withdraw", two.Manifest, "--reason", "it stalls", .. Workshop.Signing])).Good();
        await AllPassedAsync(host, Withdrawal);
        await host.UntilAsync("withdrawn", x => x.Settled && x.Patch is { Version: "2.0", Withdrawn: "it stalls" });

        await ArmAsync(host, Pins);
        (await server.PublisherAsync("pins", "publish", await workshop.PinsAsync(server, 1))).Good();
        await AllPassedAsync(host, Pins);
        await host.UntilHoldsAsync("[ $(livepatch-agent history | grep -c pins-changed) = 1 ]", tries: 50);
        await LoadedOnceAsync(host, "livepatch_cmdline_v2");
        await host.HistoryIsWholeAsync();
    });

    [Fact]
    public Task CrashWhileReversing_EndsWithThePatchOut() => Scenario.RunAsync(async s =>
    {
        var server = await s.ServerAsync();
        await server.PublishAsync(await workshop.PatchAsync(HostKind.Plain, "livepatch_stall", "1.0", 1));
        var host = await s.HostAsync(HostKind.Plain);
        await host.DoAsync(DiesInTurn);
        await host.DoAsync(
            """
            printf 'stall-policy = reverse\nstall-reverse-after-minutes = 1\n' >>/etc/livepatch-agent/agent.conf
            """);
        await ArmAsync(host, Reversal);
        await host.EnableAsync(await server.TokenAsync(), "--timeout 1");
        await AllPassedAsync(host, Reversal, seconds: 110);
        var reversed = await host.UntilAsync("reversed", x => x is { State: PatchState.ApplyFailed, Settled: true });
        Assert.Equal(ProblemCode.TransitionReversed, reversed.Problem!.Code);
        await host.UntilUnloadedAsync("livepatch_stall");
        Assert.Equal("1", await host.DoAsync("dmesg | grep -c \"livepatch: enabling patch 'livepatch_stall'\""));
    });

    [Fact]
    public Task KilledAtRandomMoments_EndsAppliedAndLoadedOnce() => Scenario.RunAsync(async s =>
    {
        const int rounds = 4;
        var server = await s.ServerAsync();
        await server.PublishAsync(await workshop.PatchAsync(HostKind.Plain, "livepatch_cmdline", "1.0", 1));
        var host = await s.HostAsync(HostKind.Plain);
        await host.DoAsync(DiesInTurn);
        await host.DoAsync("cat >/run/token", await server.TokenAsync());
        var moments = string.Join(' ', Enumerable.Range(0, rounds).Select(_ => Moment()));
        Scenario.Say($"killed after {moments} s");
        var ran = await host.TryAsync(
            $$"""
            applied() { livepatch-agent status | grep -q 'all applicable livepatch modules applied'; }
            round=0
            for moment in {{moments}}; do
                round=$((round + 1))
                (sleep $moment; systemctl kill -s KILL livepatch-agentd) &
                livepatch-agent enable --token-file /run/token --timeout 20 >/run/said 2>&1
                wait
                for i in $(seq 50); do livepatch-agent status >/dev/null 2>&1; [ $? != 4 ] && break; sleep 0.3; done
                # A daemon that was killed before it had heard of the token was asked for nothing.
                livepatch-agent status --format json | grep -q '"enrolment"' ||
                    livepatch-agent enable --token-file /run/token >/run/said 2>&1
                for i in $(seq 50); do applied && break; sleep 0.3; done
                applied || {
                    echo "round $round ($moment): not applied"
                    cat /run/said; livepatch-agent status; exit 1
                }
                loaded=$(dmesg | grep -c "livepatch: enabling patch 'livepatch_cmdline'")
                [ $loaded = $round ] || { echo "round $round ($moment): loaded $loaded times"; exit 1; }
                livepatch-agent disable && echo 0 >/sys/kernel/livepatch/livepatch_cmdline/enabled || exit 1
                for i in $(seq 20); do [ ! -e /sys/module/livepatch_cmdline ] && break; sleep 0.3; done
                [ ! -e /sys/module/livepatch_cmdline ] || rmmod livepatch_cmdline
            done
            """,
            seconds: 200);
        Assert.True(ran.Status == 0, $"{ran}\n{await host.JournalAsync()}");
    });

    /// <summary>In seconds, most of them below one.</summary>
    private static string Moment() => $"{Random.Shared.Next(0, 15) / 10}.{Random.Shared.Next(0, 1000):D3}";

    private static string[] Both(string step) => [$"{step}:before", $"{step}:after"];

    private static Task ArmAsync(LabHost host, string[] points) => host.DoAsync(
        "cat >/run/failpoints; systemctl restart livepatch-agentd; systemctl reset-failed livepatch-agentd",
        string.Concat(points.Select(point => $"LIVEPATCH_AGENTD_FAILPOINT={point}\n")));

    private static async Task AllPassedAsync(LabHost host, string[] points, int seconds = 30)
    {
        var ran = await host.TryAsync(
            $"""
            for i in $(seq {seconds * 4}); do
                [ ! -s /run/failpoints ] && [ ! -s /run/failpoint.env ] && exit
                sleep 0.3
            done
            cat /run/failpoint.env /run/failpoints
            exit 1
            """,
            seconds: seconds + 90);
        Assert.True(ran.Status == 0, $"not all fail points were passed\n{ran}\n{await host.JournalAsync()}");
        Assert.Equal($"NRestarts={points.Length}", await host.DoAsync("systemctl show -p NRestarts livepatch-agentd"));
    }

    private static async Task LoadedOnceAsync(LabHost host, string module)
    {
        Assert.Equal("1", await host.DoAsync($"dmesg | grep -c \"livepatch: enabling patch '{module}'\""));
        Assert.Equal("1", await host.DoAsync($"cat /sys/kernel/livepatch/{module}/enabled"));
    }
}
