using System.Diagnostics;
using System.Net;
using System.Net.Http;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Daemon.Tests.Surroundings;
using static LivepatchAgent.Daemon.Tests.Surroundings.HostUnderTest;

namespace LivepatchAgent.Daemon.Tests;

/// <summary>The local socket, over the socket.</summary>
public sealed class LocalApiTests
{
    private const uint LivepatchGroup = 4711;
    private static readonly Published One = Workshop.Patch(1);

    [Fact]
    public async Task Reads_AreForEverybody()
    {
        await using var host = await ServingAsync();
        using var nobody = Person.Of(host.Paths.Socket, Person.Nobody, Person.Nobody);
        var status = await StatusAsync(nobody);
        Assert.Equal("1.0", status.Patch?.Version);
        using var metrics = await nobody.GetAsync("/metrics", Ct);
        Assert.Equal("text/plain; version=0.0.4; charset=utf-8", metrics.Content.Headers.ContentType?.ToString());
        PrometheusText.AssertValid(await metrics.Content.ReadAsStringAsync(Ct));
    }

    [Fact]
    public async Task Metrics_ForThoseWhoAskForIt_AreOpenMetrics()
    {
        await using var host = await ServingAsync();
        using var reader = Person.Of(host.Paths.Socket);
        reader.DefaultRequestHeaders.Add("Accept", "application/openmetrics-text; version=1.0.0, text/plain; q=0.5");
        using var metrics = await reader.GetAsync("/metrics", Ct);
        const string expected = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        Assert.Equal(expected, metrics.Content.Headers.ContentType?.ToString());
        OpenMetrics.AssertValid(await metrics.Content.ReadAsStringAsync(Ct));
    }

    [Theory]
    [InlineData(Person.Nobody, Person.Nobody, HttpStatusCode.Forbidden)]
    [InlineData(Person.Nobody, LivepatchGroup, HttpStatusCode.Accepted)]
    [InlineData(0u, 0u, HttpStatusCode.Accepted)]
    public async Task Changes_AreForRootAndTheGroup(uint uid, uint gid, HttpStatusCode expected)
    {
        await using var host = await ServingAsync();
        using var person = Person.Of(host.Paths.Socket, uid, gid);
        foreach (var path in new[] { "/v1/refresh", "/v1/hold", "/v1/unhold", "/v1/disable" })
        {
            using var answer = await person.PostAsync(path, null, Ct);
            Assert.Equal(expected, answer.StatusCode);
            if (expected != HttpStatusCode.Forbidden) continue;
            AssertProblem(await ProblemAsync(answer), ProblemCode.NotPermitted, "livepatch");
        }

        using var enable = await person.PostAsync("/v1/enable", new StringContent("{}"), Ct);
        Assert.Equal(expected == HttpStatusCode.Forbidden, enable.StatusCode == HttpStatusCode.Forbidden);
        Assert.Equal(expected == HttpStatusCode.Forbidden, host.State.Enrolment is not null);
    }

    [Theory]
    [InlineData(0, null, false)]
    [InlineData(2, LivepatchGroup, true)]
    [InlineData(2, LivepatchGroup + 1, false)]
    [InlineData(63, LivepatchGroup, true)]
    [InlineData(64, LivepatchGroup, true)]
    [InlineData(5000, LivepatchGroup, true)]
    public async Task Changes_AreForTheGroupAlsoAsASupplementaryOne(int others, uint? last, bool allowed)
    {
        await using var host = await ServingAsync();
        var before = Enumerable.Range(10_000, others).Select(g => (uint)g);
        uint[] groups = last is { } group ? [.. before, group] : [.. before];
        using var person = Person.Of(host.Paths.Socket, Person.Nobody, Person.Nobody, groups);
        using var answer = await person.PostAsync("/v1/refresh", null, Ct);
        Assert.Equal(allowed ? HttpStatusCode.Accepted : HttpStatusCode.Forbidden, answer.StatusCode);
        host.Write("etc/group", "broken\nlivepatch:x:nonsense:\n");
        using var nobodys = await person.PostAsync("/v1/refresh", null, Ct);
        Assert.Equal(HttpStatusCode.Forbidden, nobodys.StatusCode);
    }

    [Fact]
    public async Task Changes_AreNotForTheNextOwnerOfThePidThatConnected()
    {
        await using var host = await ServingAsync();
        using var left = Person.Of(host.Paths.Socket, Person.Nobody, Person.Nobody);
        Assert.Equal("1.0", (await StatusAsync(left)).Patch?.Version);
        // The one who connected has ended, a child keeps the line, and the pid is now a member's.
        var member = $"Name:\tcat\nUid:\t1000\t1000\t1000\t1000\nGroups:\t{LivepatchGroup} \n";
        host.Write($"proc/{Environment.ProcessId}/status", member);
        using var answer = await left.PostAsync("/v1/refresh", null, Ct);
        Assert.Equal(HttpStatusCode.Forbidden, answer.StatusCode);
    }

