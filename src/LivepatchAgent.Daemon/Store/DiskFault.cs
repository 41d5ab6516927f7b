using LivepatchAgent.Core;

namespace LivepatchAgent.Daemon.Store;

/// <summary>The disk's complaints in words.</summary>
internal static class DiskFault
{
    private const int ENOSPC = 28;
    private const int EDQUOT = 122;

    /// <param name="what">What could not be done: "save FILE".</param>
    public static Problem Explain(Exception e, string what) => IsFull(e)
        ? new Problem(
            ProblemCode.DiskFull,
            $"cannot {what}: the disk is full",
            "free some space under /var/lib; the host keeps what it runs")
        : new Problem(
            ProblemCode.DiskError,
            $"cannot {what}: {e.Message.TrimEnd('.')}",
            "look at the disk; the host keeps what it runs");

    private static bool IsFull(Exception e) => e is IOException
        && (e.HResult is ENOSPC or EDQUOT || e.Message.StartsWith("No space left", StringComparison.Ordinal));
}
