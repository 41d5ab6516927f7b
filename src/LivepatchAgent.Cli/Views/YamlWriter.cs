using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;

namespace LivepatchAgent.Cli.Views;

/// <summary>
/// JSON → YAML that means the same to YAML 1.1 and 1.2 readers: a string is left unquoted only where no reader could
/// take it for anything else. YamlDotNet is too large for a program that starts in milliseconds; tests read with it.
/// </summary>
internal static class YamlWriter
{
    private static readonly HashSet<string> Reserved = new(StringComparer.OrdinalIgnoreCase)
    {
        "null", "true", "false", "yes", "no", "on", "off", "y", "n",
    };

    /// <summary>What no reader takes for anything but text, once a letter stands first.</summary>
    private static readonly SearchValues<char> Harmless =
        SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 _-./+()");

    public static string Write(JsonElement element)
    {
        var text = new StringBuilder();
        if (IsBlock(element)) Block(text, element, 0, continuing: true);
        else text.Append(Inline(element)).Append('\n');
        return text.ToString();
    }

    private static bool IsBlock(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.Object => element.EnumerateObject().MoveNext(),
        JsonValueKind.Array => element.GetArrayLength() > 0,
        _ => false,
    };

    /// <param name="text">Where to.</param>
    /// <param name="element">An object or array that is not empty.</param>
    /// <param name="indent">Of its lines.</param>
    /// <param name="continuing">Whether the first line's indentation stands already.</param>
    private static void Block(StringBuilder text, JsonElement element, int indent, bool continuing)
    {
        if (element.ValueKind == JsonValueKind.Array)
        {
            foreach (var item in element.EnumerateArray())
            {
                Indent(text, indent, ref continuing).Append("- ");
                if (IsBlock(item)) Block(text, item, indent + 2, continuing: true);
                else text.Append(Inline(item)).Append('\n');
            }
            return;
        }
        foreach (var property in element.EnumerateObject())
        {
            Indent(text, indent, ref continuing).Append(Scalar(property.Name)).Append(':');
            if (IsBlock(property.Value)) Block(text.Append('\n'), property.Value, indent + 2, continuing: false);
            else text.Append(' ').Append(Inline(property.Value)).Append('\n');
        }
    }

    private static StringBuilder Indent(StringBuilder text, int indent, ref bool continuing)
    {
        if (!continuing) text.Append(' ', indent);
        continuing = false;
        return text;
    }

    private static string Inline(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.Object => "{}",
        JsonValueKind.Array => "[]",
        JsonValueKind.String => Text(element),
        JsonValueKind.Number => Number(element.GetRawText()),
        JsonValueKind.True => "true",
        JsonValueKind.False => "false",
        _ => "null",
    };

    private static string Text(JsonElement element)
    {
        try
        {
            return Scalar(element.GetString()!);
        }
        catch (InvalidOperationException)
        {
            return element.GetRawText(); // half a surrogate pair: not text, shown as the JSON escape that it is
        }
    }

    /// <summary>YAML 1.1 takes 1e5 for a string: a float needs its point and the exponent's sign.</summary>
    private static string Number(string json)
    {
        var e = json.AsSpan().IndexOfAny('e', 'E');
        if (e < 0) return json;
        var mantissa = json[..e];
        var exponent = json[(e + 1)..];
        var point = mantissa.Contains('.', StringComparison.Ordinal) ? "" : ".0";
        var sign = exponent[0] is '+' or '-' ? "" : "+";
        return $"{mantissa}{point}e{sign}{exponent}";
    }

    private static string Scalar(string value) => IsPlain(value) ? value : Quote(value);

    private static bool IsPlain(string value)
    {
        if (value.Length == 0 || !char.IsAsciiLetter(value[0]) || value[^1] == ' ') return false;
        return !Reserved.Contains(value) && !value.AsSpan().ContainsAnyExcept(Harmless);
    }

    private static string Quote(string value)
    {
        var text = new StringBuilder(value.Length + 2).Append('"');
        foreach (var rune in value.EnumerateRunes())
        {
            _ = rune.Value switch
            {
                '"' => text.Append("\\\""),
                '\\' => text.Append("\\\\"),
                '\n' => text.Append("\\n"),
                '\t' => text.Append("\\t"),
                _ when IsPrintable(rune) => text.Append(rune.ToString()),
                <= 0xff => text.Append(CultureInfo.InvariantCulture, $"\\x{rune.Value:x2}"),
                <= 0xffff => text.Append(CultureInfo.InvariantCulture, $"\\u{rune.Value:x4}"),
                _ => text.Append(CultureInfo.InvariantCulture, $"\\U{rune.Value:x8}"),
            };
        }
        return text.Append('"').ToString();
    }

    private static bool IsPrintable(Rune rune) => rune.Value == ' '
        || Rune.IsLetterOrDigit(rune) || Rune.IsPunctuation(rune) || Rune.IsSymbol(rune);
}
