using System.Globalization;
using System.Text;

namespace LivepatchAgent.Cli.Local;

/// <summary>Gathers the bytes of one HTTP answer, bounded, until it is whole or cannot become so.</summary>
internal sealed class HttpAnswer(int maxBytes = HttpAnswer.MaxBytes)
{
    public const int MaxBytes = 1 << 20;

    private byte[] _bytes = new byte[8192];
    private int _count;
    private Head? _head;

    public Span<byte> Room()
    {
        if (_count == _bytes.Length) Array.Resize(ref _bytes, Math.Min(_bytes.Length * 2, maxBytes + 1));
        return _bytes.AsSpan(_count);
    }

    /// <summary>Takes what was read into <see cref="Room"/>, 0 for the end; null while more must come.</summary>
    public ApiAnswer? Take(int count)
    {
        _count += count;
        if (_count > maxBytes) return TooLong();
        if (_head is null)
        {
            var end = _bytes.AsSpan(0, _count).IndexOf("\r\n\r\n"u8);
            if (end < 0) return count > 0 ? null : HungUp();
            _head = Head.Read(Encoding.Latin1.GetString(_bytes, 0, end), end + 4);
            if (_head is null) return Bad("its answer is not HTTP");
            if (_head.Length > maxBytes) return TooLong();
        }
        var body = _count - _head.Size;
        if (_head.Length is { } length && body >= length) return Whole((int)length);
        if (count > 0) return null;
        return _head.Length is null ? Whole(body) : HungUp();
    }

    private ApiAnswer.Reply Whole(int length) => new(_head!.Code, _bytes.AsSpan(_head.Size, length).ToArray());

    private ApiAnswer.Away HungUp() =>
        new(AwayKind.HungUp, _count == 0 ? "it hung up without an answer" : "its answer is cut off");

    private ApiAnswer.Away TooLong() => Bad($"its answer is longer than {maxBytes >> 20} MiB");

    private static ApiAnswer.Away Bad(string why) => new(AwayKind.Unintelligible, why);

    /// <param name="Code">The status code.</param>
    /// <param name="Length">Of the body; null when it goes on to the end of the connection.</param>
    /// <param name="Size">Bytes of the head, its empty line included.</param>
    private sealed record Head(int Code, long? Length, int Size)
    {
        public static Head? Read(string text, int size)
        {
            // "HTTP/1.1 200 OK"
            var lines = text.Split("\r\n");
            if (lines[0].Length < 12 || !lines[0].StartsWith("HTTP/1.", StringComparison.Ordinal)) return null;
            if (!int.TryParse(lines[0].AsSpan(9, 3), NumberStyles.None, null, out var code)) return null;
            long? length = null;
            foreach (var line in lines.AsSpan(1))
            {
                var colon = line.IndexOf(':');
                if (colon < 0) return null;
                var name = line.AsSpan(0, colon);
                // Chunks answer HTTP/1.1 only, and this asks as 1.0.
                if (name.Equals("Transfer-Encoding", StringComparison.OrdinalIgnoreCase)) return null;
                if (!name.Equals("Content-Length", StringComparison.OrdinalIgnoreCase)) continue;
                if (!long.TryParse(line.AsSpan(colon + 1).Trim(), NumberStyles.None, null, out var value)) return null;
                length = value;
            }
            return new Head(code, length, size);
        }
    }
}
