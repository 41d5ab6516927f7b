using System.Collections.Concurrent;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using LivepatchAgent.Core.Trust;
using LivepatchAgent.Core.Wire;
using Microsoft.AspNetCore.Routing;
using static LivepatchAgent.Server.Tests.ServerUnderTest;

namespace LivepatchAgent.Server.Tests;

/// <summary>
/// docs/openapi.yaml and the running server say the same: every documented answer is really given, and no other is.
/// </summary>
public sealed class OpenApiTests
{
    private readonly OpenApi _api = OpenApi.Load();
    private readonly ConcurrentDictionary<(string, string, string), byte> _seen = new();

    [Fact]
    public async Task Document_AndRoutes_NameTheSame()
    {
        await using var server = await StartAsync();
        var sources = ((IEndpointRouteBuilder)server.Server.App).DataSources;
        var endpoints = sources.SelectMany(s => s.Endpoints).OfType<RouteEndpoint>();
        var routes = endpoints.SelectMany(e => Methods(e).Select(method => $"{method} {e.RoutePattern.RawText}"));
        Assert.Equal(_api.Documented().Select(d => $"{d.Method} {d.Path}").Distinct().Order(), routes.Order());
    }

    [Fact]
    public async Task Document_AndAnswers_SayTheSame()
    {
        await using var server = await StartAsync(inner => new Recorder(this) { InnerHandler = inner });
        await EnrolmentsAsync(server);
        await CheckInsAsync(server);
        await PublishingAsync(server);
        await CataloguesAsync(server);
        await PinsAsync(server);
        await FullAsync(server);
        foreach (var method in new[] { HttpMethod.Get, HttpMethod.Head }) await SendAsync(server, method, "/healthz");
        Assert.Equal(
            _api.Documented().Select(d => $"{d.Method} {d.Path} {d.Status}").Order(),
            _seen.Keys.Select(s => $"{s.Item1} {s.Item2} {s.Item3}").Order());
    }

    private static async Task EnrolmentsAsync(ServerUnderTest server)
    {
        var (machine, other, token) = (new Machine(), new Machine(), server.Token());
        async Task PostAsync(EnrolmentRequest request) =>
            (await server.PostAsync("/v1/enrolments", request, WireJson.Default.EnrolmentRequest)).Dispose();
        await PostAsync(machine.Enrolment(token.Secret));
        await PostAsync(machine.Enrolment(token.Secret));
        await PostAsync(machine.Enrolment(token.Secret) with { CredentialSha256 = new string('0', 64) });
        await PostAsync(other.Enrolment(token.Secret));
        await PostAsync(other.Enrolment("no secret of this server"));
        await RefusedBodiesAsync(server, HttpMethod.Post, "/v1/enrolments");
    }

    private static async Task CheckInsAsync(ServerUnderTest server)
    {
        var machine = await server.EnrolAsync();
        var problem = new Core.Problem(Core.ProblemCode.ModuleUnsigned, "cannot load it: unsigned", "sign it");
        var now = server.Time.GetUtcNow();
        var refused = new Outcome("h1", now, OutcomeKind.Refused, new string('a', 64), problem);
        (await server.CheckInAsync(machine, machine.CheckIn(null, refused), wait: 5)).Dispose();
        var stranger = new Machine { Id = "mnone" };
        (await server.CheckInAsync(stranger, stranger.CheckIn())).Dispose();
        await RefusedBodiesAsync(server, HttpMethod.Post, "/v1/check-ins", machine.Authorization);
    }

    private static async Task RefusedBodiesAsync(
        ServerUnderTest server, HttpMethod method, string path, AuthenticationHeaderValue? authorization = null)
    {
        await SendAsync(
            server, method, path, m => (m.Content, m.Headers.Authorization) = (Json("{"u8.ToArray()), authorization));
        await SendAsync(
            server,
            method,
            path,
            m => (m.Content, m.Headers.Authorization) = (Json(new byte[65 * 1024]), authorization));
    }

