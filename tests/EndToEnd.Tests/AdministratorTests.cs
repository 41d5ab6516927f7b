using LivepatchAgent.Core.Wire;
using LivepatchAgent.EndToEnd.Tests.Harness;

namespace LivepatchAgent.EndToEnd.Tests;

/// <summary>What an administrator decides against the server's word: a release, a hold. Boots a real host.</summary>
public sealed class AdministratorTests(Workshop workshop)
{
    [Fact]
    public Task ReleasedPatch_IsLoaded_AndHeldHostKeepsIt() => Scenario.RunAsync(async s =>
    {
        var server = await s.ServerAsync();
        await server.PublishAsync(await workshop.PatchAsync(HostKind.Plain, "livepatch_cmdline", "1.0", 1));
        var host = await s.HostAsync(HostKind.Plain);
        (await host.EnableAsync(await server.TokenAsync())).Good();
        await IsQuarantinedAfterAPowerCutAsync(host);

        await host.DoAsync("livepatch-agent quarantine release livepatch_cmdline");
        await host.UntilAppliedAsync("1.0");
        await host.CmdlineIsPatchedAsync();
        Assert.DoesNotContain("livepatch_cmdline", await ListAsync(host), StringComparison.Ordinal);

        await host.DoAsync("livepatch-agent hold");
        await server.PublishAsync(await workshop.PatchAsync(HostKind.Plain, "livepatch_cmdline_v2", "2.0", 2));
        await KeepsFirstAsync(host, "the second patch is available");
        Assert.Contains("held", await server.MachinesAsync(), StringComparison.Ordinal);
        await host.RebootAsync();
        await KeepsFirstAsync(host, "held over a reboot");
        await host.CmdlineIsPatchedAsync();

        await host.DoAsync("livepatch-agent unhold");
        await host.UntilAppliedAsync("2.0");
        var history = await host.DoAsync("livepatch-agent history --format json");
        foreach (var kind in new[] { "quarantined", "quarantine-released", "hold-asked", "unhold-asked" })
            Assert.Contains($"\"{kind}\"", history, StringComparison.Ordinal);
        await host.HistoryIsWholeAsync();
    });

    private static async Task IsQuarantinedAfterAPowerCutAsync(LabHost host)
    {
        await host.CutPowerAsync();
        await host.UntilAsync("quarantined", x => x is { State: PatchState.Refused, Settled: true });
        Assert.Contains("livepatch_cmdline", await ListAsync(host), StringComparison.Ordinal);
    }

    private static Task<string> ListAsync(LabHost host) => host.DoAsync("livepatch-agent quarantine list");

    private static async Task KeepsFirstAsync(LabHost host, string when)
    {
        var status = await host.UntilAsync(
            when, x => x is { Settled: true, State: PatchState.Applied, Hold.Available.Version: "2.0" });
        Assert.Equal("1.0", status.Patch!.Version);
        Assert.DoesNotContain(status.Loaded, p => p.Name == "livepatch_cmdline_v2");
    }
}
