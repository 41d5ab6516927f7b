using System.Net;
using System.Net.Http;
using System.Text.Json;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Daemon.Tests.Surroundings;

namespace LivepatchAgent.Daemon.Tests;

/// <summary>The quarantine over the socket of a whole daemon.</summary>
public sealed class QuarantineTests
{
    private static readonly Published One = Workshop.Patch(1);

    [Fact]
    public async Task Release_OfTheAssignedPatch_LoadsItAgainAndIsInTheHistory()
    {
        await using var host = await QuarantinedAsync();
        using var root = Person.Of(host.Paths.Socket);
        using var answer = await ReleaseAsync(root, One.Name);
        Assert.Equal(HttpStatusCode.Accepted, answer.StatusCode);
        var status = await host.SettledAsync(PatchState.Applied);
        Assert.Empty(status.Quarantine);
        Assert.Equal(One.Name, host.Kernel.Loaded[^1]);
        await host.StopAsync();
        var history = File.ReadAllLines(Path.Combine(host.Paths.StateFolder, "history.jsonl"));
        var line = Assert.Single(history, l => l.Contains("\"quarantine-released\"", StringComparison.Ordinal));
        Assert.Contains("\"uid\":0", line, StringComparison.Ordinal);
        Assert.Contains(One.Digest, line, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Release_OfAnotherOrByAnother_ChangesNothing()
    {
        await using var host = await QuarantinedAsync();
        using var root = Person.Of(host.Paths.Socket);
        using var nobody = Person.Of(host.Paths.Socket, Person.Nobody, Person.Nobody);
        using var forbidden = await ReleaseAsync(nobody, One.Name);
        using var unknown = await ReleaseAsync(root, "livepatch_9");
        using var empty = await root.PostAsync("/v1/quarantine/release", new StringContent("{}"), HostUnderTest.Ct);
        Assert.Equal(
            [HttpStatusCode.Forbidden, HttpStatusCode.Conflict, HttpStatusCode.BadRequest],
            [forbidden.StatusCode, unknown.StatusCode, empty.StatusCode]);
        Assert.Single(host.State.Record.Quarantine);
    }

    /// <summary>The host went down with the patch in its probation, and has nothing else to run.</summary>
    private static async Task<HostUnderTest> QuarantinedAsync()
    {
        var host = await HostUnderTest.EnrolledAsync(One);
        await host.StopAsync();
        host.Kernel.Reboot();
        host.Write("proc/sys/kernel/random/boot_id", "boot-2\n");
        var state = host.State;
        var crashed = state with { Kernel = state.Kernel with { StoppedCleanly = false } };
        File.WriteAllBytes(host.Journal, Core.Agent.StateJson.Write(crashed));
        await host.StartAsync();
        await host.StartSocketAsync();
        var status = await host.UntilAsync("quarantined", s => s.Settled && s.Quarantine.Count == 1);
        Assert.Equal((ProblemCode.PatchQuarantined, One.Name), (status.Problem?.Code, status.Quarantine[0].Name));
        return host;
    }

    private static Task<HttpResponseMessage> ReleaseAsync(HttpClient person, string name)
    {
        var body = JsonSerializer.SerializeToUtf8Bytes(new ReleaseRequest(name), WireJson.Default.ReleaseRequest);
        return person.PostAsync("/v1/quarantine/release", new ByteArrayContent(body), HostUnderTest.Ct);
    }
}
