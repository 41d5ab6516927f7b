using System.Runtime.InteropServices;
using System.Text;
using LivepatchAgent.Shared.Files;
using Microsoft.Win32.SafeHandles;

namespace LivepatchAgent.Daemon.Host;

/// <summary>Small texts of /proc, /sys and /etc.</summary>
internal static partial class SmallFile
{
    private const int MaxLength = 64 * 1024;
    private const int ENOENT = 2;
    private const int ReadOnlyAtOnce = 0x80000 | 0x800; // O_RDONLY | O_CLOEXEC | O_NONBLOCK

    /// <summary>The text without white space around it. Null for what is missing, unreadable or too long.</summary>
    public static string? Read(string path) => ReadBytes(path) is { } bytes ? Text(bytes) : null;

    /// <summary>Many of these are missing on most hosts, and to look costs less than an exception.</summary>
    public static byte[]? ReadBytes(string path) => File.Exists(path) ? BoundedFile.TryRead(path, MaxLength) : null;

    /// <summary>
    /// The same where it matters why there is no text: null means that there is no such file (ENOENT) and nothing
    /// else.
    /// </summary>
    /// <exception cref="IOException">It is there and cannot be read, or is longer than 64 KiB.</exception>
    public static string? ReadIfThere(string path) => ReadBytesIfThere(path) is { } bytes ? Text(bytes) : null;

    /// <inheritdoc cref="ReadIfThere"/>
    public static byte[]? ReadBytesIfThere(string path)
    {
        // Not File.Exists, which calls everything missing that it cannot look at.
        using var file = new SafeFileHandle(Open(path, ReadOnlyAtOnce), ownsHandle: true);
        if (file.IsInvalid)
        {
            var errno = Marshal.GetLastPInvokeError();
            if (errno == ENOENT) return null;
            throw new IOException($"{path}: {Marshal.GetPInvokeErrorMessage(errno)}", errno);
        }

        try
        {
            if (BoundedFile.Read(file, MaxLength) is { } bytes) return bytes;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // .NET does not know the name of a file that it was handed open.
            throw new IOException($"{path}: {e.Message.TrimEnd('.')}", e);
        }

        throw new IOException($"{path}: longer than {MaxLength >> 10} KiB");
    }

    private static string Text(byte[] bytes) => Encoding.UTF8.GetString(bytes).Trim();

    [LibraryImport("libc", EntryPoint = "open", StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    private static partial int Open(string path, int flags);
}
