using Microsoft.Win32.SafeHandles;

namespace LivepatchAgent.Shared.Files;

/// <summary>
/// Whole files of a bounded size. The size that the system gives is a hint: files of /proc and pipes have none, those
/// of /sys claim a page and hold less, /dev/zero has no end. Compiled into each program.
/// </summary>
internal static class BoundedFile
{
    private const int FirstBuffer = 4096;

    /// <summary>
    /// Null when the file is missing, cannot be read or has more than <paramref name="limit"/> bytes.
    /// </summary>
    public static byte[]? TryRead(string path, int limit)
    {
        try
        {
            // Shared with writers: a lock that one of them holds is no reason not to look.
            using var file = File.OpenHandle(path, share: FileShare.ReadWrite | FileShare.Delete);
            return Read(file, limit);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException
            or ArgumentException or NotSupportedException)
        {
            return null;
        }
    }

    /// <summary>From the start to the end. Null when there are more than <paramref name="limit"/> bytes.</summary>
    /// <exception cref="IOException">Reading failed.</exception>
    public static byte[]? Read(SafeFileHandle file, int limit)
    {
        var hint = Length(file);
        using var pipe = hint is null ? new FileStream(file, FileAccess.Read, bufferSize: 0) : null;
        if (hint > limit) return null;
        var most = limit + 1L;
        var buffer = new byte[Math.Min(Math.Max(hint ?? 0, FirstBuffer), most)];
        var length = 0;
        while (true)
        {
            var rest = buffer.AsSpan(length);
            var read = pipe?.Read(rest) ?? RandomAccess.Read(file, rest, length);
            length += read;
            if (length > limit) return null;

            // At its hint a file is not asked for more: each read of a firmware's variable asks the firmware for all of
            // it.
            if (read == 0 || length == hint) return length == buffer.Length ? buffer : buffer[..length];
            if (length == buffer.Length) Array.Resize(ref buffer, (int)Math.Min(2L * length, most));
        }
    }

    /// <summary>Null for a pipe, which has neither a length nor places to read at.</summary>
    private static long? Length(SafeFileHandle file)
    {
        try
        {
            return RandomAccess.GetLength(file);
        }
        catch (NotSupportedException)
        {
            return null;
        }
    }
}
