using System.Net;
using System.Net.Sockets;
using LivepatchAgent.Shared.Network;

namespace LivepatchAgent.Publisher.Tests;

/// <summary>A name with several addresses of which some are dead (RFC 8305), with real sockets on loopback.</summary>
public sealed class ConnectorTests
{
    private static readonly TimeSpan Long = TimeSpan.FromMinutes(2), Short = TimeSpan.FromSeconds(1);

    /// <summary>With IPv6 where loopback has it.</summary>
    public static TheoryData<string, string> DeadAndGood
    {
        get
        {
            var rows = new TheoryData<string, string> { { "127.0.0.2", "127.0.0.1" } };
            if (!HasIPv6()) return rows;
            rows.Add("::1", "127.0.0.1");
            rows.Add("127.0.0.2", "::1");
            return rows;
        }
    }

    [Theory]
    [MemberData(nameof(DeadAndGood))]
    public async Task Connect_DeadAddressFirst_TakesTheNextAndLeavesNothing(string dead, string good)
    {
        using var addresses = await DeadAddress.BesideAsync(dead, good);
        var pending = Pending(addresses.Port);
        var connector = new Connector(Long, Resolved(dead, good));
        using var socket = await connector.ConnectAsync("patches.example", addresses.Port, Deadline.Token);
        Assert.Equal(IPAddress.Parse(good), ((IPEndPoint)socket.RemoteEndPoint!).Address);
        Assert.Equal(pending, Pending(addresses.Port));
    }

    [Fact]
    public async Task Connect_ManyDeadAddresses_ComesToTheGoodOne()
    {
        using var addresses = await DeadAddress.BesideAsync("127.0.0.2", "127.0.0.1");
        // Nothing listens on the others: they fail at once and cost no quarter of a second each.
        string[] refused = [.. Enumerable.Range(10, 13).Select(n => $"127.0.0.{n}")];
        var connector = new Connector(Long, Resolved(["127.0.0.2", .. refused, "127.0.0.1"]));
        using var socket = await connector.ConnectAsync("patches.example", addresses.Port, Deadline.Token);
        Assert.Equal(IPAddress.Loopback, ((IPEndPoint)socket.RemoteEndPoint!).Address);
    }

    [Fact]
    public async Task Connect_NoAddressAnswers_NamesThemAndWhy()
    {
        using var addresses = await DeadAddress.BesideAsync("127.0.0.2", "127.0.0.1");
        string[] refused = ["127.0.0.3", "127.0.0.4"];
        var connector = new Connector(Short, Resolved(["127.0.0.2", .. refused]));
        var failure = await FailedAsync("patches.example");
        const string expected = "it did not answer in time (127.0.0.2); connection refused (127.0.0.3, 127.0.0.4)";
        Assert.Equal(expected, SocketWords.Of(failure));

        failure = await FailedAsync("127.0.0.2");
        Assert.Equal(SocketError.TimedOut, failure.SocketErrorCode);
        Assert.Equal("it did not answer in time", SocketWords.Of(failure));

        Task<ConnectException> FailedAsync(string host) => Assert.ThrowsAsync<ConnectException>(
            () => connector.ConnectAsync(host, addresses.Port, Deadline.Token));
    }

    [Fact]
    public async Task Connect_ManyAddressesRefuse_NamesAFew()
    {
        var connector = new Connector(Long, Resolved([.. Enumerable.Range(10, 40).Select(n => $"127.0.0.{n}")]));
        var failure = await Assert.ThrowsAsync<ConnectException>(
            () => connector.ConnectAsync("patches.example", 1, Deadline.Token));
        const string expected = "connection refused (127.0.0.10, 127.0.0.11, 127.0.0.12, 127.0.0.13); and 12 more";
        Assert.Equal(expected, failure.Message);
    }

    [Fact]
    public async Task Connect_Cancelled_EndsAsCancelled()
    {
        using var addresses = await DeadAddress.BesideAsync("127.0.0.2", "127.0.0.1");
        using var cancel = new CancellationTokenSource();
        var connector = new Connector(Long, Resolved("127.0.0.2"));
        var connecting = connector.ConnectAsync("patches.example", addresses.Port, cancel.Token);
        await cancel.CancelAsync();
        var end = await Assert.ThrowsAnyAsync<OperationCanceledException>(() => connecting);
        Assert.Equal(cancel.Token, end.CancellationToken);
    }