    private static async Task PublishingAsync(ServerUnderTest server)
    {
        var (patch, stranger) = (server.Publisher.Patch(1), new Publisher("stranger").Patch(7));
        await EnvelopeAsync(server, "manifests", patch.Envelope, stranger.Envelope);
        var taken = server.Publisher.Patch(1, version: "1.1");
        await server.PutAsync("modules", patch.ModuleDigest, [1, 2, 3]);
        await server.PutAsync("modules", patch.ModuleDigest, new byte[patch.Module.Length + 1]);
        await server.PutAsync("modules", new string('0', 64), patch.Module);
        await TooManyAsync(server, patch);
        await server.PutAsync("modules", patch.ModuleDigest, patch.Module);
        await server.PutAsync("modules", patch.ModuleDigest, patch.Module);
        await server.PutAsync("manifests", taken.Digest, taken.Envelope);

        var withdrawal = server.Publisher.Withdraw(patch);
        await EnvelopeAsync(server, "withdrawals", withdrawal, new Publisher("stranger").Withdraw(patch));
        var unknown = server.Publisher.Withdraw(taken);
        await server.PutAsync("withdrawals", Publisher.Sha256(unknown), unknown);

        string[] paths =
        [
            $"manifests/{patch.Digest}",
            $"modules/{patch.ModuleDigest}",
            $"withdrawals/{Publisher.Sha256(withdrawal)}",
        ];
        foreach (var path in paths)
            await FetchAsync(server, $"/v1/{path}");
    }

    private static async Task EnvelopeAsync(ServerUnderTest server, string kind, byte[] envelope, byte[] foreign)
    {
        await server.PutAsync(kind, Publisher.Sha256(envelope), envelope);
        await server.PutAsync(kind, Publisher.Sha256(envelope), envelope);
        await server.PutAsync(kind, new string('0', 64), envelope);
        await server.PutAsync(kind, Publisher.Sha256(foreign), foreign);
        await server.PutAsync(kind, Publisher.Sha256(envelope), new byte[CmsEnvelope.MaxSize + 1]);
    }

    /// <summary>Holds as many uploads open as the server takes, and tries one more.</summary>
    private static async Task TooManyAsync(ServerUnderTest server, Patch patch)
    {
        var gate = new TaskCompletionSource();
        var open = Enumerable.Range(0, Api.ModuleEndpoint.MaxUploads).Select(_ => new GatedContent(gate.Task)).ToList();
        var uploads = open.Select(
            content => server.Client.PutAsync($"/v1/modules/{patch.ModuleDigest}", content, Ct)).ToList();
        while (Directory.GetFiles(server.Folder.Uploads).Length < open.Count) await Task.Delay(2, Ct);
        Assert.Equal(
            HttpStatusCode.TooManyRequests, await server.PutAsync("modules", patch.ModuleDigest, patch.Module));
        gate.SetResult();
        foreach (var answer in await Task.WhenAll(uploads)) answer.Dispose();
    }

    /// <summary>While others send as much as the server holds.</summary>
    private static async Task FullAsync(ServerUnderTest server)
    {
        await using var held = await HeldBodies.StartAsync(server);
        var large = new byte[Api.Bodies.Small + 1];
        await SendAsync(server, HttpMethod.Post, "/v1/enrolments", m => m.Content = Json(large));
        await server.PutAsync("manifests", new string('0', 64), large);
        await server.PutAsync("withdrawals", new string('0', 64), large);
        await server.PutAsync("pins", "1", large);
    }

    private static async Task FetchAsync(ServerUnderTest server, string path)
    {
        foreach (var method in new[] { HttpMethod.Get, HttpMethod.Head })
        {
            using var whole = await SendAsync(server, method, path);
            await SendAsync(server, method, path, m => m.Headers.Range = new RangeHeaderValue(10, 19));
            await SendAsync(server, method, path, m => m.Headers.Range = new RangeHeaderValue(1_000_000, null));
            await SendAsync(server, method, path, m => m.Headers.IfNoneMatch.Add(whole.Headers.ETag!));
            await SendAsync(server, method, path[..^64] + new string('0', 64));
        }
    }

