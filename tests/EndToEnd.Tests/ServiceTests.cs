using System.Diagnostics;
using System.Globalization;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.EndToEnd.Tests.Harness;

namespace LivepatchAgent.EndToEnd.Tests;

/// <summary>The daemon as systemd sees it, and as the network treats it.</summary>
public sealed class ServiceTests(Workshop workshop)
{
    private const string Unit = "livepatch-agentd";
    private const string Settings = "/etc/livepatch-agent/agent.conf";

    /// <summary>A condition of the host's shell.</summary>
    private const string RestartedOnce = $"[ $(systemctl show --value -p NRestarts {Unit}) = 1 ]";

    [Fact]
    public Task Service_StartsStopsReloadsAndIsWatched() => Scenario.RunAsync(async s =>
    {
        var host = await s.HostAsync(HostKind.Plain);
        await host.DoAsync($"systemctl restart {Unit}");
        var timestamps = await host.DoAsync(
            $"systemctl show --value -p InactiveExitTimestampMonotonic -p ActiveEnterTimestampMonotonic {Unit}");
        var times = timestamps.Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(t => long.Parse(t, CultureInfo.InvariantCulture)).ToArray();
        var ready = Math.Abs(times[1] - times[0]) / 1e6;
        Scenario.Say($"ready {ready:F2} s after its start");
        Assert.InRange(ready, 0, 4);

        await host.StopsAtOnceAsync("at rest");
        var away = await host.StatusTextAsync();
        Assert.Equal(4, away.Status);
        Assert.Contains("systemctl start livepatch-agentd", away.Error, StringComparison.Ordinal);
        var stopped = await host.DoAsync($"systemctl show -p Result {Unit}; systemctl start {Unit}");
        Assert.Contains("Result=success", stopped, StringComparison.Ordinal);

        await host.DoAsync($"echo 'log-level = warnin' >>{Settings}; systemctl reload {Unit}; sleep 1");
        Assert.Contains("\"warnin\" is no value for log-level", await OwnLinesAsync(host), StringComparison.Ordinal);
        await host.DoAsync($"sed -i '/warnin$/d' {Settings}; systemctl reload {Unit}; sleep 1");
        Assert.Contains($"Read {Settings} again", await OwnLinesAsync(host), StringComparison.Ordinal);

        Assert.Equal("WatchdogUSec=15min", await host.DoAsync($"systemctl show -p WatchdogUSec {Unit}"));
        await host.DoAsync(
            $"""
            mkdir -p /run/systemd/system/{Unit}.service.d
            printf '[Service]\nWatchdogSec=4s\n' >/run/systemd/system/{Unit}.service.d/watchdog.conf
            systemctl daemon-reload; systemctl restart {Unit}; sleep 14
            """);
        Assert.Equal("NRestarts=0", await host.DoAsync($"systemctl show -p NRestarts {Unit}"));
        await host.DoAsync($"systemctl kill -s STOP {Unit}");
        await host.UntilHoldsAsync($"{RestartedOnce} && systemctl -q is-active {Unit}", tries: 150);
        Assert.Equal(PatchState.NotEnrolled, (await host.UntilAsync("the new daemon answers", _ => true)).State);
    });

