using LivepatchAgent.Core.Wire;
using LivepatchAgent.EndToEnd.Tests.Harness;

namespace LivepatchAgent.EndToEnd.Tests;

/// <summary>The .debs as an administrator handles them.</summary>
public sealed class PackageTests(Workshop workshop)
{
    [Fact]
    public Task AgentPackage_InstallsUpgradesRemovesAndPurges() => Scenario.RunAsync(async s =>
    {
        var server = await s.ServerAsync();
        await server.PublishAsync(await workshop.PatchAsync(HostKind.Plain, "livepatch_cmdline", "1.0", 1));
        var host = await s.HostAsync(HostKind.Plain, "--no-deb");
        await host.DoAsync("find / -xdev \\( -path /proc -o -path /root -o -path /tmp \\) -prune -o -print | sort >/root/before");
        var package = Checkout.Package("livepatch-agent");
        await host.PutAsync(package, "/root/agent.deb");

        await host.DoAsync("dpkg -i /root/agent.deb");
        Assert.Equal("active\nenabled", await host.DoAsync("systemctl is-active livepatch-agentd; systemctl is-enabled livepatch-agentd"));
        Assert.Equal("700 root\n755 root", await host.DoAsync("stat -c '%a %U' /var/lib/livepatch-agent /run/livepatch-agent"));
        Assert.Equal(3, (await host.StatusTextAsync()).Status);
        (await host.EnableAsync(await server.TokenAsync())).Good();
        var machine = (await host.UntilAppliedAsync("1.0")).Enrolment!.MachineId;

        await host.DoAsync("echo check-in-minutes = 61 >>/etc/livepatch-agent/agent.conf");
        var pid = await host.DoAsync("systemctl show --value -p MainPID livepatch-agentd");
        await host.PutAsync(await RebuiltAsync(package, "0.999"), "/root/newer.deb");
        await host.DoAsync("dpkg -i /root/newer.deb");
        Assert.NotEqual(pid, await host.DoAsync("systemctl show --value -p MainPID livepatch-agentd"));
        Assert.Equal(machine, (await host.UntilAppliedAsync("1.0")).Enrolment!.MachineId);
        Assert.Equal("1", await host.DoAsync("grep -c '^check-in-minutes = 61' /etc/livepatch-agent/agent.conf"));
        Assert.Equal("1", await host.DoAsync("dmesg | grep -c 'livepatch: enabling patch'"));

        await host.DoAsync("dpkg --remove livepatch-agent");
        Assert.Contains("this has been live patched", await host.DoAsync("cat /proc/cmdline"), StringComparison.Ordinal);
        await host.DoAsync("test -e /etc/livepatch-agent/agent.conf && test -e /var/lib/livepatch-agent/journal.json && test ! -e /usr/sbin/livepatch-agentd");
        await host.DoAsync("dpkg -i /root/newer.deb");
        Assert.Equal(machine, (await host.UntilAppliedAsync("1.0")).Enrolment!.MachineId);

        await host.DoAsync("dpkg --purge livepatch-agent");
        Assert.Contains("this has been live patched", await host.DoAsync("cat /proc/cmdline"), StringComparison.Ordinal);
        Assert.Equal("", (await host.TryAsync($"{Came} | grep -i livepatch")).Out);
    });

    [Fact]
    public Task ServerPackage_ServesTheHostItIsOn() => Scenario.RunAsync(async s =>
    {
        var patch = await workshop.PatchAsync(HostKind.Plain, "livepatch_cmdline", "1.0", 1);
        var host = await s.HostAsync(HostKind.Plain);
        await host.DoAsync("find / -xdev \\( -path /proc -o -path /root -o -path /tmp \\) -prune -o -print | sort >/root/before");
        await host.PutAsync(Checkout.Package("livepatch-server"), "/root/server.deb");
        await host.PutAsync(patch.Module, "/root/patch.ko");
        await host.PutAsync(patch.Manifest, "/root/patch.manifest");
        await host.PutAsync(Workshop.PublisherCertificate, "/etc/publisher.pem");

        await host.DoAsync("dpkg -i /root/server.deb");
        Assert.Equal("inactive\ndisabled", (await host.TryAsync("systemctl is-active livepatch-server; systemctl is-enabled livepatch-server")).Out.Trim());
        await host.DoAsync("echo 'OPTIONS=\"--listen 127.0.0.1:8443 --url https://127.0.0.1:8443 --publisher-cert /etc/publisher.pem\"' >/etc/default/livepatch-server && systemctl enable --now livepatch-server");
        const string asItself = "runuser -u livepatch-server -- livepatch-server";
        await host.DoAsync($"livepatch-publisher publish /root/patch.ko --server https://127.0.0.1:8443 --server-pin $({asItself} pin)");
        await host.DoAsync($"{asItself} token create | livepatch-agent enable -");
        await host.UntilAppliedAsync("1.0");
        Assert.Contains("applied", await host.DoAsync($"{asItself} machines"), StringComparison.Ordinal);

        await host.DoAsync("systemctl restart livepatch-server");
        await host.UntilAsync("listens again", x => x is { State: PatchState.Applied, CheckIn: { Result: CheckInResult.Succeeded, Listening: true } });
        Assert.Equal("", await host.ComplaintsAsync());

        await host.DoAsync("dpkg --purge livepatch-server");
        Assert.Contains("this has been live patched", await host.DoAsync("cat /proc/cmdline"), StringComparison.Ordinal);
        Assert.Equal("", (await host.TryAsync($"{Came} | grep -i livepatch | grep -v livepatch-agent")).Out);
    });

    /// <summary>Files on the disk that came since /root/before.</summary>
    private const string Came = "find / -xdev \\( -path /proc -o -path /root -o -path /tmp \\) -prune -o -print | sort | comm -13 /root/before -";

    private async Task<string> RebuiltAsync(string package, string version)
    {
        var (root, deb) = (workshop.Fresh("tree"), workshop.Fresh("livepatch-agent.deb"));
        (await Command.RunAsync("dpkg-deb", ["-R", package, root])).Good();
        var control = Path.Combine(root, "DEBIAN/control");
        await File.WriteAllLinesAsync(control, (await File.ReadAllLinesAsync(control)).Select(line => line.StartsWith("Version:", StringComparison.Ordinal) ? $"Version: {version}" : line));
        (await Command.RunAsync("dpkg-deb", ["--root-owner-group", "-Znone", "-b", root, deb])).Good();
        return deb;
    }
}
