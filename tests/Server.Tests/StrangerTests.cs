using System.Net;
using LivepatchAgent.Core;
using LivepatchAgent.Server.Api;
using static LivepatchAgent.Server.Tests.ServerUnderTest;

namespace LivepatchAgent.Server.Tests;

/// <summary>
/// What callers that nobody knows can take of the server: time and memory have an end, and publishing goes on.
/// </summary>
public sealed class StrangerTests
{
    [Theory]
    [InlineData("PUT", "/v1/manifests/", 30)]
    [InlineData("PUT", "/v1/pins/1", 30)]
    [InlineData("POST", "/v1/enrolments", 10)]
    public async Task Body_ThatTakesTooLong_IsCutOff(string method, string path, int seconds)
    {
        await using var server = await StartAsync();
        if (path.EndsWith("manifests/", StringComparison.Ordinal)) path += new string('0', 64);
        await using var call = await RawCall.StartAsync(server, method, path, new byte[100], 5000);
        var answer = await PassAsync(server, call, seconds);
        Assert.Equal(HttpStatusCode.RequestTimeout, answer.Status);
        Assert.Contains($"longer than {seconds} seconds", answer.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Module_ThatTakesTooLong_IsCutOffAndLeavesNothing()
    {
        await using var server = await StartAsync();
        var patch = server.Publisher.Patch(1, bytes: 1 << 20);
        await server.PutAsync("manifests", patch.Digest, patch.Envelope);
        await using var call = await RawCall.StartAsync(
            server, "PUT", $"/v1/modules/{patch.ModuleDigest}", patch.Module[..1000], patch.Module.Length);

        // A megabyte has 64 s more than a small body.
        var answer = await PassAsync(server, call, 94);
        Assert.Contains("longer than 94 seconds", answer.Text, StringComparison.Ordinal);
        while (Directory.GetFiles(server.Folder.Uploads).Length > 0) await Task.Delay(2, Ct);
    }

    [Fact]
    public async Task LargeBodies_HaveSoManyPlaces_AndSmallOnesNeedNone()
    {
        await using var server = await StartAsync();
        await using var held = await HeldBodies.StartAsync(server);
        var patch = server.Publisher.Patch(1);
        await server.PublishAsync(patch);
        await server.EnrolAsync();
        await held.DisposeAsync();
        while (await LargeAsync(server) == HttpStatusCode.TooManyRequests) await Task.Delay(2, Ct);
    }

    [Fact]
    public async Task Module_ThatIsHere_TakesNoPlaceOfTheOneThatHostsWaitFor()
    {
        await using var server = await StartAsync();
        var (known, next) = (server.Publisher.Patch(1), server.Publisher.Patch(2));
        await server.PublishAsync(known);
        var slow = new List<RawCall>();
        var path = $"/v1/modules/{known.ModuleDigest}";
        for (var i = 0; i <= ModuleEndpoint.MaxUploads; i++)
            slow.Add(await RawCall.StartAsync(server, "PUT", path, known.Module[..100], known.Module.Length));
        Assert.Equal(HttpStatusCode.OK, await server.PutAsync("modules", known.ModuleDigest, known.Module));
        await server.PublishAsync(next);
        Assert.Empty(Directory.GetFiles(server.Folder.Uploads));
        foreach (var call in slow)
        {
            await call.SendAsync(known.Module[100..^1]);
            await call.SendAsync([(byte)(known.Module[^1] ^ 1)]);
            Assert.Contains("module-digest-mismatch", (await call.AnswerAsync()).Text, StringComparison.Ordinal);
            await call.DisposeAsync();
        }
    }

    [Fact]
    public async Task Enrol_WithAnUnreadablePublisher_TellsStrangersNothingAndTheOthersToWait()
    {
        await using var server = await StartAsync();
        var token = server.Token();
        var file = Path.Combine(server.Folder.Publishers, "broken.pem");
        await File.WriteAllTextAsync(file, "garbage", Ct);
        using var stranger = await server.PostAsync(
            "/v1/enrolments",
            new Machine().Enrolment("no secret of this server"),
            Core.Wire.WireJson.Default.EnrolmentRequest);
        Assert.Equal(ProblemCode.TokenUnknown, (await ProblemAsync(stranger)).Code);

        var patch = server.Publisher.Patch(1);
        using var enrolled = await server.PostAsync(
            "/v1/enrolments", new Machine().Enrolment(token.Secret), Core.Wire.WireJson.Default.EnrolmentRequest);
        using var published = await server.Client.PutAsync(
            $"/v1/manifests/{patch.Digest}", new ByteArrayContent(patch.Envelope), Ct);
        using var pinned = await server.Client.PutAsync(
            "/v1/pins/1", new ByteArrayContent(server.Publisher.Pins(server, 1)), Ct);
        foreach (var answer in new[] { enrolled, published, pinned })
        {
            var problem = await ProblemAsync(answer);
            Assert.Equal(
                (HttpStatusCode.InternalServerError, ProblemCode.ServerError), (answer.StatusCode, problem.Code));
            Assert.DoesNotContain(server.Folder.Root, problem.ToString(), StringComparison.Ordinal);
        }

        File.Delete(file);
        await server.PublishAsync(patch);
        using var again = await server.PostAsync(
            "/v1/enrolments", new Machine().Enrolment(token.Secret), Core.Wire.WireJson.Default.EnrolmentRequest);
        Assert.Equal(HttpStatusCode.Created, again.StatusCode);
    }

    internal static Task<HttpStatusCode> LargeAsync(ServerUnderTest server) =>
        server.PutAsync("manifests", new string('0', 64), new byte[Bodies.Small + 1]);

    /// <summary>
    /// Lets so much time pass, once the server waits for the body: before that, nothing would come of it.
    /// </summary>
    private static async Task<(HttpStatusCode Status, string Text)> PassAsync(
        ServerUnderTest server, RawCall call, int seconds)
    {
        var answer = call.AnswerAsync();
        while (!answer.IsCompleted)
        {
            server.Time.Advance(TimeSpan.FromSeconds(seconds));
            await Task.Delay(2, Ct);
        }

        return await answer;
    }
}

/// <summary>As many large bodies, half sent, as the server holds at a time.</summary>
internal sealed class HeldBodies : IAsyncDisposable
{
    private readonly List<RawCall> _calls = [];

    public static async Task<HeldBodies> StartAsync(ServerUnderTest server)
    {
        var held = new HeldBodies();
        var (path, half) = ($"/v1/manifests/{new string('0', 64)}", new byte[Bodies.Small + 1]);
        for (var i = 0; i < Bodies.MaxLarge; i++)
            held._calls.Add(await RawCall.StartAsync(server, "PUT", path, half, 2 * Bodies.Small));
        while (await StrangerTests.LargeAsync(server) != HttpStatusCode.TooManyRequests) await Task.Delay(2, Ct);
        return held;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var call in _calls) await call.DisposeAsync();
    }
}
