using LivepatchAgent.EndToEnd.Tests.Harness;

namespace LivepatchAgent.EndToEnd.Tests;

/// <summary>Which CAs the host trusts for its server: the system's if the token pins no key, and else none.</summary>
public sealed class AuthoritiesTests(Workshop workshop)
{
    private const string Bundle = "/etc/ssl/certs/ca-certificates.crt";

    [Fact]
    public Task SystemsCas_VouchForServerWithoutPin_AndAreNotReadForOneWith() => Scenario.RunAsync(async s =>
    {
        var (server, front) = await s.StolenServerAsync();
        await server.PublishAsync(await workshop.PatchAsync(HostKind.Plain, "livepatch_cmdline", "1.0", 1));
        var host = await s.HostAsync(HostKind.Plain);
        var pinned = front.Certificate;
        using var ca = TestAuthority.Make("CN=A CA of the system");
        front.Certificate = TestAuthority.Issue(ca, "10.0.2.2");

        await WatchAsync(host);
        var refused = await host.EnableAsync(await server.TokenAsync("--uses 0 --system-ca"));
        Assert.Equal(1, refused.Status);
        Assert.Contains("its certificate is not signed by a trusted CA", refused.Error, StringComparison.Ordinal);
        Assert.True(await OpenedAsync(host));

        await host.DoAsync($"cat >>{Bundle}", ca.ExportCertificatePem() + "\n");
        (await host.EnableAsync(await server.TokenAsync("--uses 0 --system-ca"))).Good();
        await host.UntilAppliedAsync("1.0");

        await host.DoAsync("livepatch-agent disable && systemctl restart livepatch-agentd");
        front.Certificate = pinned;
        await WatchAsync(host);
        (await host.EnableAsync(await server.TokenAsync())).Good();
        await host.UntilAppliedAsync("1.0");
        Assert.False(await OpenedAsync(host));
    });

    /// <summary>From now on, which of the system's CAs the daemon opens.</summary>
    private static Task WatchAsync(LabHost host) => host.DoAsync(
        """
        pid=$(systemctl show --value -p MainPID livepatch-agentd)
        strace -f -q -e trace=openat -o /run/opened -p $pid </dev/null >/dev/null 2>&1 &
        until grep -q 'TracerPid:.[1-9]' /proc/$pid/status; do sleep 0.1; done
        """);

    private static async Task<bool> OpenedAsync(LabHost host)
    {
        const string folders = "/etc/(ssl|pki)/|/usr/lib/ssl/cert|/usr/share/ca-";
        return await host.DoAsync($"pkill strace; grep -c -E '{folders}' /run/opened; true") != "0";
    }
}
