using System.Buffers;
using System.Text;

namespace LivepatchAgent.Core.Modules;

/// <summary>
/// An X.501 name as text, the last part first, as certificates' names are usually shown:
/// <c>CN=Our patches, O=Example</c>.
/// </summary>
internal static class DistinguishedName
{
    /// <summary>Real ones have up to eight parts; each costs a string.</summary>
    private const int MaxParts = 16, MaxValue = 128;

    private static readonly SearchValues<char> WantsQuotes = SearchValues.Create(",+=\"\n<>#;");

    public static string Of(BerReader name)
    {
        List<string> parts = [];
        while (!name.IsEmpty && parts.Count < MaxParts)
        {
            for (var set = name.Set(); !set.IsEmpty && parts.Count < MaxParts;)
            {
                var pair = set.Sequence();
                var type = pair.ObjectId();
                var isWide = pair.IsNext(new(System.Formats.Asn1.UniversalTagNumber.BMPString));
                parts.Add($"{Word(type)}={Quoted(Text(pair.Value(), isWide))}");
            }
        }

        parts.Reverse();
        return string.Join(", ", parts);
    }

    private static string Text(ReadOnlySpan<byte> value, bool isWide)
    {
        var encoding = isWide ? Encoding.BigEndianUnicode : Encoding.UTF8;
        var text = encoding.GetString(value[..Math.Min(value.Length, 4 * MaxValue)]);
        return text.Length <= MaxValue ? text : text[..MaxValue] + "…";
    }

    private static string Quoted(string text)
    {
        var isPlain = text.AsSpan().IndexOfAny(WantsQuotes) < 0 && text == text.Trim();
        return isPlain ? text : $"\"{text.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";
    }

    /// <summary>The short names of RFC 4519 and what else is seen in issuers' names.</summary>
    private static string Word(string type) => type switch
    {
        "2.5.4.3" => "CN",
        "2.5.4.5" => "SERIALNUMBER",
        "2.5.4.6" => "C",
        "2.5.4.7" => "L",
        "2.5.4.8" => "S",
        "2.5.4.10" => "O",
        "2.5.4.11" => "OU",
        "2.5.4.12" => "T",
        "1.2.840.113549.1.9.1" => "E",
        "0.9.2342.19200300.100.1.25" => "DC",
        _ => $"OID.{type}",
    };
}
