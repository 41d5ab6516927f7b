using System.Net;
using System.Net.Http;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Agent;
using LivepatchAgent.Daemon.Host;
using LivepatchAgent.Shared.Network;
using Polly;
using Polly.Retry;

namespace LivepatchAgent.Daemon.PatchServer;

/// <summary>
/// The TLS way to one server: pinned keys when the token named some, else the system's (or the configured) CAs. No
/// redirects, no compression, headers bounded; what the server sends is bounded where it is read.
/// </summary>
internal sealed class ServerChannel : IDisposable
{
    private const int MaxHeaderKilobytes = 16;

    /// <summary>How long a call may take, or a download be silent.</summary>
    public static readonly TimeSpan CallTimeout = TimeSpan.FromSeconds(20);

    /// <summary>For all addresses of a name.</summary>
    private static readonly TimeSpan AddressesTimeout = TimeSpan.FromSeconds(10);

    /// <summary>For these, and for what follows of proxy and TLS.</summary>
    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(15);

    private volatile CertificateRefusal? _refusedCertificate;

    public ServerChannel(
        string server,
        IReadOnlyList<string> tlsPins,
        AgentSettings settings,
        HostPaths paths,
        TimeProvider time)
    {
        Time = time;
        Retrying = RetryingWith(time);
        Server = new Uri(server.TrimEnd('/') + "/");
        var proxy = ProxyOf(settings.Proxy, Server);
        Proxy = proxy?.Address;
        var authorities = settings.CaFile is { } file ? Authorities(file) : null;
        var check = new CertificateCheck(tlsPins, authorities, paths.CaBundles, time);
        Http = new HttpClient(new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            AutomaticDecompression = DecompressionMethods.None,
            UseCookies = false,
            ConnectTimeout = ConnectTimeout,
            ConnectCallback = new Connector(AddressesTimeout).ConnectAsync,
            MaxResponseHeadersLength = MaxHeaderKilobytes,
            // The pool's clean-up timer runs every quarter of this: an hour keeps a held check-in from waking the host.
            PooledConnectionIdleTimeout = TimeSpan.FromHours(1),
            UseProxy = proxy is not null,
            Proxy = proxy,
            SslOptions = TlsBy(check),
        })
        {
            BaseAddress = Server,
            Timeout = Timeout.InfiniteTimeSpan,
        };
    }

    public Uri Server { get; }

    /// <summary>What stands between, by agent.conf or the environment, without name and password.</summary>
    public Uri? Proxy { get; }

    public HttpClient Http { get; }

    public TimeProvider Time { get; }

    /// <summary>
    /// For calls that can be made twice: a second and third try soon after, then it is the loop's matter.
    /// </summary>
    public ResiliencePipeline Retrying { get; }

    /// <summary>
    /// Whether the last handshake failed because of the certificate, and why; a server that speaks no TLS fails
    /// likewise.
    /// </summary>
    public CertificateRefusal? RefusedCertificate => _refusedCertificate;

    public void Dispose() => Http.Dispose();

    private SslClientAuthenticationOptions TlsBy(CertificateCheck check) => new()
    {
        CertificateChainPolicy = CertificateCheck.Unasked,
        RemoteCertificateValidationCallback = (_, certificate, chain, errors) =>
        {
            var refusal = check.Refusal(certificate as X509Certificate2, chain, errors);
            _refusedCertificate = refusal;
            return refusal is null;
        },
    };

    private static WebProxy? ProxyOf(ProxyChoice choice, Uri server) => choice switch
    {
        ProxyChoice.Through(var proxy) => Proxies.Of(proxy),
        ProxyChoice.OfEnvironment => Proxies.OfEnvironment(server),
        _ => null,
    };

    private static X509Certificate2Collection Authorities(string file)
    {
        try
        {
            var authorities = new X509Certificate2Collection();
            authorities.ImportFromPemFile(file);
            return authorities.Count > 0 ? authorities : throw Unusable(file, "it holds no certificate");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException)
        {
            throw Unusable(file, e.Message.TrimEnd('.'));
        }
    }

    private static ServerException Unusable(string file, string why)
    {
        var problem = new Problem(
            ProblemCode.RequestInvalid,
            $"cannot use CA file {file}: {why}",
            "correct `ca-file` in agent.conf or the file, then reload the daemon");
        return new ServerException(problem, inPassing: true);
    }

    private static ResiliencePipeline RetryingWith(TimeProvider time) =>
        new ResiliencePipelineBuilder { TimeProvider = time }
            .AddRetry(new RetryStrategyOptions
            {
                ShouldHandle = new PredicateBuilder().Handle<HttpRequestException>(IsBrief).Handle<IOException>(),
                MaxRetryAttempts = 2,
                BackoffType = DelayBackoffType.Exponential,
                UseJitter = true,
                Delay = TimeSpan.FromMilliseconds(300),
            })
            .AddTimeout(CallTimeout)
            .Build();

    /// <summary>
    /// Addresses that let all the time pass are not asked again at once: the call would end without a word of them.
    /// </summary>
    private static bool IsBrief(HttpRequestException e) => (e.HttpRequestError, e.InnerException) switch
    {
        (HttpRequestError.ConnectionError, ConnectException { SocketErrorCode: SocketError.TimedOut }) => false,
        (HttpRequestError.ConnectionError or HttpRequestError.ResponseEnded, _) => true,
        _ => false,
    };
}

/// <summary>A call that did not bring what it should, already in words.</summary>
internal sealed class ServerException(Problem problem, bool inPassing) : Exception(problem.Message)
{
    public Problem Problem { get; } = problem;

    public bool InPassing { get; } = inPassing;
}
