using LivepatchAgent.Core;
using LivepatchAgent.Core.Agent;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Daemon.Loop;
using LivepatchAgent.Daemon.Tests.Surroundings;
using Microsoft.Extensions.Logging;

namespace LivepatchAgent.Daemon.Tests;

/// <summary>Lines that break, servers that are away, and held check-ins that nobody holds.</summary>
public sealed class OutageTests
{
    private static readonly Published One = Workshop.Patch(1);
    private static readonly Published Two = Workshop.Patch(2);

    [Fact]
    public async Task Outage_OfHours_IsOneLineAndOneWhenItIsOver()
    {
        await using var host = await HostUnderTest.EnrolledAsync(One);
        await host.Server.StopAsync();
        var start = host.Time.GetUtcNow();
        var status = await host.UntilAsync("failed", s => s.CheckIn.Result == CheckInResult.Failed);
        HostUnderTest.AssertProblem(status.CheckIn.Problem, ProblemCode.ServerUnreachable, "connection refused");
        await host.HappensAsync("hours pass", () => host.Time.GetUtcNow() - start > TimeSpan.FromHours(6));
        Assert.Equal(PatchState.Applied, host.Board.Current.State);
        host.Server.Start();
        await host.UntilAsync("back", s => s.CheckIn is { Result: CheckInResult.Succeeded, Listening: true });
        Assert.Single(host.Log.From(LogLevel.Warning));
        Assert.Single(host.Log.Lines, l => l.Line == "The patch server answers again");
    }

    [Fact]
    public async Task Outage_EndedByTheNetwork_IsOverAtOnce()
    {
        await using var host = await HostUnderTest.EnrolledAsync(One);
        await host.Server.StopAsync();
        var start = host.Time.GetUtcNow();
        await host.HappensAsync("a long outage", () => host.Time.GetUtcNow() - start > TimeSpan.FromHours(2));
        host.Server.Start();
        host.Inbox!.NetworkUp();
        await host.UntilAsync("back", s => s.CheckIn.Result == CheckInResult.Succeeded, timePasses: false);
    }

    /// <summary>Each container that starts brings an address.</summary>
    [Fact]
    public async Task Network_ThatKeepsComingUp_BreaksNothingOff()
    {
        var big = Workshop.Patch(1, padding: 2_000_000);
        await using var host = await HostUnderTest.StartedAsync();
        host.Server.Publish(big);
        host.Server.Instead = async call =>
        {
            host.Inbox!.NetworkUp();
            if (call.Path != big.ModulePath) return false;
            var length = $"Content-Length: {big.Module.Length}\r\n";
            await call.RawAsync($"HTTP/1.1 200 X\r\nContent-Type: application/octet-stream\r\n{length}\r\n");
            foreach (var piece in big.Module.Chunk(16 * 1024))
            {
                host.Inbox.NetworkUp();
                await call.RawAsync(piece);
            }

            return true;
        };
        await host.EnableAsync();
        await host.SettledAsync(PatchState.Applied);
        Assert.Equal(1, host.Server.Count(big.ModulePath));
        Assert.Equal(1, host.Server.Count(big.ManifestPath));
    }

    [Fact]
    public async Task Certificate_OfAnother_IsRefusedWithItsOwnCode()
    {
        await using var host = await HostUnderTest.EnrolledAsync(One);
        await host.Server.StopAsync();
        host.Server.Certificate = Workshop.Key("CN=localhost");
        host.Server.Start();
        var status = await host.UntilAsync("failed", s => s.CheckIn.Result == CheckInResult.Failed);
        HostUnderTest.AssertProblem(status.CheckIn.Problem, ProblemCode.ServerCertificateMismatch, host.Server.Url);
        Assert.Equal(PatchState.Applied, status.State);
        var asked = host.Server.Calls.Count;
        await host.HappensAsync("tries", () => host.Time.GetUtcNow() > status.At.AddMinutes(30));
        Assert.Equal(asked, host.Server.Calls.Count);
        await host.Server.StopAsync();
        host.Server.Certificate = null;
        host.Server.Start();
        await host.UntilAsync("back", s => s.CheckIn.Result == CheckInResult.Succeeded);
    }

