using System.Text;
using LivepatchAgent.Core.History;
using LivepatchAgent.Shared.Files;

namespace LivepatchAgent.Daemon.Store;

/// <summary>A file of lines that grows at its end. A missing one is empty.</summary>
internal static class LineFile
{
    public delegate void LineAction(ReadOnlySpan<byte> line);

    private const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const int Block = 64 * 1024;

    /// <summary>Whole lines, or none: what was written of them is taken away again.</summary>
    public static void Append(string path, IEnumerable<string> lines)
    {
        var text = Encoding.UTF8.GetBytes(string.Concat(lines.Select(l => l + "\n")));
        if (text.Length == 0) return;
        var isNew = !File.Exists(path);
        using var file = new FileStream(path, new FileStreamOptions
        {
            Mode = FileMode.OpenOrCreate,
            Access = FileAccess.Write,
            Share = FileShare.Read,
            UnixCreateMode = Private,
            BufferSize = 0,
        });
        var before = file.Length;
        try
        {
            file.Position = before;
            file.Write(text);
            file.Flush(flushToDisk: true);
        }
        catch (IOException)
        {
            file.SetLength(before);
            throw;
        }

        if (isNew) AtomicFile.SyncFolder(Path.GetDirectoryName(path)!);
    }

    public static void CutOff(string path, long bytes)
    {
        using var file = new FileStream(path, FileMode.Open, FileAccess.Write);
        file.SetLength(file.Length - bytes);
        file.Flush(flushToDisk: true);
    }

    /// <summary>Each line without its end, an empty one for what is too long to be one.</summary>
    /// <returns>The count of bytes behind the last line end.</returns>
    public static long Read(string path, LineAction take)
    {
        if (!File.Exists(path)) return 0;
        using var handle = File.OpenHandle(path);
        var buffer = new byte[Block];
        var (position, held, skipped) = (0L, 0, 0L);
        while (true)
        {
            var read = RandomAccess.Read(handle, buffer.AsSpan(held), position);
            if (read == 0) return skipped + held;
            position += read;
            var rest = buffer.AsSpan(0, held + read);
            for (int end; (end = rest.IndexOf((byte)'\n')) >= 0; rest = rest[(end + 1)..])
            {
                take(skipped > 0 ? default : rest[..end]);
                skipped = 0;
            }

            if (rest.Length > HistoryLine.MaxLength)
            {
                skipped += rest.Length;
                rest = default;
            }

            rest.CopyTo(buffer);
            held = rest.Length;
        }
    }

    /// <summary>The first line; null when the file has no readable one.</summary>
    public static HistoryLine? Begin(string path)
    {
        using var handle = File.OpenHandle(path);
        var buffer = new byte[HistoryLine.MaxLength + 1];
        var text = buffer.AsSpan(0, RandomAccess.Read(handle, buffer, 0));
        var end = text.IndexOf((byte)'\n');
        return end < 0 ? null : HistoryLine.Read(text[..end], out _);
    }

    /// <summary>The last whole line, whether it can be believed (an empty file can), and the bytes behind it.</summary>
    public static (HistoryLine? Last, bool Readable, long Torn) End(string path)
    {
        if (!File.Exists(path)) return (null, true, 0);
        using var handle = File.OpenHandle(path);
        var length = RandomAccess.GetLength(handle);
        var buffer = new byte[Math.Min(length, 2 * (HistoryLine.MaxLength + 1))];
        var text = buffer.AsSpan(0, RandomAccess.Read(handle, buffer, length - buffer.Length));
        var end = text.LastIndexOf((byte)'\n');
        if (end < 0) return (null, length == text.Length, length == text.Length ? text.Length : 0);
        var torn = text.Length - end - 1;
        var line = text[..end];
        var last = HistoryLine.Read(line[(line.LastIndexOf((byte)'\n') + 1)..], out var fits);
        return (last, last is not null && fits, torn);
    }
}
