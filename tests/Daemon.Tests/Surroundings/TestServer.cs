using System.Collections.Concurrent;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Trust;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Daemon.Tests.Surroundings;

/// <summary>A patch server on loopback, TLS and HTTP/1.1 by hand: as it should be, but for what a test sets.</summary>
internal sealed class TestServer(TimeProvider time) : IAsyncDisposable
{
    private readonly X509Certificate2 _own = Workshop.Key("CN=localhost");
    private readonly List<Task> _lines = [];
    private TcpListener? _listener;
    private CancellationTokenSource _closing = new();
    private TaskCompletionSource _news = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Published[] _patches = [];
    private long _sequence = 1;
    private int _busy;
    private int _port;

    public const string Enrolments = "/v1/enrolments";
    public const string CheckIns = "/v1/check-ins";
    public const string Catalogues = "/v1/catalogues/";

    /// <summary>First look: true when the call was answered here, and the line is to be closed.</summary>
    public Func<Call, Task<bool>> Instead { get; set; } = _ => Task.FromResult(false);

    public ConcurrentQueue<Call> Calls { get; } = [];

    public X509Certificate2? Certificate { get; set; }

    /// <summary>Sent beside <see cref="Certificate"/>.</summary>
    public X509Certificate2Collection CertificatesAbove { get; } = [];

    public X509Certificate2 CatalogueSigner { get; set; } = Workshop.CatalogueKey;

    public Func<Catalogue, Catalogue> Cataloguing { get; set; } = c => c;

    public Func<Assignment, Assignment> Assigning { get; set; } = a => a;

    public Dictionary<string, byte[]> Withdrawals { get; } = [];

    /// <summary>Signed pin sets by path; each check-in names the newest.</summary>
    public ConcurrentDictionary<string, byte[]> Pins { get; } = [];

    /// <summary>In the place of the two that are known at first.</summary>
    public (X509Certificate2[] Publishers, int Threshold)? Pinned { get; set; }

    public Published? Assigned { get; private set; }

    public int Busy => Volatile.Read(ref _busy);

    public string Url => $"https://localhost:{_port}";

    public TokenContent Token => new()
    {
        Server = Url,
        Secret = "secret-secret-secret",
        Tls = [Certificates.KeyPin(_own)],
        Catalogue = [Certificates.Fingerprint(Workshop.CatalogueKey)],
        Publishers = [.. (Pinned?.Publishers ?? [Workshop.Publisher]).Select(Certificates.Fingerprint)],
        Threshold = Pinned?.Threshold ?? 1,
    };

    public string KeyPin => Certificates.KeyPin(_own);

    public int Count(string path, bool? held = null) => Calls
        .Where(c => c.Path.StartsWith(path, StringComparison.Ordinal))
        .Count(c => held is null || c.IsHeld == held);

    public TestServer Start()
    {
        _closing = new CancellationTokenSource();
        _listener = new TcpListener(IPAddress.Loopback, _port);
        _listener.Start();
        _port = ((IPEndPoint)_listener.LocalEndpoint).Port;
        lock (_lines) _lines.Add(AcceptAsync(_listener, _closing.Token));
        return this;
    }

    public async Task StopAsync()
    {
        await _closing.CancelAsync();
        _listener?.Stop();
        Task[] lines;
        lock (_lines) lines = [.. _lines];
        await Task.WhenAll(lines);
    }

    public void Publish(Published? patch)
    {
        if (patch is not null) _patches = [.. _patches.Where(p => p.Digest != patch.Digest), patch];
        Assigned = patch;
        AnswerHeldCalls();
    }

    /// <summary>The catalogue has changed: held calls are answered.</summary>
    public void AnswerHeldCalls()
    {
        Interlocked.Increment(ref _sequence);
        var next = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Interlocked.Exchange(ref _news, next).SetResult();
    }

    public async ValueTask DisposeAsync() => await StopAsync();

    private async Task AcceptAsync(TcpListener listener, CancellationToken closing)
    {
        try
        {
            while (true)
            {
                var client = await listener.AcceptTcpClientAsync(closing);
                lock (_lines) _lines.Add(ServeAsync(client, closing));
            }
        }
        catch (Exception e) when (closing.IsCancellationRequested
            && e is OperationCanceledException or SocketException or InvalidOperationException)
        {
            // closed
        }
    }

