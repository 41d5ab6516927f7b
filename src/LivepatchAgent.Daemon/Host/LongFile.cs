using System.Buffers;

namespace LivepatchAgent.Daemon.Host;

/// <summary>How much of a file could be read from a place on; 0 at its end. As pread(2).</summary>
internal delegate int ReadAt(Span<byte> bytes, long offset);

/// <summary>Long texts of /proc and tracefs, line by line in one buffer: kallsyms alone has some 10 MB.</summary>
internal static class LongFile
{
    private const int BufferSize = 64 * 1024;

    public delegate void Line(ReadOnlySpan<byte> line);

    /// <summary>False when the file cannot be opened or read; lines before that were given.</summary>
    public static bool Read(string path, Line each)
    {
        try
        {
            using var handle = File.OpenHandle(path);
            Read((bytes, offset) => RandomAccess.Read(handle, bytes, offset), each);
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    /// <summary>The same of what is unpacked as it is read, up to so many bytes.</summary>
    public static void Read(Stream stream, int most, Line each) => Read(
        (bytes, _) =>
        {
            var read = stream.Read(bytes[..Math.Min(bytes.Length, most)]);
            most -= read;
            return read;
        },
        each);

    /// <summary>Of a file that need not be on a disk, as fuzzing has it.</summary>
    internal static void Read(ReadAt file, Line each)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(BufferSize);
        try
        {
            Read(file, buffer, each);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static void Read(ReadAt file, byte[] buffer, Line each)
    {
        var (kept, offset, isTooLong) = (0, 0L, false);
        while (true)
        {
            var read = file(buffer.AsSpan(kept), offset);
            if (read == 0) break;
            offset += read;
            var rest = buffer.AsSpan(0, kept + read);
            for (var end = rest.IndexOf((byte)'\n'); end >= 0; end = rest.IndexOf((byte)'\n'))
            {
                if (!isTooLong) each(rest[..end]);
                isTooLong = false;
                rest = rest[(end + 1)..];
            }

            // A line longer than the buffer means nothing, and neither does its end.
            if (rest.Length == buffer.Length)
            {
                rest = [];
                isTooLong = true;
            }

            rest.CopyTo(buffer);
            kept = rest.Length;
        }

        if (kept > 0 && !isTooLong) each(buffer.AsSpan(0, kept));
    }
}
