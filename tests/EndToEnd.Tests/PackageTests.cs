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
        await host.DoAsync($"{Files} >/root/before");
        await host.PutAsync(Checkout.Package("livepatch-agent"), "/root/agent.deb");

        await host.DoAsync("dpkg -i /root/agent.deb");
        var unit = await host.DoAsync("systemctl is-active livepatch-agentd; systemctl is-enabled livepatch-agentd");
        Assert.Equal("active\nenabled", unit);
        var folders = await host.DoAsync("stat -c '%a %U' /var/lib/livepatch-agent /run/livepatch-agent");
        Assert.Equal("700 root\n755 root", folders);
        Assert.Equal(3, (await host.StatusTextAsync()).Status);
        (await host.EnableAsync(await server.TokenAsync())).Good();
        var machine = (await host.UntilAppliedAsync("1.0")).Enrolment!.MachineId;

        await host.DoAsync("echo check-in-minutes = 61 >>/etc/livepatch-agent/agent.conf");
        var pid = await host.DoAsync("systemctl show --value -p MainPID livepatch-agentd");
        await host.PutAsync(await RebuiltAsync("livepatch-agent", "0.999"), "/root/newer.deb");
        await host.DoAsync("dpkg -i /root/newer.deb");
        Assert.NotEqual(pid, await host.DoAsync("systemctl show --value -p MainPID livepatch-agentd"));
        Assert.Equal(machine, (await host.UntilAppliedAsync("1.0")).Enrolment!.MachineId);
        Assert.Equal("1", await host.DoAsync("grep -c '^check-in-minutes = 61' /etc/livepatch-agent/agent.conf"));
        Assert.Equal("1", await host.DoAsync("dmesg | grep -c 'livepatch: enabling patch'"));

        await host.DoAsync("dpkg --remove livepatch-agent");
        await host.CmdlineIsPatchedAsync();
        await host.DoAsync(
            """
            test -e /etc/livepatch-agent/agent.conf &&
                test -e /var/lib/livepatch-agent/journal.json &&
                test ! -e /usr/sbin/livepatch-agentd
            """);
        await host.DoAsync("dpkg -i /root/newer.deb");
        Assert.Equal(machine, (await host.UntilAppliedAsync("1.0")).Enrolment!.MachineId);

        await host.DoAsync("dpkg --purge livepatch-agent");
        await host.CmdlineIsPatchedAsync();
        Assert.Equal("", (await host.TryAsync($"{Came} | grep -i livepatch")).Out);
    });

    [Fact]
    public Task ServerPackage_ServesTheHostItIsOn_AndIsUpgradedRemovedAndPurged() => Scenario.RunAsync(async s =>
    {
        var patch = await workshop.PatchAsync(HostKind.Plain, "livepatch_cmdline", "1.0", 1);
        var host = await s.HostAsync(HostKind.Plain);
        await host.DoAsync($"{Files} >/root/before");
        await host.PutAsync(Checkout.Package("livepatch-server"), "/root/server.deb");
        await host.PutAsync(patch.Module, "/root/patch.ko");
        await host.PutAsync(patch.Manifest, "/root/patch.manifest");
        await host.PutAsync(Workshop.PublisherCertificate, "/root/publisher.pem");

        await host.DoAsync("dpkg -i /root/server.deb");
        var unit = await host.TryAsync("systemctl is-active livepatch-server; systemctl is-enabled livepatch-server");
        Assert.Equal("inactive\ndisabled", unit.Out.Trim());
        await host.DoAsync("install -m 644 /root/publisher.pem /var/lib/livepatch-server/publishers/ours.pem");
        await host.DoAsync(
            """
            echo 'OPTIONS="--listen 127.0.0.1:8443 --url https://127.0.0.1:8443"' >/etc/default/livepatch-server &&
                systemctl enable --now livepatch-server
            """);
        Assert.Equal("65536 65536", await host.DoAsync($"awk '/open files/ {{ print $4, $5 }}' /proc/{Pid}/limits"));
        const string asItself = "runuser -u livepatch-server -- livepatch-server";
        const string publish = "livepatch-publisher publish /root/patch.ko --server https://127.0.0.1:8443";
        await host.DoAsync($"{publish} --server-pin $({asItself} pin)");
        await host.DoAsync($"{asItself} token create | livepatch-agent enable -");
        await host.UntilAppliedAsync("1.0");
        Assert.Contains("applied", await host.DoAsync($"{asItself} machines"), StringComparison.Ordinal);

        await host.DoAsync("systemctl restart livepatch-server");
        await host.UntilAsync("listens again", Listens);
        Assert.Equal("", await host.ComplaintsAsync());

        // An upgrade: another process, the same keys, machines and settings.
        var (pid, pin) = (await host.DoAsync($"echo {Pid}"), await host.DoAsync($"{asItself} pin"));
        await host.PutAsync(await RebuiltAsync("livepatch-server", "0.999"), "/root/newer-server.deb");
        await host.DoAsync("dpkg -i /root/newer-server.deb");
        Assert.NotEqual(pid, await host.DoAsync($"echo {Pid}"));
        await host.UntilAsync("listens to the newer one", Listens);
        Assert.Equal(pin, await host.DoAsync($"{asItself} pin"));
        Assert.Equal("1", await host.DoAsync("grep -c 127.0.0.1:8443 /etc/default/livepatch-server"));

        await host.DoAsync("dpkg --remove livepatch-server");
        await host.DoAsync(
            """
            test -e /var/lib/livepatch-server/server.db &&
                test -e /var/lib/livepatch-server/keys/tls.key &&
                test -e /etc/default/livepatch-server &&
                test ! -e /usr/bin/livepatch-server
            """);
        await host.DoAsync("dpkg -i /root/newer-server.deb && systemctl enable --now livepatch-server");
        Assert.Equal(pin, await host.DoAsync($"{asItself} pin"));
        Assert.Contains("applied", await host.DoAsync($"{asItself} machines"), StringComparison.Ordinal);

        await host.DoAsync("dpkg --purge livepatch-server");
        await host.CmdlineIsPatchedAsync();
        Assert.Equal("", (await host.TryAsync($"{Came} | grep -i livepatch | grep -v livepatch-agent")).Out);
    });

    /// <summary>Of the server, in the host's shell.</summary>
    private const string Pid = "$(systemctl show --value -p MainPID livepatch-server)";

    /// <summary>All files on the disk, in order, but those of the test.</summary>
    private const string Files =
        "find / -xdev \\( -path /proc -o -path /root -o -path /tmp \\) -prune -o -print | sort";

    /// <summary>Files on the disk that came since /root/before.</summary>
    private const string Came = Files + " | comm -13 /root/before -";

    private static bool Listens(AgentStatus status) => status is
    {
        State: PatchState.Applied,
        CheckIn: { Result: CheckInResult.Succeeded, Listening: true },
    };

    private async Task<string> RebuiltAsync(string name, string version)
    {
        var (root, deb) = (workshop.Fresh("tree"), workshop.Fresh($"{name}.deb"));
        (await Command.RunAsync("dpkg-deb", ["-R", Checkout.Package(name), root])).Good();
        var control = Path.Combine(root, "DEBIAN/control");
        var lines = (await File.ReadAllLinesAsync(control))
            .Select(line => line.StartsWith("Version:", StringComparison.Ordinal) ? $"Version: {version}" : line);
        await File.WriteAllLinesAsync(control, lines);
        (await Command.RunAsync("dpkg-deb", ["--root-owner-group", "-Znone", "-b", root, deb])).Good();
        return deb;
    }
}
