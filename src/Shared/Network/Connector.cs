using System.Net;
using System.Net.Http;
using System.Net.Sockets;

namespace LivepatchAgent.Shared.Network;

/// <summary>Asks for the addresses of a name.</summary>
internal delegate Task<IPAddress[]> Resolve(string host, CancellationToken ct);

/// <summary>
/// Opens a TCP connection to a name with several addresses, of which some may be dead: the next one is tried beside the
/// first after a quarter of a second, or at once when that one fails, and the first that answers is taken (RFC 8305).
/// </summary>
/// <param name="limit">For the name and all its addresses together; the handler's own limit has to be longer.</param>
/// <param name="resolve">Null asks the system (getaddrinfo(3)).</param>
internal sealed class Connector(TimeSpan limit, Resolve? resolve = null)
{
    /// <summary>RFC 8305, 5: the recommended delay between two attempts.</summary>
    private static readonly TimeSpan HeadStart = TimeSpan.FromMilliseconds(250);

    /// <summary>More are not tried: a hostile name server could make a host open any number of sockets.</summary>
    private const int MaxAddresses = 16;

    private readonly Resolve _resolve = resolve ?? Dns.GetHostAddressesAsync;

    /// <summary>For <see cref="SocketsHttpHandler.ConnectCallback"/>: to the server, or to its proxy.</summary>
    public async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken ct)
    {
        var there = context.DnsEndPoint;
        return new NetworkStream(await ConnectAsync(there.Host, there.Port, ct), ownsSocket: true);
    }

    /// <exception cref="ConnectException">No address answered.</exception>
    /// <exception cref="SocketException">The name has no address, or nobody said which in time.</exception>
    public async Task<Socket> ConnectAsync(string host, int port, CancellationToken ct)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(ct);
        patience.CancelAfter(limit);
        var addresses = InOrder(await AddressesAsync(host, patience.Token, ct));
        var race = new Race(port);
        Socket? winner = null;
        try
        {
            winner = await race.RunAsync(addresses, patience.Token);
        }
        catch (OperationCanceledException)
        {
            ct.ThrowIfCancellationRequested(); // else the time is up
        }

        return winner ?? throw new ConnectException(race.Failures, namesAddresses: !IPAddress.TryParse(host, out _));
    }

    /// <summary>The families by turns, each in the order that the system prefers (RFC 8305, 4; RFC 6724).</summary>
    internal static IReadOnlyList<IPAddress> InOrder(IReadOnlyList<IPAddress> addresses)
    {
        var groups = addresses.Distinct().GroupBy(address => address.AddressFamily);
        IPAddress[][] families = [.. groups.Select(family => family.ToArray())];
        var longest = families.Max(family => family.Length);
        var turns = Enumerable.Range(0, longest);
        return [.. turns.SelectMany(at => families.SelectMany(family => family.Skip(at).Take(1))).Take(MaxAddresses)];
    }

    private async Task<IPAddress[]> AddressesAsync(string host, CancellationToken patience, CancellationToken ct)
    {
        try
        {
            var addresses = await _resolve(host, patience);
            return addresses.Length > 0 ? addresses : throw new SocketException((int)SocketError.HostNotFound);
        }
        catch (OperationCanceledException)
        {
            ct.ThrowIfCancellationRequested();
            throw new SocketException((int)SocketError.TryAgain);
        }
    }

    /// <summary>The attempts of one connection. None is left when it ends, and no timer either.</summary>
    private sealed class Race(int port)
    {
        private readonly List<IPAddress> _begun = [];
        private readonly Dictionary<IPAddress, SocketError> _failed = [];

        /// <summary>What became of each address that was tried; one that has not answered is out of time.</summary>
        public IReadOnlyList<(IPAddress Address, SocketError Error)> Failures =>
            [.. _begun.Select(address => (address, _failed.GetValueOrDefault(address, SocketError.TimedOut)))];

        /// <summary>The first connection there is; null when every attempt has failed.</summary>
        public async Task<Socket?> RunAsync(IReadOnlyList<IPAddress> addresses, CancellationToken ct)
        {
            using var ending = CancellationTokenSource.CreateLinkedTokenSource(ct);
            var waiting = new Queue<IPAddress>(addresses);
            List<Task<Socket?>> attempts = [];
            Socket? winner = null;
            try
            {
                while (winner is null && (waiting.Count > 0 || attempts.Count > 0))
                {
                    if (waiting.TryDequeue(out var next))
                    {
                        _begun.Add(next);
                        attempts.Add(AttemptAsync(next, ending.Token));
                    }

                    winner = await FirstOfAsync(attempts, isPatient: waiting.Count == 0, ct);
                }

                return winner;
            }
            finally
            {
                await ending.CancelAsync();
                foreach (var attempt in attempts) await LoseAsync(attempt);
            }
        }

        /// <summary>Waits until one attempt ends, which is taken off the list, or until the next may begin.</summary>
        private static async Task<Socket?> FirstOfAsync(
            List<Task<Socket?>> attempts, bool isPatient, CancellationToken ct)
        {
            var any = Task.WhenAny(attempts);
            try
            {
                // Throws when the delay is over: its timer ends with the wait, whichever comes first.
                await any.WaitAsync(isPatient ? Timeout.InfiniteTimeSpan : HeadStart, ct);
            }
            catch (TimeoutException)
            {
                return null;
            }

            var ended = await any;
            attempts.Remove(ended);
            return await ended;
        }

        /// <summary>Null when the address does not answer or answers with a no.</summary>
        private async Task<Socket?> AttemptAsync(IPAddress address, CancellationToken ct)
        {
            Socket? socket = null;
            try
            {
                socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
                await socket.ConnectAsync(new IPEndPoint(address, port), ct);
                return socket;
            }
            catch (SocketException e)
            {
                socket?.Dispose();
                lock (_failed) _failed[address] = e.SocketErrorCode;
                return null;
            }
            catch
            {
                socket?.Dispose();
                throw;
            }
        }

        private static async Task LoseAsync(Task<Socket?> attempt)
        {
            try
            {
                (await attempt)?.Dispose();
            }
            catch (OperationCanceledException)
            {
                // It was too late.
            }
        }
    }
}
