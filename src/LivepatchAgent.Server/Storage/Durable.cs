using System.ComponentModel;
using System.Runtime.InteropServices;
using System.Text;

namespace LivepatchAgent.Server.Storage;

/// <summary>Files that are there whole or not at all, after a power cut too: temporary file, fsync, rename, fsync of the folder.</summary>
internal static partial class Durable
{
    public const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    public const UnixFileMode Public = OwnerOnly | UnixFileMode.GroupRead | UnixFileMode.OtherRead;

    public static void Write(string path, string text, UnixFileMode mode) => Write(path, Encoding.UTF8.GetBytes(text), mode);

    public static void Write(string path, ReadOnlySpan<byte> content, UnixFileMode mode)
    {
        var temporary = $"{path}.{Guid.NewGuid():N}.tmp";
        try
        {
            using (var file = Create(temporary, mode))
            {
                file.Write(content);
                file.Flush(flushToDisk: true);
            }

            Commit(temporary, path);
        }
        finally
        {
            File.Delete(temporary);
        }
    }

    public static FileStream Create(string path, UnixFileMode mode, int buffer = 0) =>
        new(path, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, Share = FileShare.None, UnixCreateMode = mode, BufferSize = buffer });

    /// <summary>The file is synced already.</summary>
    public static void Commit(string temporary, string path)
    {
        File.Move(temporary, path, overwrite: true);
        SyncFolder(Path.GetDirectoryName(path)!);
    }

    private static void SyncFolder(string folder)
    {
        const int O_RDONLY = 0, O_CLOEXEC = 0x80000;
        var fd = open(folder, O_RDONLY | O_CLOEXEC);
        if (fd < 0) throw new IOException($"cannot open {folder}", new Win32Exception(Marshal.GetLastPInvokeError()));
        var failed = fsync(fd) < 0;
        var errno = Marshal.GetLastPInvokeError();
        _ = close(fd);
        if (failed) throw new IOException($"cannot sync {folder}", new Win32Exception(errno));
    }

    // .NET opens no directories, so the folder's fsync is libc's.
    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int open(string path, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int fsync(int fd);

    [LibraryImport("libc")]
    private static partial int close(int fd);
}
