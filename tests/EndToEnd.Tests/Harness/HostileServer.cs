using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Http;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace LivepatchAgent.EndToEnd.Tests.Harness;

/// <summary>
/// Somebody who has stolen the server's TLS key and stands before it: hosts see the key that they pin. Passes every
/// call on, until a test says what to do <see cref="Instead"/>.
/// </summary>
internal sealed class HostileServer : IAsyncDisposable
{
    private static readonly string[] Passed = ["authorization", "prefer", "range"];
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _closing = new();
    private readonly HttpClient _behind;
    private readonly ConcurrentBag<Task> _lines = [];
    private X509Certificate2? _stolen;

    /// <param name="behind">Port of the real server on loopback, once it is known.</param>
    public HostileServer(Func<int> behind)
    {
        var handler = new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseProxy = false,
            SslOptions = new SslClientAuthenticationOptions
            {
                RemoteCertificateValidationCallback = (_, shown, _, _) => shown is not null && shown.Equals(_stolen),
            },
            ConnectCallback = async (_, ct) =>
            {
                var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
                await socket.ConnectAsync(IPAddress.Loopback, behind(), ct);
                return new NetworkStream(socket, ownsSocket: true);
            },
        };
        _behind = new HttpClient(handler)
        {
            BaseAddress = new Uri("https://localhost"),
            Timeout = Timeout.InfiniteTimeSpan,
        };
        _listener.Start();
        _lines.Add(AcceptAsync());
    }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    /// <summary>What hosts are shown; at first the one that was stolen.</summary>
    public X509Certificate2? Certificate
    {
        get;
        set
        {
            field = value;
            _stolen ??= value;
        }
    }

    /// <summary>First look at each call: true when it was answered here, and the line is to be closed.</summary>
    public Func<StolenCall, Task<bool>>? Instead { get; set; }

    /// <summary>Whether a call was answered by the present attack.</summary>
    public bool Struck { get; private set; }

    /// <summary>The last good answer to each path.</summary>
    public ConcurrentDictionary<string, byte[]> Recorded { get; } = [];

    /// <summary>Answers calls below this path so, for as long as the test does something.</summary>
    public async Task WhileAsync(string path, Func<StolenCall, Task> answer, Func<Task> meanwhile)
    {
        var before = Instead;
        Struck = false;
        Instead = async call =>
        {
            if (!call.Path.StartsWith(path, StringComparison.Ordinal)) return false;
            Struck = true;
            await answer(call);
            return true;
        };
        try
        {
            await meanwhile();
        }
        finally
        {
            Instead = before;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _closing.CancelAsync();
        _listener.Stop();
        await Task.WhenAll(_lines);
        _behind.Dispose();
        _closing.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                var client = await _listener.AcceptTcpClientAsync(_closing.Token);
                _lines.Add(ServeAsync(client));
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // closed
        }
    }

    private async Task ServeAsync(TcpClient client)
    {
        try
        {
            using var _ = client;
            await using var line = new SslStream(client.GetStream());
            var options = new SslServerAuthenticationOptions { ServerCertificate = Certificate };
            await line.AuthenticateAsServerAsync(options, _closing.Token);
            while (await StolenCall.ReadAsync(line, _closing.Token) is { } call)
            {
                if (Instead is { } instead && await instead(call)) return;
                await PassAsync(call);
            }
        }
        catch (Exception e) when (e is IOException or SocketException or AuthenticationException
            or OperationCanceledException or HttpRequestException or ObjectDisposedException)
        {
            // the other side hung up, or we did
        }
    }

    private async Task PassAsync(StolenCall call)
    {
        using var request = new HttpRequestMessage(new HttpMethod(call.Method), call.Path);
        if (call.Body.Length > 0)
        {
            var content = new ByteArrayContent(call.Body);
            content.Headers.Add("Content-Type", "application/json");
            request.Content = content;
        }

        foreach (var name in Passed)
        {
            if (call.Headers.TryGetValue(name, out var value)) request.Headers.TryAddWithoutValidation(name, value);
        }

        // A host that hangs up on a held call is to free it behind as well.
        using var gone = CancellationTokenSource.CreateLinkedTokenSource(call.Closing);
        using var response = await _behind.SendAsync(request, gone.Token);
        var body = await response.Content.ReadAsByteArrayAsync(gone.Token);
        if (response.StatusCode == HttpStatusCode.OK) Recorded[call.Path] = body;
        var range = response.Content.Headers.ContentRange is { } r ? $"Content-Range: {r}\r\n" : "";
        var type = response.Content.Headers.ContentType?.MediaType ?? "application/octet-stream";
        await call.AnswerAsync((int)response.StatusCode, body, type, range);
    }
}

/// <summary>One call, and the line to answer it on.</summary>
internal sealed record StolenCall(
    SslStream Line,
    string Method,
    string Path,
    IReadOnlyDictionary<string, string> Headers,
    byte[] Body,
    CancellationToken Closing)
{
    public bool IsHeld => Headers.ContainsKey("prefer");

    public int? RangeFrom => Headers.TryGetValue("range", out var range)
        ? int.Parse(range["bytes=".Length..].TrimEnd('-'), CultureInfo.InvariantCulture)
        : null;

    public static async Task<StolenCall?> ReadAsync(SslStream line, CancellationToken closing)
    {
        var head = new List<byte>();
        var one = new byte[1];
        while (!(head.Count >= 4 && head[^4..] is [13, 10, 13, 10]))
        {
            if (await line.ReadAsync(one, closing) == 0) return null;
            head.Add(one[0]);
        }

        var lines = Encoding.ASCII.GetString([.. head]).Split("\r\n", StringSplitOptions.RemoveEmptyEntries);
        var headers = lines.Skip(1).Select(l => l.Split(':', 2))
            .ToDictionary(p => p[0].ToLowerInvariant(), p => p[1].Trim());
        var length = headers.TryGetValue("content-length", out var given) ? given : "0";
        var body = new byte[int.Parse(length, CultureInfo.InvariantCulture)];
        await line.ReadExactlyAsync(body, closing);
        var words = lines[0].Split(' ');
        return new StolenCall(line, words[0], words[1], headers, body, closing);
    }

    public Task RawAsync(string text) => RawAsync(Encoding.Latin1.GetBytes(text));

    public async Task RawAsync(byte[] bytes)
    {
        await Line.WriteAsync(bytes, Closing);
        await Line.FlushAsync(Closing);
    }

    public async Task AnswerAsync(int status, byte[] body, string type = "application/json", string headers = "")
    {
        var head = $"HTTP/1.1 {status} X\r\nContent-Type: {type}\r\nContent-Length: {body.Length}\r\n";
        await RawAsync($"{head}{headers}\r\n");
        await RawAsync(body);
    }
}
