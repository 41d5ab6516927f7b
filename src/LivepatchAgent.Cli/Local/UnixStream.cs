using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace LivepatchAgent.Cli.Local;

/// <summary>
/// A connected Unix stream socket by way of libc. <see cref="System.Net.Sockets.Socket"/> starts an epoll thread and
/// probes for IPv4 and IPv6 first: a third of what `status` may take.
/// </summary>
internal static partial class UnixStream
{
    public const int EPERM = 1;
    public const int ENOENT = 2;
    public const int EINTR = 4;
    public const int EAGAIN = 11;
    public const int EACCES = 13;
    public const int ENOTDIR = 20;
    public const int ECONNREFUSED = 111;

    /// <summary>Room for a path in struct sockaddr_un, its final NUL not counted.</summary>
    public const int MaxPathBytes = 107;

    private const int AF_UNIX = 1;
    private const int SOCK_STREAM = 1;
    private const int SOCK_CLOEXEC = 0x80000;
    private const int SOL_SOCKET = 1;
    private const int SO_RCVTIMEO = 20;
    private const int SO_SNDTIMEO = 21;
    private const int MSG_NOSIGNAL = 0x4000;

    /// <summary>0, or errno. The time bounds connecting as well: a full backlog would else block for ever.</summary>
    public static int Connect(string path, int milliseconds, out SafeFileHandle socket)
    {
        socket = new SafeFileHandle(OpenSocket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), ownsHandle: true);
        if (socket.IsInvalid) return Marshal.GetLastPInvokeError();
        var error = SetTimeout(socket, SO_SNDTIMEO, milliseconds);
        if (error != 0) return error;
        Span<byte> address = stackalloc byte[2 + MaxPathBytes + 1];
        address.Clear();
        MemoryMarshal.Write(address, (ushort)AF_UNIX);
        Encoding.UTF8.GetBytes(path, address[2..]);
        return Connect(socket, address, address.Length) == 0 ? 0 : Marshal.GetLastPInvokeError();
    }

    /// <summary>Count of bytes sent, or minus errno.</summary>
    public static int Send(SafeFileHandle socket, ReadOnlySpan<byte> bytes)
    {
        var sent = (int)Send(socket, bytes, (nuint)bytes.Length, MSG_NOSIGNAL);
        return sent >= 0 ? sent : -Marshal.GetLastPInvokeError();
    }

    /// <summary>Count of bytes received, 0 at the end, or minus errno; EAGAIN when the time ran out.</summary>
    public static int Receive(SafeFileHandle socket, Span<byte> room, int milliseconds)
    {
        var error = SetTimeout(socket, SO_RCVTIMEO, milliseconds);
        if (error != 0) return -error;
        var count = (int)Receive(socket, room, (nuint)room.Length, 0);
        return count >= 0 ? count : -Marshal.GetLastPInvokeError();
    }

    private static int SetTimeout(SafeFileHandle socket, int option, int milliseconds)
    {
        // Seconds and microseconds, 64 bits each on every port of ours.
        ReadOnlySpan<long> timeval = [milliseconds / 1000, milliseconds % 1000 * 1000];
        var result = SetOption(socket, SOL_SOCKET, option, timeval, sizeof(long) * timeval.Length);
        return result == 0 ? 0 : Marshal.GetLastPInvokeError();
    }

    [LibraryImport("libc", EntryPoint = "socket", SetLastError = true)]
    private static partial int OpenSocket(int domain, int type, int protocol);

    [LibraryImport("libc", EntryPoint = "setsockopt", SetLastError = true)]
    private static partial int SetOption(
        SafeFileHandle socket, int level, int option, ReadOnlySpan<long> value, int length);

    [LibraryImport("libc", EntryPoint = "connect", SetLastError = true)]
    private static partial int Connect(SafeFileHandle socket, ReadOnlySpan<byte> address, int length);

    [LibraryImport("libc", EntryPoint = "send", SetLastError = true)]
    private static partial nint Send(SafeFileHandle socket, ReadOnlySpan<byte> bytes, nuint length, int flags);

    [LibraryImport("libc", EntryPoint = "recv", SetLastError = true)]
    private static partial nint Receive(SafeFileHandle socket, Span<byte> bytes, nuint length, int flags);
}
