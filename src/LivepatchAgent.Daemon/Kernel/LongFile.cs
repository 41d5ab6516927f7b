using System.Buffers;

namespace LivepatchAgent.Daemon.Kernel;

/// <summary>Long texts of /proc and tracefs, line by line in one buffer: kallsyms alone has some 10 MB.</summary>
internal static class LongFile
{
    private const int BufferSize = 64 * 1024;

    public delegate void Line(ReadOnlySpan<byte> line);

    private delegate int Source(Span<byte> bytes);

    /// <summary>False when the file cannot be opened or read; lines before that were given.</summary>
    public static bool Read(string path, Line each)
    {
        try
        {
            using var handle = File.OpenHandle(path);
            var offset = 0L;
            Read(bytes =>
            {
                var read = RandomAccess.Read(handle, bytes, offset);
                offset += read;
                return read;
            }, each);
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    /// <summary>The same of what is unpacked as it is read, up to so many bytes.</summary>
    public static void Read(Stream stream, int most, Line each) => Read(
        bytes =>
        {
            var read = stream.Read(bytes[..Math.Min(bytes.Length, most)]);
            most -= read;
            return read;
        },
        each);

    private static void Read(Source source, Line each)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(BufferSize);
        try
        {
            Read(source, buffer, each);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static void Read(Source source, byte[] buffer, Line each)
    {
        var kept = 0;
        while (true)
        {
            var read = source(buffer.AsSpan(kept));
            if (read == 0) break;
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