    [Fact]
    public Task Service_ReportsAnOutageOnceAndComesBack() => Scenario.RunAsync(async s =>
    {
        var server = await s.ServerAsync();
        await server.PublishAsync(await workshop.PatchAsync(HostKind.Plain, "livepatch_cmdline", "1.0", 1));
        var host = await s.HostAsync(HostKind.Plain);
        (await host.EnableAsync(await server.TokenAsync())).Good();
        await host.UntilAsync("listening", x => x.CheckIn.Listening);
        await ReloadTakesEffectAsync(host);
        var journal = await OwnLinesAsync(host);
        Scenario.Say(journal);
        string[] steps =
        [
            "Enrolled as", "Verified livepatch_cmdline 1.0", "The kernel took livepatch_cmdline", "Transition complete",
        ];
        foreach (var once in steps)
            Assert.Single(journal.Split('\n'), line => line.Contains(once, StringComparison.Ordinal));

        await server.StopAsync();
        await host.UntilAsync("the outage is seen", x => x.CheckIn.Result == CheckInResult.Failed);
        await Task.Delay(TimeSpan.FromSeconds(12)); // long enough for tries that fail as well
        var failed = await host.UntilAsync(
            "still applied", x => x.State == PatchState.Applied && x.CheckIn.Result == CheckInResult.Failed);
        Assert.Equal("1.0", failed.Patch!.Version);
        var outage = (await OwnLinesAsync(host))[journal.Length..];
        Scenario.Say(outage);
        Assert.StartsWith("cannot ", outage.Trim(), StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain('\n', outage.Trim());
        await server.ResumeAsync();
        (await host.RefreshAsync()).Good();
        var lines = (await OwnLinesAsync(host)).Split('\n');
        Assert.Single(lines, line => line.Contains("The patch server answers again", StringComparison.Ordinal));

        // The cable is out, and in again.
        await host.DoAsync(
            """
            ip -o link | sed -n 's/^[0-9]*: \(e[^:]*\):.*/\1/p' | head -n 1 >/run/link
            ip link set $(cat /run/link) down
            livepatch-agent refresh --timeout 1 >/dev/null 2>&1
            true
            """);
        await host.UntilAsync("the network is away", x => x.CheckIn.Result == CheckInResult.Failed);
        await Task.Delay(TimeSpan.FromSeconds(10));
        await host.DoAsync("ip link set $(cat /run/link) up");
        var clock = Stopwatch.StartNew();
        await host.UntilAsync(
            "back on the network", x => x.CheckIn is { Result: CheckInResult.Succeeded, Listening: true });
        Scenario.Say($"checked in {clock.Elapsed.TotalSeconds:F1} s after the link was up");
        Assert.InRange(clock.Elapsed.TotalSeconds, 0, 10);

        Assert.Equal("", await host.ComplaintsAsync());
    });

    /// <summary>
    /// The socket answers, so nobody who asks it sees anything wrong: only the loop itself feeds the watchdog.
    /// </summary>
    [Fact]
    public Task Loop_ThatHangs_IsRestartedThoughTheSocketAnswers() => Scenario.RunAsync(async s =>
    {
        var server = await s.ServerAsync();
        var host = await s.HostAsync(HostKind.Plain);
        (await host.EnableAsync(await server.TokenAsync())).Good();
        // Longer than a call to the server may take.
        await host.DoAsync(
            $"""
            systemctl stop {Unit}
            mkdir -p /run/systemd/system/{Unit}.service.d
            cat >/run/systemd/system/{Unit}.service.d/hang.conf
            echo LIVEPATCH_AGENTD_FAILPOINT=verify:hang >/run/hang.env
            systemctl daemon-reload; systemctl start {Unit}
            """,
            "[Service]\nWatchdogSec=30s\nEnvironmentFile=-/run/hang.env\nExecStopPost=+/bin/rm -f /run/hang.env\n");
        await server.PublishAsync(await workshop.PatchAsync(HostKind.Plain, "livepatch_cmdline", "1.0", 1));
        await host.UntilAsync("it hangs", x => x.Activity?.Kind == Core.Wire.ActivityKind.Verifying);
        await host.DoAsync(
            $"""
            for i in $(seq 10); do
                curl -sf --max-time 2 {LabHost.OnSocket} http://localhost/metrics >/dev/null || break
                echo $i
                sleep 0.1
            done | tail -n 1 | grep -qx 10
            [ $(systemctl show --value -p NRestarts {Unit}) = 0 ]
            """);
        await host.UntilHoldsAsync(RestartedOnce, tries: 300);
        var journal = await host.DoAsync($"{LabHost.Journal} -u {Unit} -o cat");
        Assert.Contains("Watchdog timeout (limit 30s)", journal, StringComparison.Ordinal);
        await host.UntilAppliedAsync("1.0");
        Assert.Equal("1", await host.DoAsync("dmesg | grep -c \"livepatch: enabling patch 'livepatch_cmdline'\""));
    });

    [Fact]
    public Task Socket_IsReadByAllAndChangedByFew() => Scenario.RunAsync(async s =>
    {
        var server = await s.ServerAsync();
        await server.PublishAsync(await workshop.PatchAsync(HostKind.Plain, "livepatch_cmdline", "1.0", 1));
        var token = await server.TokenAsync();
        var host = await s.HostAsync(HostKind.Plain);
        await host.DoAsync("useradd --groups livepatch carol");

        Assert.Equal(3, (await host.TryAsync("runuser -u nobody -- livepatch-agent status")).Status);
        var refused = await host.TryAsync("runuser -u nobody -- livepatch-agent enable -", token);
        Assert.Equal(5, refused.Status);
        Assert.Contains("livepatch", refused.Error, StringComparison.Ordinal);
        var everything = refused.Error + refused.Out + await host.DoAsync(LabHost.Journal);
        Assert.DoesNotContain(token, everything, StringComparison.Ordinal);
        Assert.Null((await host.StatusAsync())!.Enrolment);

        var enabled = await host.TryAsync("runuser -u carol -- livepatch-agent enable -", token);
        Assert.True(enabled.Status == 0, $"{enabled}");
        Assert.Equal(0, (await host.TryAsync("runuser -u nobody -- livepatch-agent status")).Status);
        var metrics = $"curl -sf {LabHost.OnSocket} http://localhost/metrics";
        Assert.Equal(0, (await host.TryAsync($"runuser -u nobody -- {metrics}")).Status);
        foreach (var verb in (string[])["refresh", "disable"])
            Assert.Equal(5, (await host.TryAsync($"runuser -u nobody -- livepatch-agent {verb}")).Status);
        var journal = await host.TryAsync("runuser -u nobody -- cat /var/lib/livepatch-agent/journal.json");
        Assert.NotEqual(0, journal.Status);
        Assert.Equal(0, (await host.TryAsync("runuser -u carol -- livepatch-agent disable")).Status);

        // Somebody who opens what he can and says nothing keeps nobody out.
        await host.DoAsync("cat >/run/greedy", """
            use IO::Socket::UNIX;
            my $path = "/run/livepatch-agent/agent.sock";
            my @idle = map { IO::Socket::UNIX->new(Peer => $path) or die "$_: $!" } 1 .. 300;
            print scalar(@idle), "\n";
            for my $user ("root", "nobody") {
                my @curl = ("curl", "-sf", "--max-time", "4", "-o", "/dev/null",
                    "--unix-socket", $path, "http://localhost/v1/status");
                my $status = system("runuser", "-u", $user, "--", @curl);
                print "$user: $status\n";
            }
            """);
        Assert.Equal("300\nroot: 0\nnobody: 0", await host.DoAsync("perl /run/greedy"));

        // Without a file descriptor left it takes nobody in, and goes on when there is one.
        await host.DoAsync(
            $$"""
            ask() { curl -sf --max-time 3 -o /dev/null {{LabHost.OnSocket}} http://localhost/v1/status; }
            pid=$(systemctl show --value -p MainPID {{Unit}})
            prlimit --pid $pid --nofile=1:
            ask && exit 1
            {{LabHost.Journal}} -t {{Unit}} -o cat |
                grep '^Cannot take connections on /run/livepatch-agent/agent.sock' || exit 1
            prlimit --pid $pid --nofile=1024:
            ask && [ $pid = $(systemctl show --value -p MainPID {{Unit}}) ]
            """);
        Assert.Equal("NRestarts=0", await host.DoAsync($"systemctl show -p NRestarts {Unit}"));
    });

    /// <summary>
    /// Settings that a reload takes over, seen by what the daemon does; and a stop with a held check-in open.
    /// </summary>
    private static async Task ReloadTakesEffectAsync(LabHost host)
    {
        await host.DoAsync(
            $"printf 'check-in-minutes = 120\\nlog-level = debug\\n' >>{Settings}; systemctl reload {Unit}");
        (await host.RefreshAsync()).Good();
        await host.UntilAsync(
            "the next check-in is in two hours",
            x => x.Settled && x.CheckIn.Listening && x.CheckIn.Next > x.At.AddMinutes(100));
        Assert.Contains("Step CheckIn took", await OwnLinesAsync(host), StringComparison.Ordinal);
        await host.DoAsync($"sed -i '/^check-in-minutes\\|^log-level/d' {Settings}; systemctl reload {Unit}");
        (await host.RefreshAsync()).Good();
        await host.UntilAsync(
            "the server's interval holds again",
            x => x.Settled && x.CheckIn.Listening && x.CheckIn.Next < x.At.AddMinutes(20));

        await host.StopsAtOnceAsync("with a held check-in open");
        await host.DoAsync($"systemctl start {Unit}");
        await host.UntilAsync("listening again", x => x.Settled && x.CheckIn.Listening);
    }

    private static Task<string> OwnLinesAsync(LabHost host) => host.DoAsync($"{LabHost.Journal} -t {Unit} -o cat");
}