    public static TheoryData<string, string, string, HttpStatusCode, ProblemCode> Wrong => new()
    {
        { "GET", "/", "", HttpStatusCode.NotFound, ProblemCode.NotFound },
        { "GET", "/v1/status/", "", HttpStatusCode.NotFound, ProblemCode.NotFound },
        { "GET", "/../etc/shadow", "", HttpStatusCode.NotFound, ProblemCode.NotFound },
        { "POST", "/v1/status", "", HttpStatusCode.MethodNotAllowed, ProblemCode.NotFound },
        { "GET", "/v1/refresh", "", HttpStatusCode.MethodNotAllowed, ProblemCode.NotFound },
        { "DELETE", "/metrics", "", HttpStatusCode.MethodNotAllowed, ProblemCode.NotFound },
        { "POST", "/v1/enable", "", HttpStatusCode.BadRequest, ProblemCode.RequestInvalid },
        { "POST", "/v1/enable", "garbage", HttpStatusCode.BadRequest, ProblemCode.RequestInvalid },
        { "POST", "/v1/enable", "null", HttpStatusCode.BadRequest, ProblemCode.RequestInvalid },
        { "POST", "/v1/enable", """{"token":null}""", HttpStatusCode.BadRequest, ProblemCode.RequestInvalid },
        { "POST", "/v1/enable", """{"token":7}""", HttpStatusCode.BadRequest, ProblemCode.RequestInvalid },
        { "POST", "/v1/enable", """{"token":"lpa1.abc"}""", HttpStatusCode.BadRequest, ProblemCode.TokenMalformed },
        { "POST", "/v1/enable", new string('x', 100_000),
            HttpStatusCode.RequestEntityTooLarge, ProblemCode.RequestTooLarge },
        { "POST", "/v1/enable", new string('[', 10_000), HttpStatusCode.BadRequest, ProblemCode.RequestInvalid },
    };

    [Theory]
    [MemberData(nameof(Wrong))]
    public async Task Request_ThatIsWrong_IsRefusedInOneLine(
        string method, string path, string body, HttpStatusCode status, ProblemCode code)
    {
        await using var host = await ServingAsync();
        using var root = Person.Of(host.Paths.Socket);
        using var request = new HttpRequestMessage(new HttpMethod(method), path);
        if (method == "POST") request.Content = new StringContent(body);
        using var answer = await root.SendAsync(request, Ct);
        Assert.Equal(status, answer.StatusCode);
        AssertProblem(await ProblemAsync(answer), code);
        Assert.Equal(status == HttpStatusCode.MethodNotAllowed, answer.Content.Headers.Allow.Count > 0);
        Assert.Equal("1.0", (await StatusAsync(root)).Patch?.Version);
    }

    [Theory]
    [InlineData("NONSENSE\r\n\r\n", "400")]
    [InlineData("GET /v1/status HTTP/1.1\r\n\r\n", "400")]
    [InlineData("GET /v1/status HTTP/9.9\r\nHost: x\r\n\r\n", "505")]
    [InlineData("GET /v1/status HTTP/1.1\r\nHost: x\r\nX: *\r\n\r\n", "431")]
    public async Task Bytes_ThatAreNoRequest_AreAnsweredAndOthersToo(string bytes, string status)
    {
        await using var host = await ServingAsync();
        using var socket = Person.Connect(host.Paths.Socket);
        var sent = bytes.Replace("*", new string('x', 20_000), StringComparison.Ordinal);
        await socket.SendAsync(Encoding.ASCII.GetBytes(sent), Ct);
        var answer = new byte[200];
        var length = await socket.ReceiveAsync(answer, Ct);
        Assert.StartsWith("HTTP/1.1 " + status, Encoding.ASCII.GetString(answer, 0, length), StringComparison.Ordinal);
        using var root = Person.Of(host.Paths.Socket);
        await StatusAsync(root);
    }

    [Fact]
    public async Task Enable_OverTheSocket_GoesTheWholeWay()
    {
        await using var host = await StartedAsync();
        await host.StartSocketAsync();
        host.Server.Publish(One);
        using var root = Person.Of(host.Paths.Socket);
        var request = new EnableRequest(EnrolmentToken.Write(host.Server.Token));
        var json = JsonSerializer.SerializeToUtf8Bytes(request, WireJson.Default.EnableRequest);
        using var answer = await root.PostAsync("/v1/enable", new ByteArrayContent(json), Ct);
        Assert.Equal(HttpStatusCode.Accepted, answer.StatusCode);
        var accepted = await answer.Content.ReadAsByteArrayAsync(Ct);
        var change = JsonSerializer.Deserialize(accepted, WireJson.Default.ChangeAnswer)!;
        await host.UntilAsync(
            "applied", s => s.Revision > change.Revision && s.Settled && s.State == PatchState.Applied);
        using var again = await root.PostAsync("/v1/enable", new ByteArrayContent(json), Ct);
        Assert.Equal(HttpStatusCode.Conflict, again.StatusCode);
        AssertProblem(await ProblemAsync(again), ProblemCode.AlreadyEnrolled);
    }

