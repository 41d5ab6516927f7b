using System.Text;

namespace LivepatchAgent.Daemon.Kernel;

/// <summary>Small texts of /proc and /sys: what is missing, unreadable or too long is null.</summary>
internal static class SmallFile
{
    private const int MaxLength = 64 * 1024;

    /// <summary>The text without white space around it.</summary>
    public static string? Read(string path) => ReadBytes(path) is { } bytes ? Encoding.UTF8.GetString(bytes).Trim() : null;

    public static byte[]? ReadBytes(string path)
    {
        // Many of these are not there on most hosts, and an exception costs a check more than it costs to look.
        if (!File.Exists(path)) return null;
        try
        {
            // Files of /proc have no length of their own, those of /sys one that they do not reach: read to the end. One that has
            // its length is not asked for more: each read of a firmware's variable asks the firmware for all of it.
            using var handle = File.OpenHandle(path);
            var end = RandomAccess.GetLength(handle);
            var buffer = new byte[Math.Clamp(end, 4096, MaxLength)];
            var length = 0;
            while (true)
            {
                var read = RandomAccess.Read(handle, buffer.AsSpan(length), length);
                if (read == 0) return buffer[..length];
                length += read;
                if (length > MaxLength) return null;
                if (length == end) return buffer[..length];
                if (length == buffer.Length) Array.Resize(ref buffer, buffer.Length * 2);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
