using System.Diagnostics;
using System.Text.Json;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.EndToEnd.Tests.Harness;

namespace LivepatchAgent.EndToEnd.Tests;

/// <summary>publish → check in → verify → finit_module → transition → status, with nothing faked.</summary>
[Collection(Alone.Name)]
public sealed class MainJobTests(Workshop workshop)
{
    private const string Patched = "this has been live patched";

    [Fact]
    public Task MainJob_UnderSecureBoot() => Scenario.RunAsync(async s =>
    {
        var server = await s.ServerAsync();
        await server.PublishAsync(await workshop.PatchAsync(HostKind.Secure, "livepatch_cmdline", "1.0", 1));
        var host = await s.HostAsync(HostKind.Secure);

        var enabled = await host.EnableAsync(await server.TokenAsync());
        Assert.True(enabled.Status == 0, $"{enabled}");
        const string patched = "patched: version 1.0 (notice LPN-0001), fixes CVE-2026-0001";
        Assert.Contains(patched, enabled.Out, StringComparison.Ordinal);
        Assert.Contains(Patched, await host.DoAsync("cat /proc/cmdline"), StringComparison.Ordinal);
        await StatusIsAsPromisedAsync(host, await host.DoAsync("uname -r"));
        await KernelAgreesAsync(host);
        Assert.Contains("applied", await server.MachinesAsync(), StringComparison.Ordinal);

        var second = await workshop.PatchAsync(HostKind.Secure, "livepatch_cmdline_v2", "2.0", 2);
        await SecondPatchIsPushedAsync(server, host, second);
        await UnsignedIsRefusedByPublisherAsync();
        await TamperedIsRefusedByHostAsync(server, host);

        // Neither leaving the server nor removing the package takes the fix out of the kernel.
        await host.DoAsync("livepatch-agent disable");
        Assert.Equal(PatchState.NotEnrolled, (await host.StatusAsync())!.State);
        await StillRunsV2Async(host);
        await host.DoAsync("dpkg --remove livepatch-agent");
        await StillRunsV2Async(host);
    });

    [Fact]
    public Task MainJob_OnOlderKernel() => Scenario.RunAsync(async s =>
    {
        var server = await s.ServerAsync();
        await server.PublishAsync(await workshop.PatchAsync(HostKind.Older, "livepatch_cmdline", "1.0", 1));
        var host = await s.HostAsync(HostKind.Older);
        var enabled = await host.EnableAsync(await server.TokenAsync());
        Assert.True(enabled.Status == 0, $"{enabled}");
        Assert.Contains(Patched, await host.DoAsync("cat /proc/cmdline"), StringComparison.Ordinal);

        var second = await workshop.PatchAsync(HostKind.Older, "livepatch_cmdline_v2", "2.0", 2);
        await SecondPatchIsPushedAsync(server, host, second);

        await server.PublishAsync(await workshop.PatchAsync(HostKind.Older, "livepatch_meminfo", "3.0", 3));
        await host.UntilAppliedAsync("3.0");
        Assert.Contains("VMALLOCCHUNK", await host.DoAsync("cat /proc/meminfo"), StringComparison.Ordinal);
        Assert.Contains("livepatch_meminfo", await host.DoAsync("livepatch-agent patches"), StringComparison.Ordinal);
        await host.DoAsync("livepatch-agent disable");
        await host.StopsAtOnceAsync("with nothing to do", alone: true);
    });

    private static async Task StatusIsAsPromisedAsync(LabHost host, string release)
    {
        var text = (await host.StatusTextAsync()).Good().Split('\n');
        Assert.Equal(6, text.Length);
        Assert.Matches("^last check: ([0-9]+ seconds? ago|just now)$", text[0]);
        Assert.Equal($"kernel: {release}", text[1]);
        Assert.Equal("server check-in: succeeded", text[2]);
        Assert.Matches(@"^kernel state: (✓|\[ok\]) covered by livepatch until 2099-06-30$", text[3]);
        Assert.Matches(@"^patch state: (✓|\[ok\]) all applicable livepatch modules applied$", text[4]);
        Assert.Equal("patch version: 1.0 (notice LPN-0001), fixes CVE-2026-0001", text[5]);

        using var json = JsonDocument.Parse(await host.DoAsync("livepatch-agent status --format json"));
        Assert.Equal("applied", json.RootElement.GetProperty("state").GetString());
        Assert.Equal("livepatch_cmdline", json.RootElement.GetProperty("patch").GetProperty("name").GetString());
        var yaml = await host.DoAsync("livepatch-agent status --format yaml");
        Assert.Contains("state: applied", yaml, StringComparison.Ordinal);
        var unit = await host.DoAsync("systemctl status --no-pager livepatch-agentd");
        Assert.Contains("patch 1.0 applied", unit, StringComparison.Ordinal);

        var metrics = await host.MetricsAsync();
        Assert.Matches("livepatch_patch_info\\{.*version=\"1.0\"", metrics);
        Assert.DoesNotMatch("# TYPE \\S+ (?!gauge)", metrics);
    }