    [Fact]
    public async Task StatusFile_IsWhatTheSocketSaysAndReadableByAll()
    {
        await using var host = await ServingAsync();
        using var root = Person.Of(host.Paths.Socket);
        await host.HappensAsync("the same", IsTheSame, timePasses: false);
        Assert.Equal((UnixFileMode)0b110_100_100, File.GetUnixFileMode(host.Paths.StatusFile));
        Assert.Equal((UnixFileMode)0b110_110_110, File.GetUnixFileMode(host.Paths.Socket));

        bool IsTheSame()
        {
            var answer = root.GetByteArrayAsync("/v1/status", Ct).GetAwaiter().GetResult();
            return File.ReadAllBytes(host.Paths.StatusFile).AsSpan().SequenceEqual(answer);
        }
    }

    [Fact]
    public async Task Status_AskedForANewerOne_IsAnsweredWhenThereIsOne()
    {
        await using var host = await ServingAsync();
        using var root = Person.Of(host.Paths.Socket);
        var now = await StatusAsync(root);
        var held = StatusAsync(root, $"?after={now.Revision}&wait=15");
        Assert.False(held.IsCompleted);
        await host.RefreshAsync();
        Assert.True((await held).Revision > now.Revision);
        await host.SettledAsync(PatchState.Applied);
        foreach (var wait in new[] { "0", "0.05", "NaN", "-1", "-Infinity", "x", "" })
        {
            var watch = Stopwatch.StartNew();
            await StatusAsync(root, $"?after=99999&wait={wait}");
            Assert.True(watch.Elapsed < TimeSpan.FromSeconds(10), wait);
        }
    }

    [Theory]
    [InlineData(0u)]
    [InlineData(Person.Nobody)]
    public async Task IdleConnections_ByTheHundreds_KeepNobodyOut(uint greedy)
    {
        await using var host = await ServingAsync();
        var idle = new List<Socket>();
        for (var i = 0; i < 300; i++) idle.Add(Person.Connect(host.Paths.Socket, greedy, greedy));
        var watch = Stopwatch.StartNew();
        using var root = Person.Of(host.Paths.Socket);
        using var nobody = Person.Of(host.Paths.Socket, Person.Nobody, Person.Nobody);
        await StatusAsync(root);
        await StatusAsync(nobody);
        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(2), $"{watch.Elapsed}");
        idle.ForEach(s => s.Dispose());
    }

    [Fact]
    public async Task Kestrel_GoesToSleepAndWakesUpAgain()
    {
        await using var host = await ServingAsync();
        Assert.False(host.SocketIsAwake);
        for (var i = 0; i < 2; i++)
        {
            using (var root = Person.Of(host.Paths.Socket))
            {
                await StatusAsync(root);
                Assert.True(host.SocketIsAwake);
            }

            using (var mute = Person.Connect(host.Paths.Socket))
            using (var rude = Person.Connect(host.Paths.Socket))
            {
                await rude.SendAsync("\0\r\n\r\n"u8.ToArray(), Ct);
            }

            await host.HappensAsync("asleep", () => !host.SocketIsAwake, timePasses: false);
        }
    }

    [Fact]
    public async Task Start_WithAStaleSocket_TakesItsPlace()
    {
        await using var host = await StartedAsync();
        using (var left = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified))
        {
            Directory.CreateDirectory(host.Paths.RunFolder);
            left.Bind(new UnixDomainSocketEndPoint(host.Paths.Socket));
            left.Listen();
        }

        File.WriteAllText(host.Paths.Socket, "stale");
        await host.StartSocketAsync();
        using var root = Person.Of(host.Paths.Socket);
        await StatusAsync(root);
    }

    [Fact]
    public async Task Stop_WithOpenConnections_TakesLessThanTwoSeconds()
    {
        await using var host = await ServingAsync();
        using var root = Person.Of(host.Paths.Socket);
        var now = await StatusAsync(root);
        using var idle = Person.Connect(host.Paths.Socket);
        using var half = Person.Connect(host.Paths.Socket);
        await half.SendAsync("POST /v1/enable HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"u8.ToArray(), Ct);
        var held = StatusAsync(root, $"?after={now.Revision}&wait=60");
        var watch = Stopwatch.StartNew();
        await Task.WhenAll(host.StopSocketAsync(), host.StopAsync());
        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(2), $"{watch.Elapsed}");
        Assert.False(File.Exists(host.Paths.Socket));
        await Task.WhenAny(held);
        Assert.True(host.State.Kernel.StoppedCleanly);
    }

    private static async Task<HostUnderTest> ServingAsync()
    {
        var host = await EnrolledAsync(One);
        await host.StartSocketAsync();
        return host;
    }

    private static async Task<AgentStatus> StatusAsync(HttpClient person, string query = "")
    {
        var json = await person.GetByteArrayAsync("/v1/status" + query, Ct);
        return JsonSerializer.Deserialize(json, WireJson.Default.AgentStatus)!;
    }

    private static async Task<Problem> ProblemAsync(HttpResponseMessage answer) =>
        JsonSerializer.Deserialize(await answer.Content.ReadAsByteArrayAsync(Ct), WireJson.Default.ErrorAnswer)!.Error;
}
