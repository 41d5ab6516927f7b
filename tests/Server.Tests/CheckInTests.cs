using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Server.Api;
using LivepatchAgent.Server.Storage;
using static LivepatchAgent.Server.Tests.ServerUnderTest;

namespace LivepatchAgent.Server.Tests;

public sealed class CheckInTests
{
    [Fact]
    public async Task CheckIn_WithoutARightCredential_IsRefused()
    {
        await using var server = await StartAsync();
        var machine = await server.EnrolAsync();
        var right = machine.Authorization.Parameter!;
        var id = machine.Id;
        string?[] wrong =
        [
            null, "", "Bearer", $"Basic {right}", $"Bearer {id}", $"Bearer {id}.", $"Bearer {right}A",
            $"Bearer {right[..^2]}", $"Bearer nobody.{right.Split('.')[1]}", $"Bearer {id}.{new string('A', 43)}",
            $"Bearer {id}.{new string('!', 43)}", $"Bearer {new string('m', 5000)}",
        ];
        foreach (var header in wrong)
        {
            using var message = new HttpRequestMessage(HttpMethod.Post, "/v1/check-ins")
            {
                Content = Json("{}"u8.ToArray()),
            };
            if (header is not null) message.Headers.TryAddWithoutValidation("Authorization", header);
            using var answer = await server.Client.SendAsync(message, Ct);
            Assert.Equal(HttpStatusCode.Unauthorized, answer.StatusCode);
            Assert.Equal(ProblemCode.MachineUnknown, (await ProblemAsync(answer)).Code);
            Assert.Equal("Bearer", answer.Headers.WwwAuthenticate.Single().Scheme);
        }
    }

    [Fact]
    public async Task CheckIn_OfARevokedMachine_IsRefused()
    {
        await using var server = await StartAsync();
        var machine = await server.EnrolAsync();
        using (var database = Database.Open(server.Folder.Database).Value)
            Assert.True(database.Write(db => MachineTable.Revoke(db, machine.Id, server.Time.GetUtcNow())));
        using var answer = await server.CheckInAsync(machine, machine.CheckIn());
        Assert.Equal(HttpStatusCode.Unauthorized, answer.StatusCode);
    }

    [Fact]
    public async Task CheckIn_KeepsReportAndEachOutcomeOnce()
    {
        await using var server = await StartAsync();
        var machine = await server.EnrolAsync();
        var now = server.Time.GetUtcNow();
        var problem = new Problem(ProblemCode.TransitionStalled, "cannot finish: 2 tasks", "wait");
        var request = machine.CheckIn(
            null,
            new Outcome("a", now, OutcomeKind.Loaded, null, null),
            new Outcome("b", now, OutcomeKind.Stalled, new string('a', 64), problem));
        (await server.CheckInAsync(machine, request)).Dispose();
        var later = request with
        {
            Report = new MachineReport { State = PatchState.Stalled, Version = "1.0", Problem = problem },
            Outcomes = [.. request.Outcomes, new Outcome("c", now, OutcomeKind.Applied, null, null)],
        };
        (await server.CheckInAsync(machine, later)).Dispose();
        using var database = Database.Open(server.Folder.Database).Value;
        Assert.Equal(
            [("a", "loaded"), ("b", "stalled"), ("c", "applied")],
            database.Read(db => MachineTable.Outcomes(db, machine.Id)));
        var row = Assert.Single(database.Read(MachineTable.All));
        Assert.Equal(
            ("stalled", "1.0", "transition-stalled", (DateTimeOffset?)now),
            (row.State, row.Version, row.ProblemCode, row.LastCheckIn));
    }

    [Fact]
    public async Task CheckIn_OfAHeldMachine_ShowsInTheListUntilItIsHeldNoMore()
    {
        await using var server = await StartAsync();
        var machine = await server.EnrolAsync();
        var free = machine.CheckIn();
        var held = free with { Report = free.Report with { Held = true } };
        Assert.Contains("  nothing-to-apply, held  ", await ListedAsync(held), StringComparison.Ordinal);
        Assert.Contains("  nothing-to-apply  ", await ListedAsync(free), StringComparison.Ordinal);

        async Task<string> ListedAsync(CheckInRequest request)
        {
            (await server.CheckInAsync(machine, request)).Dispose();
            using var database = Database.Open(server.Folder.Database).Value;
            return Server.Commands.Views.Machines(database.Read(MachineTable.All));
        }
    }

    /// <summary>As an agent that is newer than this server reports: what it does not know it leaves out.</summary>
    [Fact]
    public async Task CheckIn_WithAFieldOfTheFuture_IsTaken()
    {
        await using var server = await StartAsync();
        var machine = await server.EnrolAsync();
        var report = JsonSerializer.SerializeToNode(machine.CheckIn(), WireJson.Default.CheckInRequest)!;
        report["report"]!["leased"] = true;
        using var message = new HttpRequestMessage(HttpMethod.Post, "/v1/check-ins")
        {
            Content = Json(JsonSerializer.SerializeToUtf8Bytes(report)),
        };
        message.Headers.Authorization = machine.Authorization;
        using var answer = await server.Client.SendAsync(message, Ct);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
    }

