using System.Buffers;

namespace LivepatchAgent.Daemon.Kernel;

/// <summary>Long texts of /proc and tracefs, line by line in one buffer: kallsyms alone has some 10 MB.</summary>
internal static class LongFile
{
    private const int BufferSize = 64 * 1024;

    public delegate void Line(ReadOnlySpan<byte> line);

    /// <summary>False when the file cannot be opened or read; lines before that were given.</summary>
    public static bool Read(string path, Line each)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(BufferSize);
        try
        {
            using var handle = File.OpenHandle(path);
            Read(handle, buffer, each);
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static void Read(Microsoft.Win32.SafeHandles.SafeFileHandle handle, byte[] buffer, Line each)
    {
        var (kept, offset) = (0, 0L);
        while (true)
        {
            var read = RandomAccess.Read(handle, buffer.AsSpan(kept), offset);
            if (read == 0) break;
            offset += read;
            var rest = buffer.AsSpan(0, kept + read);
            for (var end = rest.IndexOf((byte)'\n'); end >= 0; end = rest.IndexOf((byte)'\n'))
            {
                each(rest[..end]);
                rest = rest[(end + 1)..];
            }

            // A line longer than the buffer is none that means anything.
            if (rest.Length == buffer.Length) rest = [];
            rest.CopyTo(buffer);
            kept = rest.Length;
        }

        if (kept > 0) each(buffer.AsSpan(0, kept));
    }
}
