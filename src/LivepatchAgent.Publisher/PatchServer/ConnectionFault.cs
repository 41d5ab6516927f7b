using System.Net.Http;
using System.Net.Sockets;
using System.Security.Authentication;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Modules;
using LivepatchAgent.Shared.Network;

namespace LivepatchAgent.Publisher.PatchServer;

/// <summary>Which way a call went.</summary>
/// <param name="Server">Host and port.</param>
/// <param name="Proxy">What stands between, without name and password.</param>
internal sealed record Way(string Server, Uri? Proxy);

/// <summary>
/// Why a call brought no answer. In our own words: the framework's may hold what a proxy or a server sent, and a
/// hostile one sends back what it was sent.
/// </summary>
internal static class ConnectionFault
{
    public static Problem OfPin(Way way) => new(
        ProblemCode.ServerCertificateMismatch,
        $"cannot publish: {way.Server} does not have the key that --server-pin names",
        "it is another server, or its key was renewed: ask who runs it");

    /// <param name="way">Which way the call went.</param>
    /// <param name="silence">How long nothing moved.</param>
    public static Problem OfSilence(Way way, TimeSpan silence) => new(
        ProblemCode.ServerTimeout,
        $"cannot publish: {way.Server} did not answer for {silence.TotalSeconds:0} seconds",
        "see whether the server is overloaded, then try again");

    /// <param name="way">Which way the call went.</param>
    /// <param name="limit">How long a connection may take.</param>
    public static Problem OfConnectTimeout(Way way, TimeSpan limit) =>
        Unreachable(ProblemCode.ServerTimeout, way, $"no connection with TLS within {limit.TotalSeconds:0} seconds");

    public static Problem Of(Exception e, Way way)
    {
        if (Find<AuthenticationException>(e) is { } tls)
        {
            return new Problem(
                ProblemCode.ServerCertificateMismatch,
                $"cannot publish: the certificate of {way.Server} is not trusted: {Line(tls.Message)}",
                "give --server-pin or --ca");
        }

        return Unreachable(ProblemCode.ServerUnreachable, way, Reason(e));
    }

    private static Problem Unreachable(ProblemCode code, Way way, string reason)
    {
        var where = way.Proxy is { } proxy ? $"proxy {proxy.Scheme}://{proxy.Authority}: " : "";
        var cure = way.Proxy is null
            ? "check the address and that the server runs"
            : "check HTTPS_PROXY and NO_PROXY, and that the proxy runs";
        return new Problem(code, $"cannot publish: cannot reach {way.Server}: {where}{reason}", cure);
    }

    private static string Reason(Exception e)
    {
        var error = e is HttpRequestException http ? http.HttpRequestError : (HttpRequestError?)null;
        if (error == HttpRequestError.ProxyTunnelError) return $"it refused{Proxies.Answer(e.Message)}";
        if (Find<SocketException>(e) is { } socket) return SocketWords.Of(socket);
        return error switch
        {
            null => "the connection broke",
            HttpRequestError.ConfigurationLimitExceeded => "its answer has too many headers",
            HttpRequestError.InvalidResponse or HttpRequestError.ResponseEnded =>
                "its answer was cut off or is not HTTP",
            HttpRequestError.SecureConnectionError => "no TLS connection could be made",
            _ => $"the call failed ({error})",
        };
    }

    private static T? Find<T>(Exception? e)
        where T : Exception
    {
        while (e is not null and not T) e = e.InnerException;
        return e as T;
    }

    /// <summary>A stranger's text in one bounded line.</summary>
    public static string Line(string text)
    {
        const int maxMessage = 1024;
        var bounded = text.Length > maxMessage ? text[..maxMessage] : text;
        return PrintableText.Of(bounded.ReplaceLineEndings(" ").Trim().TrimEnd('.'));
    }
}
