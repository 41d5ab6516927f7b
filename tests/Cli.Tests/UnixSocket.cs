using System.Net.Sockets;

namespace LivepatchAgent.Cli.Tests;

/// <summary>Sockets that are no daemon: one that accepts nothing, one that is left behind.</summary>
internal static class UnixSocket
{
    public static string NewPath() => Path.Combine(Directory.CreateTempSubdirectory("lpa").FullName, "s");

    /// <summary>Listens with room for one, and accepts nobody.</summary>
    public static Socket Listening(string path)
    {
        var listener = New();
        listener.Bind(new UnixDomainSocketEndPoint(path));
        listener.Listen(1);
        return listener;
    }

    /// <summary>Fills a backlog; not waited for, since the last ones find no room.</summary>
    public static Socket Connecting(string path)
    {
        var socket = New();
        socket.Blocking = false;
        try
        {
            socket.Connect(new UnixDomainSocketEndPoint(path));
        }
        catch (SocketException)
        {
            // full
        }

        return socket;
    }

    /// <summary>A file on which nothing listens any more, as a daemon that was killed leaves it.</summary>
    public static string Stale()
    {
        var path = NewPath();
        using var socket = New();
        socket.Bind(new UnixDomainSocketEndPoint(path));
        // .NET removes the file that it bound; a daemon that is killed does not.
        File.Move(path, path + ".left");
        return path + ".left";
    }

    private static Socket New() => new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
}
