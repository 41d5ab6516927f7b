using System.Net;
using System.Net.Http;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Trust;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Shared.Network;
using LivepatchAgent.Shared.Tls;

namespace LivepatchAgent.Publisher.PatchServer;

/// <summary>How the server took an upload.</summary>
internal enum Taken
{
    New,
    KnownAlready,
}

/// <summary>
/// The publisher's three calls. They carry no credential: what is uploaded is believed by its signature alone. Whatever
/// answers is not: no redirect is followed, answers are bounded, and silence ends the call.
/// </summary>
internal sealed class PatchServerClient : IDisposable
{
    public const string EnvelopeType = "application/pkcs7-mime", ModuleType = "application/octet-stream";
    private const int MaxAnswer = 64 << 10;

    /// <summary>For all addresses of a name.</summary>
    private static readonly TimeSpan AddressesTimeout = TimeSpan.FromSeconds(15);

    /// <summary>For these, and for what follows of proxy and TLS.</summary>
    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(20);

    private readonly ServerAddress _server;
    private readonly HttpClient _http;
    private readonly Way _way;
    private readonly TimeSpan _silence;
    private bool _pinMismatch;

    /// <param name="silence">How long nothing may move before the call ends.</param>
    public PatchServerClient(ServerAddress server, TimeSpan silence)
    {
        _server = server;
        _silence = silence;
        var proxy = Proxies.OfEnvironment(server.Uri);
        _way = new Way(server.Uri.Authority, proxy?.Address);
        var handler = new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseCookies = false,
            AutomaticDecompression = DecompressionMethods.None,
            ConnectTimeout = ConnectTimeout,
            ConnectCallback = new Connector(AddressesTimeout).ConnectAsync,
            UseProxy = proxy is not null,
            Proxy = proxy,
            MaxResponseHeadersLength = 16,
            MaxResponseDrainSize = 0,
        };
        var tls = handler.SslOptions;
        if (server.KeyPin is not null) tls.RemoteCertificateValidationCallback = (_, seen, _, _) => MatchesPin(seen);
        if (server.KeyPin is not null || server.Authorities is not null)
        {
            SystemTrust.LeaveUnread();
            tls.CertificateChainPolicy = Policy(server.Authorities ?? []);
        }

        _http = new HttpClient(handler) { Timeout = Timeout.InfiniteTimeSpan };
    }

    public async Task<Result<Taken>> PutAsync(
        string kind, string digest, byte[] body, string mediaType, Action<int> sent, CancellationToken ct)
    {
        using var silence = CancellationTokenSource.CreateLinkedTokenSource(ct);
        silence.CancelAfter(_silence);
        void Moved(int bytes)
        {
            silence.CancelAfter(_silence);
            sent(bytes);
        }

        var address = new Uri($"{_server.Uri.AbsoluteUri.TrimEnd('/')}/v1/{kind}/{digest}");
        using var request = new HttpRequestMessage(HttpMethod.Put, address);
        request.Content = new UploadContent(body, mediaType, Moved);
        request.Headers.UserAgent.Add(new("livepatch-publisher", Shared.CommandLine.VersionCommand.Version));
        try
        {
            using var response = await _http.SendAsync(
                request, HttpCompletionOption.ResponseHeadersRead, silence.Token);
            return response.StatusCode switch
            {
                HttpStatusCode.Created => Taken.New,
                HttpStatusCode.OK or HttpStatusCode.NoContent => Taken.KnownAlready,
                _ => await RefusalAsync(response, silence.Token),
            };
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            return silence.IsCancellationRequested
                ? ConnectionFault.OfSilence(_way, _silence)
                : ConnectionFault.OfConnectTimeout(_way, ConnectTimeout);
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            return _pinMismatch ? ConnectionFault.OfPin(_way) : ConnectionFault.Of(e, _way);
        }
    }

    public void Dispose() => _http.Dispose();

    private bool MatchesPin(X509Certificate? certificate)
    {
        _pinMismatch = certificate is not X509Certificate2 full || Certificates.KeyPin(full) != _server.KeyPin;
        return !_pinMismatch;
    }

    private static X509ChainPolicy Policy(X509Certificate2Collection authorities)
    {
        var policy = new X509ChainPolicy
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            RevocationMode = X509RevocationMode.NoCheck,
            DisableCertificateDownloads = true,
        };
        policy.CustomTrustStore.AddRange(authorities);
        return policy;
    }

    private async Task<Result<Taken>> RefusalAsync(HttpResponseMessage response, CancellationToken ct)
    {
        var (host, code) = (_server.Uri.Authority, (int)response.StatusCode);
        if (code is >= 300 and < 400)
            return new Problem(
                ProblemCode.ServerRedirected,
                $"cannot publish: {host} answered {code} with a redirect, which is not followed",
                "give the server's own address with --server");
        if (await ErrorAsync(response, ct) is { } error)
        {
            var message = $"cannot publish: {host} refused: {ConnectionFault.Line(error.Message)}";
            return new Problem(error.Code, message, ConnectionFault.Line(error.Cure));
        }

        return code >= 500
            ? new Problem(
                ProblemCode.ServerError,
                $"cannot publish: {host} answered {code} without a reason",
                "see the server's log, then try again")
            : new Problem(
                ProblemCode.ServerAnswerInvalid,
                $"cannot publish: {host} answered {code}, not as a livepatch-server does",
                "check the address given with --server");
    }

    /// <summary>The server's own reason, or null when the answer is not one.</summary>
    private static async Task<Problem?> ErrorAsync(HttpResponseMessage response, CancellationToken ct)
    {
        var type = response.Content.Headers.ContentType?.MediaType;
        if (type is not ("application/json" or "application/problem+json")) return null;
        var buffer = new byte[MaxAnswer + 1];
        await using var stream = await response.Content.ReadAsStreamAsync(ct);
        var length = await stream.ReadAtLeastAsync(buffer, buffer.Length, throwOnEndOfStream: false, ct);
        if (length > MaxAnswer) return null;
        try
        {
            return JsonSerializer.Deserialize(buffer.AsSpan(0, length), WireJson.Default.ErrorAnswer)?.Error;
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
