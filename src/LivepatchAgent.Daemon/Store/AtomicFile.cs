using System.Runtime.InteropServices;
using LivepatchAgent.Core;
using Microsoft.Win32.SafeHandles;

namespace LivepatchAgent.Daemon.Store;

/// <summary>Files that are whole or as they were: write beside, fsync, rename, fsync the folder.</summary>
internal static partial class AtomicFile
{
    public static void Write(string path, ReadOnlySpan<byte> content, UnixFileMode mode)
    {
        var beside = path + ".new";
        File.Delete(beside);
        using (var file = new FileStream(beside, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = mode, BufferSize = 0 }))
        {
            file.Write(content);
            file.Flush(flushToDisk: true);
        }

        File.Move(beside, path, overwrite: true);
        SyncFolder(Path.GetDirectoryName(path)!);
    }

    /// <summary>A rename is on the disk once its folder is.</summary>
    public static void SyncFolder(string folder)
    {
        using var handle = OpenFolder(folder);
        if (handle.IsInvalid) throw Failed(folder, Marshal.GetLastPInvokeError());
        if (Fsync(handle) == 0) return;
        // A file system that has nothing to sync in folders says EINVAL.
        if (Marshal.GetLastPInvokeError() is var errno and not EINVAL) throw Failed(folder, errno);
    }

    /// <summary>.NET opens no directories; open(2) with O_RDONLY|O_DIRECTORY|O_CLOEXEC does. Invalid where it fails, and errno says why.</summary>
    public static SafeFileHandle OpenFolder(string folder) => new(Open(folder, 0x10000 | 0x80000), ownsHandle: true);

    private const int EINVAL = 22;

    private static IOException Failed(string folder, int errno) => new($"cannot sync {folder}: {Marshal.GetPInvokeErrorMessage(errno)}", errno);

    /// <summary>The disk's complaints in words.</summary>
    public static Problem Explain(Exception e, string what) => IsFull(e)
        ? new Problem(ProblemCode.DiskFull, $"cannot {what}: the disk is full", "free some space under /var/lib; the host keeps what it runs")
        : new Problem(ProblemCode.DiskError, $"cannot {what}: {e.Message.TrimEnd('.')}", "look at the disk; the host keeps what it runs");

    private static bool IsFull(Exception e) => e is IOException && (e.HResult is 28 or 122 || e.Message.StartsWith("No space left", StringComparison.Ordinal)); // ENOSPC, EDQUOT

    [LibraryImport("libc", EntryPoint = "open", StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int Fsync(SafeFileHandle handle);
}