    [Fact]
    public async Task HeldCalls_WhenAPatchIsPublished_AreAnsweredWithinASecond()
    {
        await using var server = await StartAsync();
        var held = await HeldAsync(server, 100);

        var patch = server.Publisher.Patch(1);
        await server.PublishAsync(patch);
        var clock = Stopwatch.StartNew();
        foreach (var assignment in await Task.WhenAll(held)) Assert.Equal(patch.Digest, assignment.ManifestDigest);
        Assert.True(clock.Elapsed < TimeSpan.FromSeconds(1), $"took {clock.Elapsed}");
    }

    [Fact]
    public async Task HeldCall_OfAnotherKernel_StaysHeld()
    {
        await using var server = await StartAsync();
        var machine = await server.EnrolAsync();
        var tag = (await server.AssignmentAsync(machine)).Tag;
        var held = server.AssignmentAsync(machine, tag, wait: 60);
        await server.HeldAsync(1);
        await server.PublishAsync(server.Publisher.Patch(1, release: "5.10.0-other"));
        Assert.False(held.IsCompleted);
        server.Time.Advance(TimeSpan.FromSeconds(60));
        Assert.Equal(tag, (await held).Tag);
    }

    [Fact]
    public async Task HeldCall_WhenItsTimeIsOver_IsAnsweredWithTheSameTag()
    {
        await using var server = await StartAsync();
        var machine = await server.EnrolAsync();
        var tag = (await server.AssignmentAsync(machine)).Tag;
        var held = server.CheckInAsync(machine, machine.CheckIn(tag), wait: 30);
        await server.HeldAsync(1);
        server.Time.Advance(TimeSpan.FromSeconds(29.9));
        Assert.False(held.IsCompleted);
        server.Time.Advance(TimeSpan.FromSeconds(0.1));
        using var answer = await held;
        Assert.Equal("wait=30", Assert.Single(answer.Headers.GetValues("Preference-Applied")));
        var assignment = await ReadAsync(answer, WireJson.Default.Assignment);
        Assert.Equal((tag, server.Time.GetUtcNow()), (assignment.Tag, assignment.Now));
        Assert.Equal(0, server.Server.Held.Count);
    }

    [Fact]
    public async Task HeldCall_WhoseCallerIsGone_IsForgotten()
    {
        await using var server = await StartAsync();
        var machine = await server.EnrolAsync();
        var tag = (await server.AssignmentAsync(machine)).Tag;
        var held = server.CheckInAsync(machine, machine.CheckIn(tag), wait: 3600);
        await server.HeldAsync(1);
        server.Client.CancelPendingRequests();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => held);
        await server.HeldAsync(0);
    }

    [Fact]
    public async Task Stop_WithHeldCalls_TakesLessThanTwoSeconds()
    {
        await using var server = await StartAsync();
        var held = await HeldAsync(server, 100);
        var tag = (await server.AssignmentAsync(await server.EnrolAsync())).Tag;
        var clock = Stopwatch.StartNew();
        await server.Server.DisposeAsync();
        Assert.True(clock.Elapsed < TimeSpan.FromSeconds(2), $"took {clock.Elapsed}");
        foreach (var assignment in await Task.WhenAll(held)) Assert.Equal(tag, assignment.Tag);
        await server.StartAgainAsync();
    }

    [Fact]
    public async Task HeldCall_WhenItsMachineCallsAgain_IsAnsweredAtOnce()
    {
        await using var server = await StartAsync();
        var (machine, other) = (await server.EnrolAsync(), await server.EnrolAsync());
        var tag = (await server.AssignmentAsync(machine)).Tag;
        var first = server.AssignmentAsync(machine, tag, wait: 3600);
        var others = server.AssignmentAsync(other, tag, wait: 3600);
        await server.HeldAsync(2);
        var second = server.AssignmentAsync(machine, tag, wait: 3600);
        Assert.Equal(tag, (await first).Tag);
        await server.HeldAsync(2);
        Assert.False(second.IsCompleted || others.IsCompleted);
        await server.PublishAsync(server.Publisher.Patch(1));
        Assert.NotEqual(tag, (await second).Tag);
        Assert.NotEqual(tag, (await others).Tag);
    }

    /// <summary>One machine each: a machine's next call ends the one before.</summary>
    private static async Task<List<Task<Assignment>>> HeldAsync(ServerUnderTest server, int count)
    {
        var token = server.Token(uses: 0);
        var machines = await Task.WhenAll(Enumerable.Range(0, count).Select(_ => server.EnrolAsync(token: token)));
        var tag = (await server.AssignmentAsync(machines[0])).Tag;
        var held = machines.Select(machine => server.AssignmentAsync(machine, tag, wait: 3600)).ToList();
        await server.HeldAsync(count);
        return held;
    }

    [Theory]
    [InlineData("wait=30", 30)]
    [InlineData("WAIT = 30", 30)]
    [InlineData("respond-async, wait=30; x=y", 30)]
    [InlineData("wait=\"30\"", 30)]
    [InlineData("wait=4000000000", 3600)]
    [InlineData("wait=99999999999", 0)]
    [InlineData("wait=-1", 0)]
    [InlineData("wait=1.5", 0)]
    [InlineData("wait=", 0)]
    [InlineData("wait", 0)]
    [InlineData("", 0)]
    [InlineData(null, 0)]
    public void Preference_Wait_ReadsSeconds(string? header, int seconds) =>
        Assert.Equal(TimeSpan.FromSeconds(seconds), Preference.Wait([header]));
}
