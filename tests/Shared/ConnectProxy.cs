using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace LivepatchAgent.Tests;

/// <summary>A proxy that tunnels (RFC 9110, CONNECT), with a password when one is given.</summary>
internal sealed class ConnectProxy : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _closing = new();
    private readonly Task _accepting;
    private readonly string? _password;
    private readonly Func<string, string>? _answer;

    /// <param name="password">With the name, NAME:PASSWORD; null asks for none.</param>
    /// <param name="answer">What is said to a request, byte for byte, in place of what a proxy says.</param>
    public ConnectProxy(string? password = null, Func<string, string>? answer = null)
    {
        (_password, _answer) = (password, answer);
        _listener.Start();
        _accepting = AcceptAsync();
    }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    /// <summary>The first line of each request, and the answer's status.</summary>
    public ConcurrentQueue<(string Line, int Status)> Asked { get; } = [];

    /// <summary>One that is of no help: it refuses, says back what was sent to it, or hangs up.</summary>
    public static ConnectProxy Of(string answer) => answer switch
    {
        "407" or "away" => new ConnectProxy("another:one"),
        "403" => new ConnectProxy(answer: _ => "HTTP/1.1 403 X\r\nContent-Length: 0\r\n\r\n"),
        "status line" => Echo(secret => $"{secret}\r\n\r\n"),
        "header" => Echo(secret => $"HTTP/1.1 502 {secret}\r\n{secret}: {secret}\r\nX: \u001b{secret}\r\n\r\n"),
        "body" => Echo(secret => $"HTTP/1.1 502 X\r\nContent-Type: text/html\r\nContent-Length: 200\r\n\r\n{secret}"),
        "silence" => new ConnectProxy(answer: _ => ""),
        _ => throw new ArgumentException(answer, nameof(answer)),
    };

    /// <summary>First it asks for the password, then it says it back.</summary>
    private static ConnectProxy Echo(Func<string, string> answer) => new(answer: head =>
    {
        const string basic = "Proxy-Authorization: Basic ";
        var lines = head.Split("\r\n");
        var sent = lines.FirstOrDefault(line => line.StartsWith(basic, StringComparison.Ordinal));
        return sent is null
            ? "HTTP/1.1 407 X\r\nProxy-Authenticate: Basic realm=\"x\"\r\nConnection: close\r\n\r\n"
            : answer(Encoding.UTF8.GetString(Convert.FromBase64String(sent[basic.Length..])));
    });

    public async ValueTask DisposeAsync()
    {
        if (_closing.IsCancellationRequested) return;
        await _closing.CancelAsync();
        _listener.Stop();
        await _accepting;
    }

    private async Task AcceptAsync()
    {
        List<Task> tunnels = [];
        try
        {
            while (true) tunnels.Add(ServeAsync(await _listener.AcceptTcpClientAsync(_closing.Token)));
        }
        catch (OperationCanceledException)
        {
            await Task.WhenAll(tunnels);
        }
    }

    private async Task ServeAsync(TcpClient client)
    {
        using var _ = client;
        try
        {
            await using var near = client.GetStream();
            while (await HeadAsync(near) is { Length: > 0 } head)
            {
                if (_answer is not null)
                {
                    Asked.Enqueue((head.Split('\r')[0], 0));
                    await near.WriteAsync(Encoding.UTF8.GetBytes(_answer(head)), _closing.Token);
                    return;
                }

                var words = head.Split(' ');
                var wanted = _password is null
                    ? null
                    : $"Proxy-Authorization: Basic {Convert.ToBase64String(Encoding.UTF8.GetBytes(_password))}\r\n";
                var status = words[0] != "CONNECT" ? 405 : wanted is null
                    || head.Contains(wanted, StringComparison.Ordinal) ? 200 : 407;
                Asked.Enqueue((head.Split('\r')[0], status));
                var challenge = status == 407
                    ? "Proxy-Authenticate: Basic realm=\"test\"\r\nContent-Length: 0\r\n"
                    : "";
                await near.WriteAsync(
                    Encoding.ASCII.GetBytes($"HTTP/1.1 {status} Said\r\n{challenge}\r\n"), _closing.Token);
                if (status != 200) continue;
                using var there = new TcpClient();
                var (host, port) = (
                    words[1].Split(':')[0],
                    int.Parse(words[1].Split(':')[1], System.Globalization.CultureInfo.InvariantCulture));
                await there.ConnectAsync(host, port, _closing.Token);
                await using var far = there.GetStream();
                await Task.WhenAny(near.CopyToAsync(far, _closing.Token), far.CopyToAsync(near, _closing.Token));
                return;
            }
        }
        catch (Exception e) when (e is IOException or SocketException or OperationCanceledException)
        {
            // one of the three hung up
        }
    }

    private async Task<string> HeadAsync(NetworkStream line)
    {
        var head = new StringBuilder();
        var one = new byte[1];
        while (!head.ToString().EndsWith("\r\n\r\n", StringComparison.Ordinal)
            && await line.ReadAsync(one, _closing.Token) == 1)
            head.Append((char)one[0]);
        return head.ToString();
    }
}
