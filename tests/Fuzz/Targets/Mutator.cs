using System.Buffers.Binary;

namespace LivepatchAgent.Fuzz;

/// <summary>
/// Changes inputs of a corpus, without looking what becomes of it. The same seed makes the same inputs.
/// </summary>
internal sealed class Mutator(IReadOnlyList<byte[]> corpus, ulong seed, int maxLength)
{
    private static readonly ulong[] Interesting =
    [
        0, 1, 2, 7, 8, 16, 32, 63, 64, 65,
        0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xff00, 0xff20, 0xffff, 0x10000, 0x7fff_ffff, 0x8000_0000,
        0xffff_ffff, 0x1_0000_0000, 0x7fff_ffff_ffff_ffff, 0x8000_0000_0000_0000,
        0xffff_ffff_ffff_fff8, 0xffff_ffff_ffff_ffff,
    ];

    /// <summary>What may stand where another value is expected.</summary>
    private static readonly byte[][] Values =
    [
        "null"u8.ToArray(), "true"u8.ToArray(), "0"u8.ToArray(), "-1"u8.ToArray(), "1"u8.ToArray(),
        "65536"u8.ToArray(), "2147483648"u8.ToArray(), "9223372036854775807"u8.ToArray(), "1e400"u8.ToArray(),
        "0.5"u8.ToArray(), "\"\""u8.ToArray(), "\"x\""u8.ToArray(), "\"\\u0000\""u8.ToArray(),
        "\"\\ud800\""u8.ToArray(), "\"0001-01-01T00:00:00Z\""u8.ToArray(),
        "\"9999-12-31T23:59:59-14:00\""u8.ToArray(), "\"2027-02-30\""u8.ToArray(), "[]"u8.ToArray(),
        "[null]"u8.ToArray(), "[[]]"u8.ToArray(), "{}"u8.ToArray(), "[{}]"u8.ToArray(), "{\"kind\":null}"u8.ToArray(),
    ];

    private readonly byte[] _buffer = new byte[maxLength];
    private readonly IReadOnlyList<JsonPiece>[] _pieces = [.. corpus.Select(JsonPieces.Of)];
    private ulong _state = seed * 0x9e37_79b9_7f4a_7c15 | 1;

    /// <summary>Valid until the next call.</summary>
    public ReadOnlySpan<byte> Next()
    {
        var which = Below(corpus.Count);
        var original = corpus[which];
        var length = Math.Min(original.Length, maxLength);
        original.AsSpan(0, length).CopyTo(_buffer);
        // Bytes changed at random leave little of a document that a reader of JSON gets through: most of the time its
        // values are changed instead.
        if (_pieces[which].Count > 0 && length == original.Length && Below(4) > 0)
            return _buffer.AsSpan(0, ChangeValues(_pieces[which], length));
        for (var changes = 1 + Below(1 << Below(5)); changes > 0; changes--) length = Change(length);
        return _buffer.AsSpan(0, length);
    }

    /// <summary>From the end to the beginning, so that the places before stay where they are.</summary>
    private int ChangeValues(IReadOnlyList<JsonPiece> pieces, int length)
    {
        var end = length;
        for (var changes = 1 + Below(4); changes > 0; changes--)
        {
            var piece = pieces[Below(pieces.Count)];
            if (piece.End > end) continue;
            end = piece.Start;
            length = Below(3) switch
            {
                0 => Without(piece, length),
                1 => Replace(piece, Values[Below(Values.Length)], length),
                _ => Replace(piece, OtherValue(), length),
            };
        }

        return length;
    }

    /// <summary>With the comma behind it, or else the one before.</summary>
    private int Without(JsonPiece piece, int length)
    {
        var (start, end) = (piece.Start, piece.End);
        if (end < length && _buffer[end] == ',') end++;
        else if (start > 0 && _buffer[start - 1] == ',') start--;
        _buffer.AsSpan(end, length - end).CopyTo(_buffer.AsSpan(start));
        return length - (end - start);
    }

    private int Replace(JsonPiece piece, ReadOnlySpan<byte> value, int length)
    {
        var after = length - piece.End;
        if (piece.Value + value.Length + after > maxLength) return length;
        _buffer.AsSpan(piece.End, after).CopyTo(_buffer.AsSpan(piece.Value + value.Length));
        value.CopyTo(_buffer.AsSpan(piece.Value));
        return piece.Value + value.Length + after;
    }

    private ReadOnlySpan<byte> OtherValue()
    {
        var which = Below(corpus.Count);
        if (_pieces[which].Count == 0) return "0"u8;
        var piece = _pieces[which][Below(_pieces[which].Count)];
        return corpus[which].AsSpan(piece.Value, piece.End - piece.Value);
    }

    private int Change(int length)
    {
        var at = Below(length + 1);
        var rest = length - at;
        switch (Below(10))
        {
            case 0 when rest > 0:
                _buffer[at] ^= (byte)(1 << Below(8));
                return length;
            case 1 when rest > 0:
                _buffer[at] = (byte)Random();
                return length;
            case 2 when rest > 0:
                _buffer[at] += (byte)(Below(35) - 17);
                return length;
            case 3 or 4 when rest > 0:
                Number(
                    _buffer.AsSpan(at, rest),
                    Below(4) == 0 ? (ulong)Below(length + 1) : Interesting[Below(Interesting.Length)]);
                return length;
            case 5 when rest > 1: // a piece taken out
                var gone = 1 + Below(Math.Min(rest, 1 << Below(10)));
                _buffer.AsSpan(at + gone, rest - gone).CopyTo(_buffer.AsSpan(at));
                return length - gone;
            case 6 when length > 0 && length < maxLength: // a piece of itself, once more
                var from = Below(length);
                var more = Math.Min(maxLength - length, 1 + Below(Math.Min(length - from, 1 << Below(10))));
                return Insert(length, at, _buffer.AsSpan(from, more).ToArray());
            case 7: // a piece of another input
                var other = corpus[Below(corpus.Count)];
                if (other.Length == 0) return length;
                var start = Below(other.Length);
                var piece = 1 + Below(Math.Min(other.Length - start, 1 << Below(12)));
                return Insert(length, at, other.AsSpan(start, Math.Min(maxLength - length, piece)));
            case 8 when rest > 0 && Below(8) == 0: // cut off
                return at;
            case 9 when rest > 0: // one piece over another
                var source = Below(length);
                var count = Math.Min(rest, 1 + Below(Math.Min(length - source, 64)));
                _buffer.AsSpan(source, count).ToArray().CopyTo(_buffer, at);
                return length;
            default:
                return length;
        }
    }

    private int Insert(int length, int at, ReadOnlySpan<byte> piece)
    {
        _buffer.AsSpan(at, length - at).CopyTo(_buffer.AsSpan(at + piece.Length));
        piece.CopyTo(_buffer.AsSpan(at));
        return length + piece.Length;
    }

    /// <summary>In 1, 2, 4 or 8 bytes, of either order.</summary>
    private void Number(Span<byte> place, ulong value)
    {
        var width = 1 << Below(4);
        if (width > place.Length) return;
        Span<byte> bytes = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, value);
        bytes = bytes[..width];
        if (Below(2) == 0) bytes.Reverse();
        bytes.CopyTo(place);
    }

    private int Below(int bound) => bound <= 1 ? 0 : (int)(Random() % (uint)bound);

    /// <summary>xorshift64*: quick, and the same on every machine.</summary>
    private ulong Random()
    {
        _state ^= _state >> 12;
        _state ^= _state << 25;
        _state ^= _state >> 27;
        return (_state * 0x2545_f491_4f6c_dd1d) >> 16;
    }
}