    [Fact]
    public async Task Connect_NameWithoutAnAnswer_IsAFaultOfTheName()
    {
        Connector[] silent =
        [
            new(Short, async (_, ct) =>
            {
                await Task.Delay(Timeout.Infinite, ct);
                return [];
            }),
            new(Short, Resolved()),
        ];
        foreach (var connector in silent)
        {
            var failure = await Assert.ThrowsAsync<SocketException>(
                () => connector.ConnectAsync("patches.example", 1, Deadline.Token));
            Assert.Equal("its name cannot be resolved", SocketWords.Of(failure));
        }
    }

    [Theory]
    [InlineData("2001:db8::1 2001:db8::2 192.0.2.1 192.0.2.2", "2001:db8::1 192.0.2.1 2001:db8::2 192.0.2.2")]
    [InlineData("192.0.2.1 192.0.2.2 2001:db8::1", "192.0.2.1 2001:db8::1 192.0.2.2")]
    [InlineData("192.0.2.1 192.0.2.1", "192.0.2.1")]
    public void Order_OfAddresses_TakesTheFamiliesByTurns(string addresses, string expected) =>
        Assert.Equal(expected, string.Join(' ', Connector.InOrder([.. addresses.Split(' ').Select(IPAddress.Parse)])));

    [Fact]
    public async Task Handler_WithADeadAddressFirst_BringsTheAnswer()
    {
        using var addresses = await DeadAddress.BesideAsync("127.0.0.2", "127.0.0.1");
        var connector = new Connector(Long, Resolved("127.0.0.2", "127.0.0.1"));
        using var http = new HttpClient(new SocketsHttpHandler { ConnectCallback = connector.ConnectAsync });
        var asking = http.GetStringAsync(new Uri($"http://patches.example:{addresses.Port}/"), Deadline.Token);
        using var near = await addresses.Good.AcceptTcpClientAsync(Deadline.Token);
        await near.GetStream().WriteAsync("HTTP/1.1 200 X\r\nContent-Length: 2\r\n\r\nok"u8.ToArray(), Deadline.Token);
        Assert.Equal("ok", await asking);
    }

    private static Resolve Resolved(params string[] addresses) =>
        (host, _) => Task.FromResult(
            IPAddress.TryParse(host, out var one) ? [one] : addresses.Select(IPAddress.Parse).ToArray());

    /// <summary>Connections to a port that wait for an answer: state 02, SYN_SENT, in proc_pid_net(5).</summary>
    private static int Pending(int port) => new[] { "/proc/net/tcp", "/proc/net/tcp6" }.Where(File.Exists)
        .SelectMany(File.ReadLines).Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        .Count(words => words[2].EndsWith($":{port:X4}", StringComparison.Ordinal) && words[3] == "02");

    private static bool HasIPv6()
    {
        try
        {
            using var listener = new TcpListener(IPAddress.IPv6Loopback, 0);
            listener.Start();
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}

/// <summary>
/// An address that answers nothing and a good one at the same port: the queue of the dead one is full, so the kernel
/// drops each SYN.
/// </summary>
internal sealed class DeadAddress : IDisposable
{
    private readonly Socket _dead;
    private readonly Socket _queued;

    private DeadAddress(Socket dead, Socket queued, TcpListener good) => (_dead, _queued, Good) = (dead, queued, good);

    public TcpListener Good { get; }

    public int Port => ((IPEndPoint)Good.LocalEndpoint).Port;

    public static async Task<DeadAddress> BesideAsync(string deadAddress, string goodAddress)
    {
        var good = new TcpListener(IPAddress.Parse(goodAddress), 0);
        good.Start();
        var there = new IPEndPoint(IPAddress.Parse(deadAddress), ((IPEndPoint)good.LocalEndpoint).Port);
        var dead = new Socket(there.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        dead.Bind(there);
        dead.Listen(0); // room for one
        var queued = new Socket(there.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        await queued.ConnectAsync(there, Deadline.Token);
        return new DeadAddress(dead, queued, good);
    }

    public void Dispose()
    {
        _queued.Dispose();
        _dead.Dispose();
        Good.Dispose();
    }
}
