using System.Runtime.InteropServices;
using LivepatchAgent.Shared.Files;
using Microsoft.Win32.SafeHandles;

namespace LivepatchAgent.Daemon.Store;

/// <summary>
/// One daemon to a state folder: flock(2) on the folder itself, which a full or read-only disk does not hinder and
/// which ends with the process however that ends.
/// </summary>
internal sealed partial class FolderLock : IDisposable
{
    private const int ExclusiveAtOnce = 2 | 4; // LOCK_EX | LOCK_NB
    private const int EWOULDBLOCK = 11;

    private readonly SafeFileHandle? _folder;

    private FolderLock(SafeFileHandle? folder) => _folder = folder;

    /// <summary>
    /// Null when another process has the folder. One that cannot be used is nobody's: the journal will report it.
    /// </summary>
    public static FolderLock? Take(string folder)
    {
        try
        {
            const UnixFileMode mode = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
            Directory.CreateDirectory(folder, mode);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return new FolderLock(null);
        }

        var handle = AtomicFile.OpenFolder(folder);
        if (handle.IsInvalid || Flock(handle, ExclusiveAtOnce) == 0) return new FolderLock(handle);
        if (Marshal.GetLastPInvokeError() != EWOULDBLOCK) return new FolderLock(handle);
        handle.Dispose();
        return null;
    }

    public void Dispose() => _folder?.Dispose();

    [LibraryImport("libc", EntryPoint = "flock", SetLastError = true)]
    private static partial int Flock(SafeFileHandle file, int operation);
}
