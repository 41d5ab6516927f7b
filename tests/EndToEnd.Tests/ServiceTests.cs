using System.Diagnostics;
using System.Globalization;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.EndToEnd.Tests.Harness;

namespace LivepatchAgent.EndToEnd.Tests;

/// <summary>The daemon as systemd sees it, and as the network treats it.</summary>
public sealed class ServiceTests(Workshop workshop)
{
    private const string Unit = "livepatch-agentd";

    [Fact]
    public Task Service_StartsStopsReloadsAndIsWatched() => Scenario.RunAsync(async s =>
    {
        var host = await s.HostAsync(HostKind.Plain);
        await host.DoAsync($"systemctl restart {Unit}");
        var times = (await host.DoAsync($"systemctl show --value -p InactiveExitTimestampMonotonic -p ActiveEnterTimestampMonotonic {Unit}")).Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(t => long.Parse(t, CultureInfo.InvariantCulture)).ToArray();
        var ready = Math.Abs(times[1] - times[0]) / 1e6;
        Scenario.Say($"ready {ready:F2} s after its start");
        Assert.InRange(ready, 0, 4);

        var stop = double.Parse(await host.DoAsync($"a=$(date +%s%N); systemctl stop {Unit}; b=$(date +%s%N); echo $(( (b - a) / 1000000 ))"), CultureInfo.InvariantCulture);
        Scenario.Say($"stopped in {stop:F0} ms");
        Assert.InRange(stop, 0, 2000);
        var away = await host.StatusTextAsync();
        Assert.Equal(4, away.Status);
        Assert.Contains("systemctl start livepatch-agentd", away.Error, StringComparison.Ordinal);
        Assert.Contains("Result=success", await host.DoAsync($"systemctl show -p Result {Unit}; systemctl start {Unit}"), StringComparison.Ordinal);

        await host.DoAsync($"echo 'log-level = warnin' >>/etc/livepatch-agent/agent.conf; systemctl reload {Unit}; sleep 1");
        Assert.Contains("\"warnin\" is no value for log-level", await OwnLinesAsync(host), StringComparison.Ordinal);
        await host.DoAsync($"sed -i '/warnin$/d' /etc/livepatch-agent/agent.conf; systemctl reload {Unit}; sleep 1");
        Assert.Contains("Read /etc/livepatch-agent/agent.conf again", await OwnLinesAsync(host), StringComparison.Ordinal);

        Assert.Equal("WatchdogUSec=15min", await host.DoAsync($"systemctl show -p WatchdogUSec {Unit}"));
        await host.DoAsync($"mkdir -p /run/systemd/system/{Unit}.service.d; printf '[Service]\\nWatchdogSec=4s\\n' >/run/systemd/system/{Unit}.service.d/watchdog.conf; systemctl daemon-reload; systemctl restart {Unit}; sleep 14");
        Assert.Equal("NRestarts=0", await host.DoAsync($"systemctl show -p NRestarts {Unit}"));
        await host.DoAsync($"systemctl kill -s STOP {Unit}; for i in $(seq 300); do [ $(systemctl show --value -p NRestarts {Unit}) = 1 ] && systemctl -q is-active {Unit} && exit; sleep 0.1; done; exit 1");
        Assert.Equal(PatchState.NotEnrolled, (await host.UntilAsync("the new daemon answers", _ => true)).State);
    });

    [Fact]
    public Task Service_TellsAnOutageOnceAndComesBack() => Scenario.RunAsync(async s =>
    {
        var server = await s.ServerAsync();
        await server.PublishAsync(await workshop.PatchAsync(HostKind.Plain, "livepatch_cmdline", "1.0", 1));
        var host = await s.HostAsync(HostKind.Plain);
        (await host.EnableAsync(await server.TokenAsync())).Good();
        await host.UntilAsync("listening", x => x.CheckIn.Listening);
        var journal = await OwnLinesAsync(host);
        Scenario.Say(journal);
        foreach (var once in (string[])["Enrolled as", "Verified livepatch_cmdline 1.0", "The kernel took livepatch_cmdline", "Transition complete"])
            Assert.Single(journal.Split('\n'), line => line.Contains(once, StringComparison.Ordinal));

        await server.StopAsync();
        await host.UntilAsync("the outage is seen", x => x.CheckIn.Result == CheckInResult.Failed);
        await Task.Delay(TimeSpan.FromSeconds(12)); // long enough for tries that fail as well
        var failed = await host.UntilAsync("still applied", x => x.State == PatchState.Applied && x.CheckIn.Result == CheckInResult.Failed);
        Assert.Equal("1.0", failed.Patch!.Version);
        var outage = (await OwnLinesAsync(host))[journal.Length..];
        Scenario.Say(outage);
        Assert.StartsWith("cannot ", outage.Trim(), StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain('\n', outage.Trim());
        await server.ResumeAsync();
        (await host.RefreshAsync()).Good();
        Assert.Single((await OwnLinesAsync(host)).Split('\n'), line => line.Contains("The patch server answers again", StringComparison.Ordinal));

        // The cable is out, and in again.
        await host.DoAsync("ip -o link | sed -n 's/^[0-9]*: \\(e[^:]*\\):.*/\\1/p' | head -n 1 >/run/link; ip link set $(cat /run/link) down; livepatch-agent refresh --timeout 1 >/dev/null 2>&1; true");
        await host.UntilAsync("the network is away", x => x.CheckIn.Result == CheckInResult.Failed);
        await Task.Delay(TimeSpan.FromSeconds(10));
        await host.DoAsync("ip link set $(cat /run/link) up");
        var clock = Stopwatch.StartNew();
        await host.UntilAsync("back on the network", x => x.CheckIn is { Result: CheckInResult.Succeeded, Listening: true });
        Scenario.Say($"checked in {clock.Elapsed.TotalSeconds:F1} s after the link was up");
        Assert.InRange(clock.Elapsed.TotalSeconds, 0, 10);

        Assert.Equal("", await host.ComplaintsAsync());
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
        Assert.DoesNotContain(token, refused.Error + refused.Out + await host.DoAsync(LabHost.Journal), StringComparison.Ordinal);
        Assert.Null((await host.StatusAsync())!.Enrolment);

        var enabled = await host.TryAsync("runuser -u carol -- livepatch-agent enable -", token);
        Assert.True(enabled.Status == 0, $"{enabled}");
        Assert.Equal(0, (await host.TryAsync("runuser -u nobody -- livepatch-agent status")).Status);
        Assert.Equal(0, (await host.TryAsync("runuser -u nobody -- curl -sf --unix-socket /run/livepatch-agent/agent.sock http://localhost/metrics")).Status);
        foreach (var verb in (string[])["refresh", "disable"])
            Assert.Equal(5, (await host.TryAsync($"runuser -u nobody -- livepatch-agent {verb}")).Status);
        Assert.NotEqual(0, (await host.TryAsync("runuser -u nobody -- cat /var/lib/livepatch-agent/journal.json")).Status);
        Assert.Equal(0, (await host.TryAsync("runuser -u carol -- livepatch-agent disable")).Status);
    });

    private static Task<string> OwnLinesAsync(LabHost host) => host.DoAsync($"{LabHost.Journal} -t {Unit} -o cat");
}
