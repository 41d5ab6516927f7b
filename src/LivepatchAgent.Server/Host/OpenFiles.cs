using System.Runtime.InteropServices;

namespace LivepatchAgent.Server.Host;

/// <summary>
/// Each connection is an open file, and by default a process may have 1024 of them.
/// </summary>
internal static partial class OpenFiles
{
    /// <summary>For the database, blobs on their way out, uploads and the runtime's own.</summary>
    private const int Others = 1024;
    private const int RLIMIT_NOFILE = 7;

    /// <summary>Raises the limit to the most that the system permits, and returns it.</summary>
    public static ulong Raise()
    {
        if (getrlimit(RLIMIT_NOFILE, out var limit) != 0) return ulong.MaxValue;
        var wanted = limit with { Soft = limit.Hard };
        return limit.Soft < limit.Hard && setrlimit(RLIMIT_NOFILE, in wanted) == 0 ? wanted.Soft : limit.Soft;
    }

    public static void Warn(ILogger log, ulong limit)
    {
        if (limit < PatchServer.MaxConnections + Others)
        {
            log.LogWarning(
                "This process may open {Limit} files, which is less than {Connections} connections need: "
                    + "raise LimitNOFILE= of the unit, or `ulimit -Hn`",
                limit, PatchServer.MaxConnections);
        }
    }

    [StructLayout(LayoutKind.Sequential)]
    private record struct Limit(ulong Soft, ulong Hard);

    [LibraryImport("libc")]
    private static partial int getrlimit(int resource, out Limit limit);

    [LibraryImport("libc")]
    private static partial int setrlimit(int resource, in Limit limit);
}
