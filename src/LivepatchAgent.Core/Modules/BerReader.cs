using System.Formats.Asn1;
using System.Globalization;
using System.Text;

namespace LivepatchAgent.Core.Modules;

/// <summary>
/// Reads BER in place, one value after the other. What does not fit is an <see cref="AsnContentException"/>.
/// </summary>
internal ref struct BerReader(ReadOnlySpan<byte> rest)
{
    /// <summary>Those in use have up to 12 bytes; a longer one would only cost time.</summary>
    private const int MaxObjectId = 32;

    public ReadOnlySpan<byte> Rest { get; private set; } = rest;

    public readonly bool IsEmpty => Rest.IsEmpty;

    public static Asn1Tag Context(int number) => new(TagClass.ContextSpecific, number);

    public readonly bool IsNext(Asn1Tag tag) => !IsEmpty && Asn1Tag.Decode(Rest, out _).HasSameClassAndValue(tag);

    public BerReader Sequence() => Constructed(Asn1Tag.Sequence);

    public BerReader Set()
    {
        AsnDecoder.ReadSetOf(
            Rest,
            AsnEncodingRules.BER,
            out var offset,
            out var length,
            out var consumed,
            skipSortOrderValidation: true);
        return Into(offset, length, consumed);
    }

    /// <summary>A SEQUENCE under a tag of its own.</summary>
    public BerReader Constructed(Asn1Tag tag)
    {
        AsnDecoder.ReadSequence(Rest, AsnEncodingRules.BER, out var offset, out var length, out var consumed, tag);
        return Into(offset, length, consumed);
    }

    /// <summary>
    /// As dotted numbers. The library's own reader takes numbers of any size, and brings BigInteger into the program.
    /// </summary>
    public string ObjectId()
    {
        if (!IsNext(Asn1Tag.ObjectIdentifier)) throw new AsnContentException("there is no object identifier");
        var bytes = Value();
        if (bytes.Length is 0 or > MaxObjectId || bytes[^1] >= 0x80)
            throw new AsnContentException("an object identifier is malformed or too long");
        var text = new StringBuilder();
        var arc = 0UL;
        foreach (var octet in bytes)
        {
            if (arc >> (64 - 7) != 0) throw new AsnContentException("an object identifier has too large a number");
            arc = (arc << 7) | (octet & 0x7fu);
            if (octet >= 0x80) continue;
            if (text.Length == 0) AppendFirst(text, arc);
            else text.Append(CultureInfo.InvariantCulture, $".{arc}");
            arc = 0;
        }

        return text.ToString();
    }

    /// <summary>The first two numbers share one: 40 times the first of 0, 1 or 2, and the second.</summary>
    private static void AppendFirst(StringBuilder text, ulong arc)
    {
        var first = Math.Min(arc / 40, 2);
        text.Append(CultureInfo.InvariantCulture, $"{first}.{arc - (40 * first)}");
    }

    public ReadOnlySpan<byte> Integer()
    {
        var bytes = AsnDecoder.ReadIntegerBytes(Rest, AsnEncodingRules.BER, out var consumed);
        Rest = Rest[consumed..];
        return bytes;
    }

    /// <summary>The content of the next value, whatever its type.</summary>
    public ReadOnlySpan<byte> Value()
    {
        var content = Peek(out var consumed);
        Rest = Rest[consumed..];
        return content;
    }

    public void Skip() => Value();

    public readonly void End()
    {
        if (!IsEmpty) throw new AsnContentException("there is more than belongs there");
    }

    private BerReader Into(int offset, int length, int consumed)
    {
        var content = Rest.Slice(offset, length);
        Rest = Rest[consumed..];
        return new BerReader(content);
    }

    private readonly ReadOnlySpan<byte> Peek(out int consumed)
    {
        AsnDecoder.ReadEncodedValue(Rest, AsnEncodingRules.BER, out var offset, out var length, out consumed);
        return Rest.Slice(offset, length);
    }
}
