namespace LivepatchAgent.Cli.Local;

/// <summary>Reads without trusting the length: a pipe and /dev/zero have none.</summary>
internal static class BoundedFile
{
    /// <summary>Null when the file cannot be read or holds more than <paramref name="limit"/> bytes.</summary>
    public static byte[]? Read(string path, int limit)
    {
        try
        {
            using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
            return Read(stream, limit);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            return null;
        }
    }

    public static byte[]? Read(Stream stream, int limit)
    {
        var bytes = new byte[limit + 1];
        var count = stream.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
        return count > limit ? null : bytes.AsSpan(0, count).ToArray();
    }
}
