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
        try
        {
            // Files of /proc and /sys have no length of their own: read to the end.
            using var handle = File.OpenHandle(path);
            var buffer = new byte[4096];
            var length = 0;
            while (true)
            {
                var read = RandomAccess.Read(handle, buffer.AsSpan(length), length);
                if (read == 0) return buffer[..length];
                length += read;
                if (length > MaxLength) return null;
                if (length == buffer.Length) Array.Resize(ref buffer, buffer.Length * 2);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
