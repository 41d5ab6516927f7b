using System.Net;
using System.Net.Http.Headers;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Trust;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Server.Files;
using LivepatchAgent.Server.Host;
using LivepatchAgent.Server.Registry;
using Microsoft.Extensions.Time.Testing;

namespace LivepatchAgent.Server.Tests;

/// <summary>
/// The real server on a loopback port with TLS, its database and its files in a folder of their own, and a client that
/// trusts what a token pins.
/// </summary>
internal sealed class ServerUnderTest : IAsyncDisposable
{
    /// <summary>Of real time, for what should take none: other programs share the machine.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
    private readonly DirectoryInfo _root = Directory.CreateTempSubdirectory("livepatch-server-");
    private PatchServer? _server;
    private HttpClient? _client;

    private ServerUnderTest(FakeTimeProvider? time) =>
        Time = time ?? new FakeTimeProvider(DateTimeOffset.Parse("2026-03-01T12:00:00Z", null));

    public static CancellationToken Ct => Deadline.Token;

    public FakeTimeProvider Time { get; }

    public Publisher Publisher { get; } = new();

    public DataFolder Folder => new(Path.Combine(_root.FullName, "data"));

    public PatchServer Server => _server!;

    public HttpClient Client => _client!;

    /// <summary>Wrapped around the client's connection; sees every call.</summary>
    public Func<HttpMessageHandler, HttpMessageHandler> Wrap { get; init; } = handler => handler;

    /// <summary>Null for one of its own.</summary>
    public Trust.KeyFiles? Catalogue { get; init; }

    public static async Task<ServerUnderTest> StartAsync(
        Func<HttpMessageHandler, HttpMessageHandler>? wrap = null, Trust.KeyFiles? catalogue = null)
    {
        var server = new ServerUnderTest(null) { Wrap = wrap ?? (handler => handler), Catalogue = catalogue };
        await server.StartAgainAsync();
        return server;
    }

    public async Task StartAgainAsync()
    {
        var settings = new ServeSettings
        {
            Folder = Folder,
            Listen = new IPEndPoint(IPAddress.Loopback, 0),
            Publishers = [Publisher.Certificate],
            Catalogue = Catalogue,
        };
        _server = (await PatchServer.StartAsync(settings, Time, Ct)).Value;
        var pin = Certificates.KeyPin(Trust.ServerKeys.Known(Folder.TlsCertificate)!);
        var handler = new SocketsHttpHandler
        {
            MaxConnectionsPerServer = 1000,
            SslOptions = new SslClientAuthenticationOptions
            {
                RemoteCertificateValidationCallback = (_, certificate, _, _) =>
                    certificate is X509Certificate2 seen && Certificates.KeyPin(seen) == pin,
            },
        };
        _client = new HttpClient(Wrap(handler)) { BaseAddress = _server.Address, Timeout = Patience };
    }

    public async Task StopAsync()
    {
        _client?.Dispose();
        if (_server is not null) await _server.DisposeAsync();
        _server = null;
    }

    public TokenContent Token(long uses = 1, TimeSpan? lifetime = null)
    {
        var expires = Time.GetUtcNow() + (lifetime ?? TimeSpan.FromHours(24));
        var wanted = new NewToken(Folder, Server.Address, uses, expires, "test", SystemCa: false);
        return EnrolmentToken.Read(TokenIssuer.Issue(wanted, Time.GetUtcNow()).Value).Value;
    }

    public async Task<Machine> EnrolAsync(Machine? machine = null, TokenContent? token = null)
    {
        machine ??= new Machine();
        using var answer = await PostAsync(
            "/v1/enrolments", machine.Enrolment((token ?? Token()).Secret), WireJson.Default.EnrolmentRequest);
        Assert.Equal(HttpStatusCode.Created, answer.StatusCode);
        machine.Id = (await ReadAsync(answer, WireJson.Default.EnrolmentAnswer)).MachineId;
        return machine;
    }

    public Task<HttpResponseMessage> PostAsync<T>(string path, T body, JsonTypeInfo<T> type) =>
        Client.PostAsync(path, Json(JsonSerializer.SerializeToUtf8Bytes(body, type)), Ct);

    public async Task<HttpResponseMessage> CheckInAsync(Machine machine, CheckInRequest request, int? wait = null)
    {
        using var message = new HttpRequestMessage(HttpMethod.Post, "/v1/check-ins")
        {
            Content = Json(JsonSerializer.SerializeToUtf8Bytes(request, WireJson.Default.CheckInRequest)),
        };
        message.Headers.Authorization = machine.Authorization;
        if (wait is not null) message.Headers.Add("Prefer", $"wait={wait}");
        return await Client.SendAsync(message, Ct);
    }

    public async Task<Assignment> AssignmentAsync(Machine machine, string? knownTag = null, int? wait = null)
    {
        using var answer = await CheckInAsync(machine, machine.CheckIn(knownTag), wait);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        return await ReadAsync(answer, WireJson.Default.Assignment);
    }

    public async Task<HttpStatusCode> PutAsync(string kind, string digest, byte[] body)
    {
        using var answer = await Client.PutAsync($"/v1/{kind}/{digest}", new ByteArrayContent(body), Ct);
        return answer.StatusCode;
    }

    public async Task PublishAsync(Patch patch)
    {
        Assert.Equal(HttpStatusCode.Created, await PutAsync("manifests", patch.Digest, patch.Envelope));
        Assert.Equal(HttpStatusCode.Created, await PutAsync("modules", patch.ModuleDigest, patch.Module));
    }

    public async Task<byte[]> CatalogueBytesAsync(string release = Machine.Release) =>
        await Client.GetByteArrayAsync($"/v1/catalogues/x86_64/{release}", Ct);

    public async Task<Catalogue> CatalogueAsync(string release = Machine.Release, long floor = 0)
    {
        var certificate = Trust.ServerKeys.Known(Folder.CatalogueCertificate)!;
        return CatalogueVerifier.Verify(
            await CatalogueBytesAsync(release),
            [certificate],
            "x86_64",
            release,
            floor,
            Time.GetUtcNow()).Value.Content;
    }

    /// <summary>Until so many calls are held; they are on their way already.</summary>
    public async Task HeldAsync(int count)
    {
        using var end = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        end.CancelAfter(Patience);
        while (Server.Held.Count != count) await Task.Delay(2, end.Token);
    }

    public static async Task<Problem> ProblemAsync(HttpResponseMessage answer) =>
        (await ReadAsync(answer, WireJson.Default.ErrorAnswer)).Error;

    public static async Task<T> ReadAsync<T>(HttpResponseMessage answer, JsonTypeInfo<T> type) =>
        JsonSerializer.Deserialize(await answer.Content.ReadAsByteArrayAsync(Ct), type)!;

    public static ByteArrayContent Json(byte[] bytes) =>
        new(bytes) { Headers = { ContentType = new MediaTypeHeaderValue("application/json") } };

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _root.Delete(recursive: true);
    }
}
