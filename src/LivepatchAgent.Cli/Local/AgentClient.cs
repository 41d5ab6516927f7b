using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Cli.Local;

/// <summary>
/// Calls the daemon over its Unix socket: one connection a call, blocking, with a deadline over all of it.
/// A socket and a few lines of HTTP, since HttpClient would double the program and its start-up time.
/// </summary>
internal sealed class AgentClient(string socketPath, TimeProvider clock)
{
    public const string DefaultSocket = "/run/livepatch-agent/agent.sock";

    /// <summary>The whole of a call that is not held: nobody waits longer for a daemon that hangs.</summary>
    public static readonly TimeSpan Deadline = TimeSpan.FromSeconds(2);

    /// <summary>A change may have to be fsynced before it is answered.</summary>
    public static readonly TimeSpan ChangeDeadline = TimeSpan.FromSeconds(10);

    private const int MaxPathBytes = 107; // sun_path, with its final NUL

    public string SocketPath => socketPath;

    public ApiAnswer Status() => Call("GET", "/v1/status", [], Deadline);

    /// <summary>Held by the daemon until its revision is above <paramref name="after"/>.</summary>
    public ApiAnswer Status(long after, int waitSeconds) =>
        Call("GET", $"/v1/status?after={after}&wait={waitSeconds}", [], TimeSpan.FromSeconds(waitSeconds) + Deadline);

    public ApiAnswer Enable(string token) =>
        Call("POST", "/v1/enable", JsonSerializer.SerializeToUtf8Bytes(new EnableRequest(token), WireJson.Default.EnableRequest), ChangeDeadline);

    public ApiAnswer Disable() => Call("POST", "/v1/disable", [], ChangeDeadline);

    public ApiAnswer Refresh() => Call("POST", "/v1/refresh", [], ChangeDeadline);

    private ApiAnswer Call(string method, string target, byte[] body, TimeSpan deadline)
    {
        if (Encoding.UTF8.GetByteCount(socketPath) is 0 or > MaxPathBytes)
            return new ApiAnswer.Away(AwayKind.NoSocket, $"a socket's path has 1 to {MaxPathBytes} bytes");
        var start = clock.GetTimestamp();
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            // The send timeout bounds connect as well: a full backlog would else block for ever.
            socket.SendTimeout = Left(start, deadline);
            socket.Connect(new UnixDomainSocketEndPoint(socketPath));
        }
        catch (SocketException e)
        {
            return OfConnect(e);
        }
        try
        {
            Send(socket, Request(method, target, body));
            return Receive(socket, start, deadline);
        }
        catch (SocketException e) when (IsTimeout(e))
        {
            return new ApiAnswer.Away(AwayKind.Silent, Seconds(deadline));
        }
        catch (SocketException e)
        {
            return new ApiAnswer.Away(AwayKind.Unintelligible, $"the connection broke ({e.Message})");
        }
    }

    private ApiAnswer Receive(Socket socket, long start, TimeSpan deadline)
    {
        var answer = new HttpAnswer();
        while (true)
        {
            var left = Left(start, deadline);
            if (left == 0) return new ApiAnswer.Away(AwayKind.Silent, Seconds(deadline));
            socket.ReceiveTimeout = left;
            var count = socket.Receive(answer.Room());
            if (answer.Take(count) is { } whole) return whole;
        }
    }

    private static void Send(Socket socket, byte[] request)
    {
        try
        {
            for (var sent = 0; sent < request.Length;)
                sent += socket.Send(request.AsSpan(sent));
        }
        catch (SocketException e) when (!IsTimeout(e))
        {
            // A daemon that refuses early closes its reading side; its answer can still be read.
        }
    }

    private static byte[] Request(string method, string target, byte[] body)
    {
        var type = body.Length > 0 ? "Content-Type: application/json\r\n" : "";
        var length = method == "GET" ? "" : $"Content-Length: {body.Length}\r\n";
        var head = Encoding.ASCII.GetBytes($"{method} {target} HTTP/1.0\r\nHost: localhost\r\n{type}{length}\r\n");
        return [.. head, .. body];
    }

    private static ApiAnswer.Away OfConnect(SocketException e) => e.SocketErrorCode switch
    {
        // .NET says "address not available" for ENOENT.
        SocketError.AddressNotAvailable => new(AwayKind.NoSocket, "it does not exist"),
        SocketError.ConnectionRefused => new(AwayKind.NotListening, "nothing listens on it"),
        SocketError.AccessDenied => new(AwayKind.NotPermitted, "permission denied"),
        _ when IsTimeout(e) => new(AwayKind.Silent, Seconds(Deadline)),
        _ => new(AwayKind.NoSocket, e.Message),
    };

    private static bool IsTimeout(SocketException e) => e.SocketErrorCode is SocketError.TimedOut or SocketError.WouldBlock or SocketError.TryAgain;

    private static string Seconds(TimeSpan time) => $"{time.TotalSeconds:0} s";

    /// <summary>Milliseconds that remain, rounded up; a socket timeout of 0 would mean for ever.</summary>
    private int Left(long start, TimeSpan deadline)
    {
        var left = deadline - clock.GetElapsedTime(start);
        return left <= TimeSpan.Zero ? 0 : (int)Math.Ceiling(left.TotalMilliseconds);
    }
}
