using System.Net;
using System.Net.Http;
using System.Text.Json;
using LivepatchAgent.Core.Agent;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Daemon.Tests.Surroundings;

namespace LivepatchAgent.Daemon.Tests;

/// <summary>A whole daemon whose administrator says "keep what runs", over the socket.</summary>
public sealed class HoldTests
{
    private static readonly Published One = Workshop.Patch(1);
    private static readonly Published Two = Workshop.Patch(2);

    [Fact]
    public async Task Publish_ToAHeldHost_IsReportedAndNotLoadedUntilUnhold()
    {
        await using var host = await HeldAsync();
        host.Server.Publish(Two);
        var status = await AvailableAsync(host);
        Assert.Equal((PatchState.Applied, "1.0"), (status.State, status.Patch?.Version));
        Assert.Equal(("2.0", 0u), (status.Hold?.Available?.Version, status.Hold?.By?.Uid));
        Assert.Equal([One.Name], host.Kernel.Loaded);

        using var root = Person.Of(host.Paths.Socket);
        await AskAsync(root, "/v1/unhold");
        status = await host.UntilAsync("2.0", s => s.Settled && s.Patch?.Version == "2.0");
        Assert.Null(status.Hold);
        Assert.Equal([One.Name, Two.Name], host.Kernel.Loaded);
    }

    [Theory]
    [InlineData("restart")]
    [InlineData("clean reboot")]
    [InlineData("crash")]
    public async Task HeldHost_AfterItsEnd_RunsWhatItRanAndIsHeldStill(string end)
    {
        await using var host = await HeldAsync();
        host.Server.Publish(Two);
        await AvailableAsync(host);
        if (end == "crash") host.Time.Advance(TimeSpan.FromMinutes(11));
        if (end == "crash") await host.UntilAsync("proven", _ => host.State.Record.LastGood is not null);
        await host.StopAsync();
        if (end != "restart") host.Kernel.Reboot();
        if (end != "restart") host.Write("proc/sys/kernel/random/boot_id", "boot-2\n");
        if (end == "crash") MarkAsCrashed(host);
        await host.StartAsync();
        var status = await AvailableAsync(host);
        Assert.Equal((PatchState.Applied, "1.0"), (status.State, status.Patch?.Version));
        Assert.DoesNotContain(Two.Name, host.Kernel.Loaded);
    }

    [Fact]
    public async Task Refresh_OfAHeldHost_AsksTheServerAndLoadsNothing()
    {
        await using var host = await HeldAsync();
        host.Server.Publish(Two);
        var before = await AvailableAsync(host);
        var catalogues = host.Server.Count(TestServer.Catalogues);
        await host.RefreshAsync();
        await host.UntilAsync("looked again", s => s.Revision > before.Revision && s.Settled && IsAvailable(s));
        Assert.True(host.Server.Count(TestServer.Catalogues) > catalogues);
        Assert.Equal([One.Name], host.Kernel.Loaded);
    }

    [Fact]
    public async Task Hold_DuringATransition_WatchesItToItsEnd()
    {
        await using var host = await HostUnderTest.StartedAsync();
        host.Kernel.CompletesAtOnce = false;
        host.Server.Publish(One);
        await host.EnableAsync();
        await host.UntilAsync("in transition", s => s.Activity?.Kind == ActivityKind.WaitingForTasks, false);
        Assert.Null((await host.SendAsync(new Command.Hold(null))).Problem);
        host.Kernel.Complete(One.Name);
        var status = await host.SettledAsync(PatchState.Applied);
        Assert.NotNull(status.Hold);
    }

    [Fact]
    public async Task Hold_AndUnhold_AreInTheHistoryOnceEach()
    {
        await using var host = await HeldAsync();
        using (var root = Person.Of(host.Paths.Socket))
        {
            foreach (var path in new[] { "/v1/hold", "/v1/unhold", "/v1/unhold" }) await AskAsync(root, path);
        }

        await host.StopAsync();
        var history = File.ReadAllText(Path.Combine(host.Paths.StateFolder, "history.jsonl"));
        Assert.Equal(1, Count(history, "\"hold-asked\""));
        Assert.Equal(1, Count(history, "\"unhold-asked\""));
    }

    private static int Count(string text, string word) => text.Split(word).Length - 1;

    private static async Task<HostUnderTest> HeldAsync()
    {
        var host = await HostUnderTest.EnrolledAsync(One);
        await host.StartSocketAsync();
        using var root = Person.Of(host.Paths.Socket);
        await AskAsync(root, "/v1/hold");
        await host.UntilAsync("held", s => s.Settled && s.Hold is not null);
        return host;
    }

    private static async Task AskAsync(HttpClient person, string path)
    {
        using var answer = await person.PostAsync(path, null, HostUnderTest.Ct);
        Assert.Equal(HttpStatusCode.Accepted, answer.StatusCode);
    }

    private static Task<AgentStatus> AvailableAsync(HostUnderTest host) =>
        host.UntilAsync("available", s => s.Settled && IsAvailable(s) && s.State == PatchState.Applied);

    private static bool IsAvailable(AgentStatus status) => status.Hold?.Available?.Version == "2.0";

    /// <summary>The journal as a host leaves it that was not shut down.</summary>
    private static void MarkAsCrashed(HostUnderTest host)
    {
        var state = host.State;
        var crashed = state with { Kernel = state.Kernel with { StoppedCleanly = false } };
        File.WriteAllBytes(host.Journal, StateJson.Write(crashed));
    }
}
