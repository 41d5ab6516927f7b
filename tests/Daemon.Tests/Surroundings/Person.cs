using System.Net.Http;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace LivepatchAgent.Daemon.Tests.Surroundings;

/// <summary>
/// Somebody on the host: a connection whose peer credentials are theirs (the kernel takes them at connect(2)).
/// </summary>
internal static partial class Person
{
    public const uint Nobody = 65534;

    public static HttpClient Of(string socket, uint uid = 0, uint gid = 0, uint[]? groups = null)
    {
        var handler = new SocketsHttpHandler { ConnectCallback = (_, _) => ValueTask.FromResult(Stream()) };
        return new HttpClient(handler)
        {
            BaseAddress = new Uri("http://localhost"),
            Timeout = TimeSpan.FromSeconds(20),
        };

        Stream Stream() => new NetworkStream(Connect(socket, uid, gid, groups), ownsSocket: true);
    }

    /// <summary>By a thread of its own: the bare calls change the thread's credentials, not the process's.</summary>
    public static Socket Connect(string path, uint uid = 0, uint gid = 0, uint[]? groups = null)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        Exception? failure = null;
        var thread = new Thread(() =>
        {
            try
            {
                if (uid != 0) Become(uid, gid, groups ?? []);
                socket.Connect(new UnixDomainSocketEndPoint(path));
            }
            catch (Exception e) when (e is SocketException or InvalidOperationException)
            {
                failure = e;
            }
        });
        thread.Start();
        thread.Join();
        return failure is null ? socket : throw failure;
    }

    private static void Become(uint uid, uint gid, uint[] groups)
    {
        var isDone = SetGroups(Number(116, 159), groups.Length, groups) == 0
            && Call(Number(119, 149), gid, gid, gid) == 0
            && Call(Number(117, 147), uid, uid, uid) == 0;
        if (isDone) return;
        var errno = Marshal.GetLastPInvokeError();
        throw new InvalidOperationException($"cannot become {uid}: errno {errno}; these tests run as root");
    }

    /// <summary>setgroups, setresgid and setresuid, on x86-64 and on arm64.</summary>
    private static long Number(long x64, long arm64) =>
        RuntimeInformation.ProcessArchitecture == Architecture.X64 ? x64 : arm64;

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    private static partial long Call(long number, uint real, uint effective, uint saved);

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    private static partial long SetGroups(long number, nint count, uint[] groups);
}
