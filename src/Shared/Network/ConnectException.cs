using System.Net;
using System.Net.Sockets;

namespace LivepatchAgent.Shared.Network;

/// <summary>No address of a name could be reached. The handler asks for a <see cref="SocketException"/>.</summary>
internal sealed class ConnectException : SocketException
{
    /// <summary>A name may have any number of addresses, a message has one line.</summary>
    private const int MaxNamed = 4;

    private readonly IReadOnlyList<(IPAddress Address, SocketError Error)> _failures;
    private readonly bool _namesAddresses;

    /// <param name="failures">The addresses that were tried, in this order, and what became of each.</param>
    /// <param name="namesAddresses">False where the caller named the address, and need not read it again.</param>
    public ConnectException(IReadOnlyList<(IPAddress Address, SocketError Error)> failures, bool namesAddresses)
        : base((int)failures[^1].Error)
    {
        _failures = failures;
        _namesAddresses = namesAddresses;
    }

    /// <summary>What became of the addresses: "connection refused (192.0.2.1, 2001:db8::1)".</summary>
    public override string Message
    {
        get
        {
            if (!_namesAddresses) return SocketWords.Of(_failures[0].Error);
            var named = _failures.Take(MaxNamed);
            var kinds = named.GroupBy(failure => SocketWords.Of(failure.Error), failure => failure.Address);
            var words = string.Join("; ", kinds.Select(kind => $"{kind.Key} ({string.Join(", ", kind)})"));
            return _failures.Count > MaxNamed ? $"{words}; and {_failures.Count - MaxNamed} more" : words;
        }
    }
}
