using System.Net.Sockets;

namespace LivepatchAgent.Shared.Network;

/// <summary>What a socket's errno means to the person who reads it.</summary>
internal static class SocketWords
{
    public static string Of(SocketException e) =>
        e is ConnectException addresses ? addresses.Message : Of(e.SocketErrorCode);

    public static string Of(SocketError error) => error switch
    {
        SocketError.ConnectionRefused => "connection refused",
        SocketError.HostUnreachable or SocketError.NetworkUnreachable or SocketError.AddressNotAvailable
            or SocketError.AddressFamilyNotSupported => "no route to it",
        SocketError.TimedOut => "it did not answer in time",
        SocketError.HostNotFound or SocketError.NoData or SocketError.TryAgain => "its name cannot be resolved",
        _ => error.ToString(),
    };
}
