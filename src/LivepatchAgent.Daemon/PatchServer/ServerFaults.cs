using System.Globalization;
using System.Net;
using System.Net.Http;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Text.Json;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Shared.Network;
using Polly.Timeout;

namespace LivepatchAgent.Daemon.PatchServer;

/// <summary>What went wrong on the way, in one calm line each.</summary>
internal static class ServerFaults
{
    private const string AddressCure = "check the address; is it a livepatch-server?";

    private const string ProxyCure =
        "check `proxy` in agent.conf, or HTTPS_PROXY and NO_PROXY of the service; it is tried again";

    /// <summary>Of the server's words, where they explain nothing that the agent knows.</summary>
    private const int MaxQuoted = 350;

    public static ServerException Of(Exception e, ServerChannel channel) => (e, channel.Proxy) switch
    {
        (HttpRequestException { HttpRequestError: HttpRequestError.ProxyTunnelError } p, { } proxy) => Passing(
            ProblemCode.ServerUnreachable,
            channel.Server,
            $"proxy {Name(proxy)} refused{Proxies.Answer(p.Message)}",
            ProxyCure),
        (HttpRequestException { HttpRequestError: HttpRequestError.NameResolutionError }, { } proxy) => Passing(
            ProblemCode.ServerUnreachable,
            channel.Server,
            $"the name of proxy {Name(proxy)} cannot be resolved",
            ProxyCure),
        (HttpRequestException
        {
            HttpRequestError: HttpRequestError.ConnectionError,
            InnerException: SocketException s,
        }, { } proxy) => Passing(
            ProblemCode.ServerUnreachable, channel.Server, $"proxy {Name(proxy)}: {SocketWords.Of(s)}", ProxyCure),
        (OperationCanceledException or TimeoutException or TimeoutRejectedException, { } proxy) => Passing(
            ProblemCode.ServerTimeout,
            channel.Server,
            $"no answer came in time through proxy {Name(proxy)}",
            ProxyCure),
        _ => Of(e, channel.Server, channel.RefusedCertificate),
    };

    private static ServerException Of(Exception e, Uri server, CertificateRefusal? refusal) => e switch
    {
        ServerException s => s,
        HttpRequestException { HttpRequestError: HttpRequestError.NameResolutionError } => Passing(
            ProblemCode.ServerUnreachable,
            server,
            "its name cannot be resolved",
            "check the network and DNS; it is tried again"),
        HttpRequestException
        {
            HttpRequestError: HttpRequestError.SecureConnectionError,
            InnerException: AuthenticationException,
        } when refusal is not null => Passing(
            ProblemCode.ServerCertificateMismatch, server, refusal.Why, refusal.Cure),
        HttpRequestException { HttpRequestError: HttpRequestError.SecureConnectionError } => Passing(
            ProblemCode.ServerUnreachable,
            server,
            "TLS cannot be set up",
            "check the address and whatever is in between; it is tried again"),
        HttpRequestException { HttpRequestError: HttpRequestError.ConfigurationLimitExceeded } => Passing(
            ProblemCode.ServerAnswerTooLarge, server, "its answer has too many headers", AddressCure),
        HttpRequestException
        {
            HttpRequestError: HttpRequestError.InvalidResponse or HttpRequestError.ResponseEnded,
        } => Passing(
            ProblemCode.ServerAnswerInvalid,
            server,
            "its answer was cut off or is not HTTP",
            "check the address; it is tried again"),
        HttpRequestException { InnerException: SocketException s } => Passing(
            ProblemCode.ServerUnreachable,
            server,
            SocketWords.Of(s),
            "check that it runs and that the network lets the connection through; it is tried again"),
        HttpRequestException h => Passing(
            ProblemCode.ServerUnreachable, server, $"the call failed ({h.HttpRequestError})", "it is tried again"),
        OperationCanceledException or TimeoutException or TimeoutRejectedException => Passing(
            ProblemCode.ServerTimeout, server, "it did not answer in time", "it is tried again"),
        IOException { InnerException: SocketException s } => Passing(
            ProblemCode.ServerUnreachable, server, $"the connection broke ({SocketWords.Of(s)})", "it is tried again"),
        IOException => Passing(ProblemCode.ServerUnreachable, server, "the connection broke", "it is tried again"),
        // The framework's own words may hold what was sent; its type says enough for a report.
        _ => new ServerException(
            new Problem(
                ProblemCode.InternalError,
                $"cannot talk to patch server {Name(server)}: {e.GetType().Name}",
                "please report this"),
            inPassing: true),
    };

