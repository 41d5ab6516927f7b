using LivepatchAgent.Core;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.EndToEnd.Tests.Harness;

namespace LivepatchAgent.EndToEnd.Tests;

/// <summary>A boot that ends in order is no crash, whatever the daemon and its disk are like. Boots really.</summary>
public sealed class CleanEndTests(Workshop workshop)
{
    private const string BootId = "cat /proc/sys/kernel/random/boot_id";
    private const string Mark = "grep -v -e -------- /var/lib/livepatch-agent/clean-end || true";

    /// <summary>To the last byte, and fast: the rest after a large file is written out.</summary>
    private const string FillsTheDisk =
        "fallocate -l $(($(stat -f -c '%f*%S' /) - 100000000)) /filler; cat /dev/zero >/filler2 2>/dev/null; "
        + "! echo x >/probe 2>/dev/null";

    private const string EmptiesTheDisk = "rm -f /filler /filler2 /probe";
    private const string Unit = "livepatch-agent-clean-end";

    [Fact]
    public Task Mark_NamesTheBootsThatEndedInOrder_AndNoOther() => Scenario.RunAsync(async s =>
    {
        var host = await s.HostAsync(HostKind.Plain);
        var unit = await host.TryAsync($"systemctl is-active {Unit}; systemctl is-enabled {Unit}");
        Assert.Equal("active\nstatic", unit.Out.Trim());
        Assert.Equal("600 481", await host.DoAsync("stat -c '%a %s' /var/lib/livepatch-agent/clean-end"));
        await host.DoAsync($"systemctl stop {Unit}; systemctl start {Unit}");
        Assert.Equal("", await host.DoAsync(Mark));

        var rebooted = await host.DoAsync(BootId);
        await host.RebootAsync();
        Assert.Equal(rebooted, await host.DoAsync(Mark));

        // A disk without a byte left, and no daemon.
        await host.DoAsync($"systemctl kill -s KILL livepatch-agentd; systemctl stop livepatch-agentd; {FillsTheDisk}");
        var full = await host.DoAsync(BootId);
        await host.RebootAsync();
        Assert.Equal($"{full}\n{rebooted}", await host.DoAsync($"{EmptiesTheDisk}; {Mark}"));

        await host.DoAsync("sync");
        await host.CutPowerAsync();
        Assert.Equal($"{full}\n{rebooted}", await host.DoAsync(Mark));
        Assert.Equal("", await host.DoAsync("systemctl --failed --no-legend --plain | grep livepatch || true"));
    });

    /// <summary>In its probation, where a crash would quarantine the patch.</summary>
    [Theory]
    [InlineData("the daemon is dead", "systemctl kill -s KILL livepatch-agentd; systemctl stop livepatch-agentd")]
    [InlineData("the disk is full", FillsTheDisk)]
    public Task RebootInProbation_LoadsThePatchAgain(string though, string first) => Scenario.RunAsync(async s =>
    {
        var server = await s.ServerAsync();
        await server.PublishAsync(await workshop.PatchAsync(HostKind.Plain, "livepatch_cmdline", "1.0", 1));
        var host = await s.HostAsync(HostKind.Plain);
        (await host.EnableAsync(await server.TokenAsync())).Good();
        Scenario.Say(though);
        // What a daemon that is dead cannot do before its boot ends.
        await host.DoAsync("mkdir -p /run/systemd/system/livepatch-agentd.service.d");
        await host.DoAsync("cat >/run/systemd/system/livepatch-agentd.service.d/x.conf", "[Service]\nRestart=no\n");
        await host.DoAsync($"systemctl daemon-reload; {first}");
        await host.RebootAsync();
        await host.DoAsync(EmptiesTheDisk);
        var status = await host.UntilAppliedAsync("1.0");
        Assert.NotEqual(ProblemCode.PatchQuarantined, status.Problem?.Code);
        Assert.DoesNotContain("quarantined", await host.DoAsync("livepatch-agent history"), StringComparison.Ordinal);
    });
}
