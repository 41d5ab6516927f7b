using System.Globalization;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Text;
using static LivepatchAgent.Server.Tests.ServerUnderTest;

namespace LivepatchAgent.Server.Tests;

/// <summary>
/// A call whose body comes as slowly as a test wants it to: an HTTP client would read no answer before it had sent all.
/// </summary>
internal sealed class RawCall : IAsyncDisposable
{
    private readonly TcpClient _socket = new();
    private SslStream? _tls;

    /// <param name="start">What comes of the body at once, of <paramref name="length"/> bytes that are
    /// announced.</param>
    /// <param name="headers">More of them, each with its end of line.</param>
    public static async Task<RawCall> StartAsync(
        ServerUnderTest server, string method, string path, byte[] start, long length, string headers = "")
    {
        var call = new RawCall();
        await call._socket.ConnectAsync(IPAddress.Loopback, server.Server.Address.Port, Ct);
#pragma warning disable CA5359 // what counts is when the server answers
        call._tls = new SslStream(call._socket.GetStream(), false, (_, _, _, _) => true);
#pragma warning restore CA5359
        await call._tls.AuthenticateAsClientAsync("localhost");
        var head = $"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n{headers}\r\n";
        await call._tls.WriteAsync(Encoding.ASCII.GetBytes(head), Ct);
        await call.SendAsync(start);
        return call;
    }

    public async Task SendAsync(byte[] bytes)
    {
        await _tls!.WriteAsync(bytes, Ct);
        await _tls.FlushAsync(Ct);
    }

    /// <summary>The status and all that follows it; the connection is closed then.</summary>
    public async Task<(HttpStatusCode Status, string Text)> AnswerAsync()
    {
        var text = new StringBuilder();
        var buffer = new byte[4096];

        // The answer has its length; the server ends the connection only after it waited for the rest of the body.
        while (!text.ToString().Contains("\r\n\r\n", StringComparison.Ordinal) || !text.ToString().EndsWith('}'))
        {
            var read = await _tls!.ReadAsync(buffer, Ct);
            if (read == 0) break;
            text.Append(Encoding.UTF8.GetString(buffer, 0, read));
        }

        var status = int.Parse(text.ToString().Split(' ')[1], CultureInfo.InvariantCulture);
        return ((HttpStatusCode)status, text.ToString());
    }

    public async ValueTask DisposeAsync()
    {
        if (_tls is not null) await _tls.DisposeAsync();
        _socket.Dispose();
    }
}
