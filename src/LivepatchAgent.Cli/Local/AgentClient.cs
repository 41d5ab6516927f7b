using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using LivepatchAgent.Core.Wire;
using Microsoft.Win32.SafeHandles;

namespace LivepatchAgent.Cli.Local;

/// <summary>
/// Calls the daemon over its Unix socket: one connection a call, blocking, with a deadline over all of it.
/// A few lines of HTTP, since HttpClient would double the program and its start-up time.
/// </summary>
internal sealed class AgentClient(string socketPath, TimeProvider clock)
{
    public const string DefaultSocket = "/run/livepatch-agent/agent.sock";

    /// <summary>The whole of a call that is not held: nobody waits longer for a daemon that hangs.</summary>
    public static readonly TimeSpan Deadline = TimeSpan.FromSeconds(2);

    /// <summary>A change may have to be fsynced before it is answered.</summary>
    public static readonly TimeSpan ChangeDeadline = TimeSpan.FromSeconds(10);

    /// <summary>The daemon goes through all symbols of the kernel: that takes time on a busy host.</summary>
    public static readonly TimeSpan LookDeadline = TimeSpan.FromSeconds(30);

    private const int MaxFacts = 64 << 20;

    public string SocketPath => socketPath;

    public ApiAnswer Status() => Call("GET", "/v1/status", [], Deadline);

    /// <summary>Held by the daemon until its revision is above <paramref name="after"/>.</summary>
    public ApiAnswer Status(long after, int waitSeconds) =>
        Call("GET", $"/v1/status?after={after}&wait={waitSeconds}", [], TimeSpan.FromSeconds(waitSeconds) + Deadline);

    /// <summary>Verifying reads all that is kept, megabytes at most.</summary>
    public ApiAnswer History(int limit, bool verify)
    {
        var query = $"limit={limit}{(verify ? "&verify=1" : "")}";
        return Call("GET", $"/v1/history?{query}", [], ChangeDeadline);
    }

    public ApiAnswer Enable(string token)
    {
        var request = new EnableRequest(token);
        var body = JsonSerializer.SerializeToUtf8Bytes(request, WireJson.Default.EnableRequest);
        return Call("POST", "/v1/enable", body, ChangeDeadline);
    }

    /// <summary>Some 6 MB of names.</summary>
    /// <param name="objects">Modules that are installed and not loaded, to be described too.</param>
    public ApiAnswer Facts(IEnumerable<string> objects)
    {
        var query = string.Join('&', objects.Select(name => $"object={Uri.EscapeDataString(name)}"));
        var target = query.Length > 0 ? $"/v1/facts?{query}" : "/v1/facts";
        return Call("GET", target, [], LookDeadline, MaxFacts);
    }

    public ApiAnswer Check(byte[] module) => Call("POST", "/v1/check", module, LookDeadline);

    /// <param name="version">Null for the patch that is assigned.</param>
    public ApiAnswer Check(string? version)
    {
        var query = version is null ? "" : $"?version={Uri.EscapeDataString(version)}";
        return Call("POST", $"/v1/check{query}", [], LookDeadline);
    }

    public ApiAnswer Disable() => Call("POST", "/v1/disable", [], ChangeDeadline);

    public ApiAnswer Release(string name)
    {
        var request = new ReleaseRequest(name);
        var body = JsonSerializer.SerializeToUtf8Bytes(request, WireJson.Default.ReleaseRequest);
        return Call("POST", "/v1/quarantine/release", body, ChangeDeadline);
    }

    public ApiAnswer Hold() => Call("POST", "/v1/hold", [], ChangeDeadline);

    public ApiAnswer Unhold() => Call("POST", "/v1/unhold", [], ChangeDeadline);

    public ApiAnswer Refresh() => Call("POST", "/v1/refresh", [], ChangeDeadline);

    private ApiAnswer Call(
        string method, string target, byte[] body, TimeSpan deadline, int maxAnswer = HttpAnswer.MaxBytes)
    {
        if (Encoding.UTF8.GetByteCount(socketPath) is 0 or > UnixStream.MaxPathBytes)
            return new ApiAnswer.Away(AwayKind.NoSocket, $"a socket's path has 1 to {UnixStream.MaxPathBytes} bytes");
        var start = clock.GetTimestamp();
        var error = UnixStream.Connect(socketPath, Left(start, deadline), out var socket);
        using (socket)
        {
            if (error != 0) return OfConnect(error, deadline);
            if (Send(socket, Request(method, target, body)) == -UnixStream.EAGAIN) return Silent(deadline);
            return Receive(socket, start, deadline, maxAnswer);
        }
    }

    private ApiAnswer Receive(SafeFileHandle socket, long start, TimeSpan deadline, int maxAnswer)
    {
        var answer = new HttpAnswer(maxAnswer);
        while (true)
        {
            var left = Left(start, deadline);
            if (left == 0) return Silent(deadline);
            var count = UnixStream.Receive(socket, answer.Room(), left);
            if (count == -UnixStream.EINTR) continue;
            if (count == -UnixStream.EAGAIN) return Silent(deadline);
            if (count < 0) return Broken(-count);
            if (answer.Take(count) is { } whole) return whole;
        }
    }

    private static ApiAnswer.Away Broken(int errno) =>
        new(AwayKind.HungUp, $"the connection broke ({Marshal.GetPInvokeErrorMessage(errno)})");

    /// <summary>
    /// 0, or minus errno. A daemon that refuses early closes its reading side; its answer can still be read.
    /// </summary>
    private static int Send(SafeFileHandle socket, ReadOnlySpan<byte> request)
    {
        while (!request.IsEmpty)
        {
            var sent = UnixStream.Send(socket, request);
            if (sent == -UnixStream.EINTR) continue;
            if (sent < 0) return sent;
            request = request[sent..];
        }
        return 0;
    }

    private static byte[] Request(string method, string target, byte[] body)
    {
        var type = body.Length > 0 ? "Content-Type: application/json\r\n" : "";
        var length = method == "GET" ? "" : $"Content-Length: {body.Length}\r\n";
        var head = Encoding.ASCII.GetBytes($"{method} {target} HTTP/1.0\r\nHost: localhost\r\n{type}{length}\r\n");
        return [.. head, .. body];
    }

    private static ApiAnswer.Away OfConnect(int error, TimeSpan deadline) => error switch
    {
        UnixStream.ENOENT or UnixStream.ENOTDIR => new(AwayKind.NoSocket, "it does not exist"),
        UnixStream.ECONNREFUSED => new(AwayKind.NotListening, "nothing listens on it"),
        UnixStream.EACCES or UnixStream.EPERM => new(AwayKind.NotPermitted, "permission denied"),
        UnixStream.EAGAIN => Silent(deadline),
        _ => new(AwayKind.NoSocket, Marshal.GetPInvokeErrorMessage(error)),
    };

    private static ApiAnswer.Away Silent(TimeSpan deadline) => new(AwayKind.Silent, $"{deadline.TotalSeconds:0} s");

    /// <summary>Milliseconds that remain, rounded up; a socket timeout of 0 would mean for ever.</summary>
    private int Left(long start, TimeSpan deadline)
    {
        var left = deadline - clock.GetElapsedTime(start);
        return left <= TimeSpan.Zero ? 0 : (int)Math.Ceiling(left.TotalMilliseconds);
    }
}