    private static async Task KernelAgreesAsync(LabHost host)
    {
        var log = await host.DoAsync("dmesg | grep livepatch");
        Assert.Contains("livepatch: enabling patch 'livepatch_cmdline'", log, StringComparison.Ordinal);
        Assert.Contains("livepatch: 'livepatch_cmdline': patching complete", log, StringComparison.Ordinal);
        Assert.Equal("OK", (await host.StatusAsync())!.Kernel.TaintFlags);
        Assert.Equal("36864", await host.DoAsync("cat /proc/sys/kernel/tainted"));
        var lockdown = await host.DoAsync("cat /sys/kernel/security/lockdown");
        Assert.Contains("[integrity]", lockdown, StringComparison.Ordinal);
    }

    private static async Task SecondPatchIsPushedAsync(PatchServer server, LabHost host, Patch second)
    {
        await host.UntilAsync("listening", x => x.CheckIn.Listening);
        var clock = Stopwatch.StartNew();
        await server.PublishAsync(second);
        var published = clock.Elapsed;
        await host.DoAsync(
            """
            until grep -q live /proc/version &&
                [ "$(cat /sys/kernel/livepatch/livepatch_cmdline_v2/transition)" = 0 ]; do sleep 0.3; done
            """,
            seconds: 60);
        var patched = clock.Elapsed;
        Scenario.Say($"published in {published.TotalSeconds:F1} s; on the host {patched.TotalSeconds:F1} s"
            + " after the publisher's command was given");
        var took = patched - published;
        Assert.True(took < TimeSpan.FromSeconds(10), $"publish to patched took {took}");
        await host.UntilAppliedAsync("2.0");
        await host.UntilUnloadedAsync("livepatch_cmdline");
    }

    private async Task UnsignedIsRefusedByPublisherAsync()
    {
        var unsigned = workshop.Fresh("livepatch_cmdline_v2.ko");
        File.Copy(await workshop.BuiltAsync(HostKind.Secure, "livepatch_cmdline_v2"), unsigned);
        var refused = await Workshop.DescribeAsync(unsigned, "3.0", 3);
        Assert.Equal(1, refused.Status);
        Assert.Contains("livepatch-publisher sign", refused.Error, StringComparison.Ordinal);
    }

    private async Task TamperedIsRefusedByHostAsync(PatchServer server, LabHost host)
    {
        // A burglar on the server changes the file in the moment before any host has fetched it.
        await host.UntilAsync("listening", x => x.CheckIn.Listening);
        await host.StopsAtOnceAsync("with a held check-in open", alone: true);
        var third = await workshop.PatchAsync(HostKind.Secure, "livepatch_meminfo", "3.0", 3);
        await server.PublishAsync(third);
        var stored = await File.ReadAllBytesAsync(server.Blob(third));
        stored[stored.Length / 2] ^= 1;
        File.SetUnixFileMode(server.Blob(third), UnixFileMode.UserRead | UnixFileMode.UserWrite);
        await File.WriteAllBytesAsync(server.Blob(third), stored);
        await host.DoAsync("systemctl start livepatch-agentd");

        var status = await host.UntilAsync(
            "the tampered module is refused", x => x is { State: PatchState.Refused, Settled: true });
        Assert.Equal(ProblemCode.ModuleDigestMismatch, status.Problem!.Code);
        var text = await host.StatusTextAsync();
        Assert.Equal(1, text.Status);
        Assert.Contains("it is not the module that the publisher signed for", text.Out, StringComparison.Ordinal);
        Assert.Contains("cure: ", text.Out, StringComparison.Ordinal);
        await StillRunsV2Async(host);
    }

    private static async Task StillRunsV2Async(LabHost host)
    {
        const string enabled = "/sys/kernel/livepatch/livepatch_cmdline_v2/enabled";
        Assert.Equal("1", await host.DoAsync($"grep -q live /proc/version && cat {enabled}"));
    }
}