    [Fact]
    public async Task Server_WithoutTls_IsNotCalledAnImpostor()
    {
        await using var host = new HostUnderTest();
        using var plain = new System.Net.Sockets.TcpListener(System.Net.IPAddress.Loopback, 0);
        plain.Start();
        var serving = ServeAsync();
        await host.StartAsync();
        var port = ((System.Net.IPEndPoint)plain.LocalEndpoint).Port;
        await host.EnableAsync(host.Server.Token with { Server = $"https://localhost:{port}" });
        var status = await host.UntilAsync("refused", s => s.Settled);
        HostUnderTest.AssertProblem(status.Problem, ProblemCode.ServerUnreachable, "TLS");
        plain.Stop();
        await Assert.ThrowsAnyAsync<Exception>(() => serving);

        async Task ServeAsync()
        {
            while (true)
            {
                using var client = await plain.AcceptTcpClientAsync(HostUnderTest.Ct);
                var hello = new byte[1000];
                _ = await client.GetStream().ReadAsync(hello, HostUnderTest.Ct);
                await client.GetStream().WriteAsync("HTTP/1.1 400 Bad Request\r\n\r\n"u8.ToArray(), HostUnderTest.Ct);
            }
        }
    }

    /// <summary>An hour of a server, or of something in between, that does not hold check-ins.</summary>
    [Theory]
    [InlineData("answers at once")]
    [InlineData("breaks at once")]
    [InlineData("refuses")]
    [InlineData("another tag each time")]
    public async Task HeldCheckIn_ThatNobodyHolds_IsAskedForEverMoreSeldom(string how)
    {
        await using var host = await HostUnderTest.StartedAsync();
        host.Server.Publish(One);
        var tags = 0;
        var isAnother = how == "another tag each time";
        if (isAnother) host.Server.Assigning = a => a with { Tag = $"t{Interlocked.Increment(ref tags)}" };
        host.Server.Instead = async call =>
        {
            if (!call.IsHeld || isAnother) return false;
            if (how == "refuses") await call.AnswerAsync(501, "no", "text/plain");
            if (how != "answers at once") return true;
            var assignment = new Assignment
            {
                Tag = "tag-2",
                ManifestDigest = One.Digest,
                CheckInSeconds = 900,
                Now = host.Time.GetUtcNow(),
            };
            await call.AnswerAsync(200, assignment, WireJson.Default.Assignment);
            return true;
        };
        await host.EnableAsync();
        await host.SettledAsync(PatchState.Applied);
        var (start, before) = (host.Time.GetUtcNow(), host.Server.Calls.Count);
        await host.HappensAsync("an hour", () => host.Time.GetUtcNow() - start > TimeSpan.FromHours(1));
        Assert.InRange(host.Server.Calls.Count - before, 3, 100);
        Assert.Empty(host.Log.From(LogLevel.Warning));
        Assert.InRange(host.Log.Of(LogLevel.Information).Length, 1, 60);
        Assert.Equal(PatchState.Applied, host.Board.Current.State);
        // News comes all the same, a little later.
        host.Server.Assigning = a => a;
        host.Server.Publish(Two);
        await host.UntilAsync("2.0", s => s.Patch?.Version == "2.0" && s.Settled);
    }

    [Fact]
    public async Task HeldCheckIn_ThatIsNeverAnswered_EndsAndIsOpenedAgain()
    {
        await using var host = await HostUnderTest.EnrolledAsync(One);
        await host.HappensAsync(
            "held", () => host.Server.Count(TestServer.CheckIns, held: true) == 1, timePasses: false);
        await host.HappensAsync("opened again", () => host.Server.Count(TestServer.CheckIns, held: true) > 1);
        Assert.Empty(host.Log.From(LogLevel.Warning));
    }

    [Fact]
    public async Task HeldCheckIn_AnsweredAfterHangingUp_IsNotHeard()
    {
        await using var host = await HostUnderTest.EnrolledAsync(One);
        await host.SendAsync(new Command.Disable());
        host.Server.Publish(Two);
        await host.SettledAsync(PatchState.NotEnrolled);
        Assert.Null(host.State.Conversation.Assignment);
        Assert.Equal([One.Name], host.Kernel.Loaded);
    }

    [Fact]
    public async Task Clock_PutBackByYears_DoesNotStopCheckIns()
    {
        await using var host = await HostUnderTest.EnrolledAsync(One);
        await host.StopAsync();
        var state = host.State;
        var late = host.Time.GetUtcNow().AddYears(10);
        var conversation = state.Conversation;
        var ahead = conversation with
        {
            CheckIn = conversation.CheckIn with { Next = late, LastSuccess = late },
            HeldCall = conversation.HeldCall with { NotBefore = late },
            Catalogue = conversation.Catalogue with { VerifiedAt = late },
        };
        File.WriteAllBytes(host.Journal, StateJson.Write(state with { Conversation = ahead }));
        var before = host.Server.Count(TestServer.CheckIns, held: false);
        await host.StartAsync();
        await host.UntilAsync(
            "checked in", s => s.CheckIn.Listening && s.CheckIn.LastSuccess < late, timePasses: false);
        Assert.True(host.Server.Count(TestServer.CheckIns, held: false) > before);
    }
}