    private async Task ServeAsync(TcpClient client, CancellationToken closing)
    {
        try
        {
            using var _ = client;
            client.NoDelay = true;
            await using var line = new SslStream(client.GetStream());
            var shown = SslStreamCertificateContext.Create(Certificate ?? _own, CertificatesAbove, offline: true);
            var options = new SslServerAuthenticationOptions { ServerCertificateContext = shown };
            await line.AuthenticateAsServerAsync(options, closing);
            while (await Call.ReadAsync(line, closing) is { } call)
            {
                Calls.Enqueue(call);
                if (!call.IsHeld) Interlocked.Increment(ref _busy);
                try
                {
                    if (await Instead(call)) return;
                    await AnswerAsync(call);
                }
                finally
                {
                    if (!call.IsHeld) Interlocked.Decrement(ref _busy);
                }
            }
        }
        catch (Exception e)
            when (e is IOException or SocketException or AuthenticationException or OperationCanceledException)
        {
            // the other side hung up, or we did
        }
    }

    private async Task AnswerAsync(Call call)
    {
        var digest = call.Path[(call.Path.LastIndexOf('/') + 1)..];
        if (call.Path == Enrolments)
            await call.AnswerAsync(201, Enrolled(), WireJson.Default.EnrolmentAnswer);
        else if (call.Path == CheckIns)
            await CheckInAsync(call);
        else if (call.Path.StartsWith(Catalogues, StringComparison.Ordinal))
            await call.AnswerAsync(200, Catalogue(), "application/pkcs7-mime");
        else if (_patches.FirstOrDefault(p => p.ManifestPath == call.Path) is { } listed)
            await call.AnswerAsync(200, listed.Envelope, "application/pkcs7-mime");
        else if (_patches.FirstOrDefault(p => p.ModulePath == call.Path) is { } patch)
            await ModuleAsync(call, patch.Module);
        else if (Pins.TryGetValue(call.Path, out var pins))
            await call.AnswerAsync(200, pins, "application/pkcs7-mime");
        else if (Withdrawals.TryGetValue(digest, out var withdrawal))
            await call.AnswerAsync(200, withdrawal, "application/pkcs7-mime");
        else
            await call.AnswerAsync(404, NotFound);
    }

    private static Problem NotFound => new(
        ProblemCode.NotFound, "cannot answer: there is nothing at this address", "see docs/openapi.yaml");

    private EnrolmentAnswer Enrolled() => new()
    {
        MachineId = "m1",
        CatalogueCertificates = [Der(Workshop.CatalogueKey)],
        PublisherCertificates = [.. (Pinned?.Publishers ?? [Workshop.Publisher]).Select(Der)],
    };

    private async Task CheckInAsync(Call call)
    {
        var known = JsonSerializer.Deserialize(call.Body, WireJson.Default.CheckInRequest)!.KnownTag;
        if (call.IsHeld)
        {
            var news = Volatile.Read(ref _news).Task;
            if (known == Tag) await news.WaitAsync(call.Closing);
        }

        var assignment = new Assignment
        {
            Tag = Tag,
            ManifestDigest = Assigned?.Digest,
            PinsVersion = Pins.IsEmpty ? null : Pins.Count,
            CheckInSeconds = 900,
            Now = time.GetUtcNow(),
        };
        await call.AnswerAsync(200, Assigning(assignment), WireJson.Default.Assignment);
    }

    private static Task ModuleAsync(Call call, byte[] module)
    {
        const string type = "application/octet-stream";
        if (call.RangeFrom is not { } from) return call.AnswerAsync(200, module, type);
        var range = $"Content-Range: bytes {from}-{module.Length - 1}/{module.Length}\r\n";
        return call.AnswerAsync(206, module[(int)from..], type, range);
    }

    private string Tag => "tag-" + Interlocked.Read(ref _sequence);

    private byte[] Catalogue() => CmsEnvelope.Sign(
        JsonSerializer.SerializeToUtf8Bytes(
            Cataloguing(new Catalogue
            {
                Schema = Core.Wire.Catalogue.SchemaName,
                Architecture = "x86_64",
                KernelRelease = Workshop.Release,
                Sequence = Interlocked.Read(ref _sequence),
                IssuedAt = time.GetUtcNow(),
                ExpiresAt = time.GetUtcNow().AddDays(7),
                Patches = [.. _patches.Select(p => new CatalogueEntry
                {
                    ManifestDigest = p.Digest,
                    Version = p.Manifest.Version,
                    Sequence = p.Manifest.Sequence,
                    Withdrawal = WithdrawalOf(p),
                })],
            }),
            WireJson.Default.Catalogue),
        CatalogueSigner);

    private string? WithdrawalOf(Published patch) => Withdrawals
        .Where(w => w.Value is not null && WithdrawnManifest(w.Value) == patch.Digest)
        .Select(w => w.Key).FirstOrDefault();

    private static string WithdrawnManifest(byte[] envelope) =>
        ManifestVerifier.VerifyWithdrawal(envelope, null, [Workshop.Publisher]).Value.ManifestDigest;

    private static string Der(X509Certificate2 certificate) => Convert.ToBase64String(certificate.RawData);
}
