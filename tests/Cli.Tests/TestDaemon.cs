using System.Globalization;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Cli.Tests;

/// <summary>
/// A Unix socket that answers each call by a function: request line and body → bytes to send, null to say nothing.
/// </summary>
internal sealed class TestDaemon : IDisposable
{
    private readonly Socket _listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly List<Socket> _silenced = [];
    private readonly string _folder = Directory.CreateTempSubdirectory("lpa").FullName;

    public TestDaemon(Func<string, string, byte[]?> answer)
    {
        _listener.Bind(new UnixDomainSocketEndPoint(SocketPath));
        _listener.Listen(16);
        new Thread(() => Serve(answer)) { IsBackground = true }.Start();
    }

    public string SocketPath => Path.Combine(_folder, "s");

    public string File(string name, string content)
    {
        var path = Path.Combine(_folder, name);
        System.IO.File.WriteAllText(path, content);
        return path;
    }

    public static TestDaemon Saying(AgentStatus status) => new((_, _) => Json(200, status));

    /// <summary>Answers every call with this body, and keeps the request lines.</summary>
    public static TestDaemon Keeping(List<string> asked, string body) => new((request, _) =>
    {
        asked.Add(request);
        return Http(200, body);
    });

    public static byte[] Json(int code, AgentStatus status) =>
        Http(code, JsonSerializer.Serialize(status, WireJson.Default.AgentStatus));

    public static byte[] Error(int code, Problem problem) =>
        Http(code, JsonSerializer.Serialize(new ErrorAnswer(problem), WireJson.Default.ErrorAnswer));

    public static byte[] Changed(long revision) =>
        Http(202, JsonSerializer.Serialize(new ChangeAnswer(revision), WireJson.Default.ChangeAnswer));

    public static byte[] Http(int code, string body)
    {
        string[] head =
        [
            $"HTTP/1.1 {code} Word",
            "Content-Type: application/json",
            $"Content-Length: {Encoding.UTF8.GetByteCount(body)}",
            "Connection: close",
        ];
        return Encoding.UTF8.GetBytes($"{string.Join("\r\n", head)}\r\n\r\n{body}");
    }

    public static bool IsChange(string request) => request.StartsWith("POST", StringComparison.Ordinal);

    public void Dispose()
    {
        _listener.Dispose();
        foreach (var socket in _silenced) socket.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private void Serve(Func<string, string, byte[]?> answer)
    {
        try
        {
            while (true)
            {
                var socket = _listener.Accept();
                if (Answer(socket, answer)) socket.Dispose();
                else _silenced.Add(socket);
            }
        }
        catch (SocketException)
        {
            // disposed
        }
        catch (ObjectDisposedException)
        {
            // disposed
        }
    }

    private static bool Answer(Socket socket, Func<string, string, byte[]?> answer)
    {
        var buffer = new byte[1 << 20];
        var count = 0;
        var text = "";
        // A character a byte: a body may be a module.
        while (!IsWhole(text))
        {
            var read = socket.Receive(buffer.AsSpan(count));
            if (read == 0) break;
            count += read;
            text = Encoding.Latin1.GetString(buffer, 0, count);
        }
        var request = text[..text.IndexOf("\r\n", StringComparison.Ordinal)];
        var body = text[(text.IndexOf("\r\n\r\n", StringComparison.Ordinal) + 4)..];
        if (answer(request, body) is not { } bytes) return false;
        try
        {
            for (var sent = 0; sent < bytes.Length;) sent += socket.Send(bytes.AsSpan(sent));
        }
        catch (SocketException)
        {
            // the client has read enough
        }
        return true;
    }

    private static bool IsWhole(string text)
    {
        var end = text.IndexOf("\r\n\r\n", StringComparison.Ordinal);
        if (end < 0) return false;
        const string length = "Content-Length:";
        var line = text.Split("\r\n").FirstOrDefault(each => each.StartsWith(length, StringComparison.Ordinal));
        return line is null || text.Length - end - 4 >= int.Parse(line[length.Length..], CultureInfo.InvariantCulture);
    }
}