    private static async Task CataloguesAsync(ServerUnderTest server)
    {
        const string path = $"/v1/catalogues/x86_64/{Machine.Release}";
        foreach (var method in new[] { HttpMethod.Get, HttpMethod.Head })
        {
            using var whole = await SendAsync(server, method, path);
            await SendAsync(server, method, path, m => m.Headers.IfNoneMatch.Add(whole.Headers.ETag!));
            await SendAsync(server, method, "/v1/catalogues/x86_64/a%20b");
        }

        for (var i = 0; i <= Rollout.SignedCatalogues.MaxEmptySignaturesPerSecond; i++) await SendAsync(
            server, HttpMethod.Get, $"/v1/catalogues/x86_64/other-{i}");
        await SendAsync(server, HttpMethod.Head, "/v1/catalogues/x86_64/one-more");
    }

    private static async Task PinsAsync(ServerUnderTest server)
    {
        var pins = server.Publisher.Pins(server, 1);
        await server.PutAsync("pins", "1", new Publisher("stranger").Pins(server, 1));
        await server.PutAsync("pins", "none", pins);
        await server.PutAsync("pins", "1", pins);
        await server.PutAsync("pins", "1", pins);
        await server.PutAsync("pins", "1", new byte[CmsEnvelope.MaxSize + 1]);
        foreach (var method in new[] { HttpMethod.Get, HttpMethod.Head })
        {
            await SendAsync(server, method, "/v1/pins/1");
            await SendAsync(server, method, "/v1/pins/2");
        }
    }

    private static async Task<HttpResponseMessage> SendAsync(
        ServerUnderTest server, HttpMethod method, string path, Action<HttpRequestMessage>? change = null)
    {
        using var message = new HttpRequestMessage(method, path);
        change?.Invoke(message);
        return await server.Client.SendAsync(message, Ct);
    }

    private sealed class GatedContent(Task gate) : HttpContent
    {
        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context)
        {
            await stream.WriteAsync("first bytes"u8.ToArray());
            await stream.FlushAsync();
            await gate;
        }

        protected override bool TryComputeLength(out long length) => (length = 0) > 0;
    }

    private static IReadOnlyList<string> Methods(RouteEndpoint endpoint) =>
        endpoint.Metadata.GetRequiredMetadata<HttpMethodMetadata>().HttpMethods;

    /// <summary>Sees every call and holds it against the document.</summary>
    private sealed class Recorder(OpenApiTests test) : DelegatingHandler
    {
        protected override async Task<HttpResponseMessage> SendAsync(
            HttpRequestMessage request, CancellationToken cancellationToken)
        {
            var api = test._api;
            var (method, path) = (request.Method.Method, api.Template(request.RequestUri!.AbsolutePath));
            Assert.True(path is not null, $"{request.RequestUri} is not documented");
            var sent = request.Content is null or GatedContent
                ? []
                : await request.Content.ReadAsByteArrayAsync(cancellationToken);
            var answer = await base.SendAsync(request, cancellationToken);
            var (status, call) = ((int)answer.StatusCode, $"{method} {path} {(int)answer.StatusCode}");
            var documented = api.Response(method, path, status);
            Assert.True(
                documented is not null,
                $"{call} is not documented: {await answer.Content.ReadAsStringAsync(cancellationToken)}");

            if (status < 300 && method == "POST")
                AssertFits(call, api.Fault(api.Request(method, path), "application/json", sent), sent);
            var body = await answer.Content.ReadAsByteArrayAsync(cancellationToken);
            if (method == "HEAD") Assert.Empty(body);
            else AssertFits(call, api.Fault(documented, answer.Content.Headers.ContentType?.MediaType, body), body);
            var header = api.HeaderFault(
                documented,
                name => answer.Headers.TryGetValues(name, out var values) ? string.Join(", ", values) : null);
            Assert.True(header is null, $"{call}: {header}");
            test._seen.TryAdd((method, path, status.ToString(System.Globalization.CultureInfo.InvariantCulture)), 0);
            return answer;
        }

        private static void AssertFits(string call, string? fault, byte[] body) =>
            Assert.True(fault is null, $"{call}: {fault}: {Encoding.UTF8.GetString(body)}");
    }
}