    /// <summary>An answer other than the one hoped for. Its body is looked at only for our own kind of error.</summary>
    public static ServerException OfStatus(
        ServerCall call, HttpStatusCode status, string? mediaType, ReadOnlySpan<byte> body, Uri server)
    {
        if ((int)status is >= 300 and < 400)
            return new ServerException(Redirected(status, server), inPassing: true);
        if (mediaType == "application/json" && Words(body) is { } words)
            return new ServerException(OfServer(call, status, words, server), InPassing(status));
        return new ServerException(Unexplained(status, $"({Named(mediaType)})", server), InPassing(status));
    }

    private static Problem Redirected(HttpStatusCode status, Uri server) => new(
        ProblemCode.ServerRedirected,
        $"cannot use patch server {Name(server)}: it redirects elsewhere (HTTP {(int)status})",
        "make a token with the server's own address");

    /// <summary>In the server's own words; its code counts only where it may choose one.</summary>
    private static Problem OfServer(ServerCall call, HttpStatusCode status, UntrustedProblem words, Uri server)
    {
        var hasCure = words.Cure.Length > 0;
        if (ServerCodes.Find(call, words.Code) is { } code)
            return new Problem(code, words.Message, hasCure ? words.Cure : "look at the server's log");
        var text = hasCure ? $"{words.Message}; {words.Cure}" : words.Message;

        // No quotation mark of the server's own ends what is marked as its words.
        return Unexplained(status, $"and says \"{Line(text, MaxQuoted).Replace('"', '\'')}\"", server);
    }

    private static Problem Unexplained(HttpStatusCode status, string more, Uri server) => new(
        ProblemCode.ServerError,
        $"cannot use patch server {Name(server)}: it answered HTTP {(int)status} {more}",
        "look at the server's log; it is tried again");

    /// <summary>A content type, for a message.</summary>
    public static string Named(string? mediaType) => mediaType is null ? "no content type" : Line(mediaType, 60);

    /// <summary>What is not there yet may come; what was refused stays so.</summary>
    private static bool InPassing(HttpStatusCode status) => status switch
    {
        HttpStatusCode.RequestTimeout or HttpStatusCode.TooManyRequests or HttpStatusCode.NotFound => true,
        _ => (int)status >= 500,
    };

    public static ServerException Invalid(Uri server, string why) =>
        Passing(ProblemCode.ServerAnswerInvalid, server, why, AddressCure);

    public static ServerException TooLarge(Uri server, long limit) =>
        Passing(ProblemCode.ServerAnswerTooLarge, server, $"its answer is larger than {limit} bytes", AddressCure);

    /// <summary>What the server says, fit for a log; null when it says nothing that has our form.</summary>
    private static UntrustedProblem? Words(ReadOnlySpan<byte> body)
    {
        try
        {
            var answer = JsonSerializer.Deserialize(body, WireJson.Default.UntrustedErrorAnswer);
            if (answer?.Error is not { } error) return null;
            var message = FirstLine(error.Message);
            return message.Length == 0 ? null : error with { Message = message, Cure = FirstLine(error.Cure) };
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static ServerException Passing(ProblemCode code, Uri server, string why, string cure)
    {
        var isAnswered = code is ProblemCode.ServerAnswerInvalid or ProblemCode.ServerAnswerTooLarge;
        var message = $"cannot {(isAnswered ? "use" : "reach")} patch server {Name(server)}: {why}";
        return new ServerException(new Problem(code, message, cure), inPassing: true);
    }

    /// <summary>Without a name and password that may stand in it.</summary>
    private static string Name(Uri address) => $"{address.Scheme}://{address.Authority}";

    /// <summary>What comes from outside goes into logs and terminals: one line, no control characters.</summary>
    private static string FirstLine(string text) => Line(text, 300).TrimEnd('.');

    private static string Line(string text, int most)
    {
        var line = text.AsSpan(0, Math.Min(text.Length, most));
        var end = line.IndexOfAny('\r', '\n');
        var first = new string(end < 0 ? line : line[..end]);
        return string.Concat(first.Where(IsVisible)).Trim();
    }

    private static bool IsVisible(char c) =>
        !char.IsControl(c) && char.GetUnicodeCategory(c) != UnicodeCategory.Format;
}
