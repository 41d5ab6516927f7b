using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace LivepatchAgent.Shared.Files;

/// <summary>
/// Files that are whole or as they were, after a power cut too: write beside, fsync, rename, fsync the folder. Compiled
/// into each program. Failures are <see cref="IOException"/> (its HResult is the errno) and
/// <see cref="UnauthorizedAccessException"/>.
/// </summary>
internal static partial class AtomicFile
{
    private const string Ending = ".new";
    private const int O_DIRECTORY = 0x10000;
    private const int O_CLOEXEC = 0x80000;
    private const int EINVAL = 22;

    /// <summary>The text in UTF-8.</summary>
    public static void Write(string path, string text, UnixFileMode mode) =>
        Write(path, Encoding.UTF8.GetBytes(text), mode);

    /// <summary>Several writers may write the same file at once: one of them wins.</summary>
    /// <param name="mode">The file has it from its first byte on.</param>
    /// <param name="replace">False: a file that exists is left alone, and this throws.</param>
    public static void Write(string path, ReadOnlySpan<byte> content, UnixFileMode mode, bool replace = true)
    {
        var beside = $"{path}.{Path.GetRandomFileName()}{Ending}";
        try
        {
            using (var file = Create(beside, mode))
            {
                file.Write(content);
                file.Flush(flushToDisk: true);
            }

            Commit(beside, path, replace);
        }
        catch
        {
            TryDelete(beside);
            throw;
        }
    }

    /// <summary>A new file to be written in pieces, then synced, closed and given to <see cref="Commit"/>.</summary>
    /// <param name="buffer">Bytes; 0 writes through.</param>
    public static FileStream Create(string path, UnixFileMode mode, int buffer = 0) => new(path, new FileStreamOptions
    {
        Mode = FileMode.CreateNew,
        Access = FileAccess.Write,
        Share = FileShare.None,
        UnixCreateMode = mode,
        BufferSize = buffer,
    });

    /// <summary>A synced file takes its place.</summary>
    public static void Commit(string beside, string path, bool replace = true)
    {
        File.Move(beside, path, replace);
        SyncFolder(Path.GetDirectoryName(Path.GetFullPath(path))!);
    }

    /// <summary>
    /// Removes what crashes left of writes to this file, as far as the disk permits. Only for a program that is the one
    /// writer of it.
    /// </summary>
    public static void RemoveLeftovers(string path)
    {
        var folder = Path.GetDirectoryName(path)!;
        if (!Directory.Exists(folder)) return;
        var beside = Directory.GetFiles(folder, Path.GetFileName(path) + ".*");
        foreach (var leftover in beside.Where(file => file.EndsWith(Ending, StringComparison.Ordinal)))
            TryDelete(leftover);
    }

    /// <summary>A rename is on the disk once its folder is, see fsync(2).</summary>
    public static void SyncFolder(string folder)
    {
        using var handle = OpenFolder(folder);
        if (handle.IsInvalid) throw Failure(folder, Marshal.GetLastPInvokeError());
        if (Fsync(handle) == 0) return;
        var errno = Marshal.GetLastPInvokeError();

        // A file system that has nothing to sync in folders says EINVAL.
        if (errno != EINVAL) throw Failure(folder, errno);
    }

    /// <summary>
    /// .NET opens no folders; open(2) does. The handle is invalid where that fails, and errno says why.
    /// </summary>
    public static SafeFileHandle OpenFolder(string folder) =>
        new(Open(folder, O_DIRECTORY | O_CLOEXEC), ownsHandle: true);

    private static void TryDelete(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The disk that could not write may not delete either; the first failure is the one to report.
        }
    }

    private static IOException Failure(string folder, int errno) =>
        new($"cannot sync {folder}: {Marshal.GetPInvokeErrorMessage(errno)}", errno);

    [LibraryImport("libc", EntryPoint = "open", StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int Fsync(SafeFileHandle handle);
}
