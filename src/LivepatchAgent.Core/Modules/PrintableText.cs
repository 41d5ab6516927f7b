using System.Text;

namespace LivepatchAgent.Core.Modules;

/// <summary>
/// Text out of foreign files, safe to show: control characters could move a terminal's cursor or recolour it.
/// </summary>
public static class PrintableText
{
    public static string Of(string text)
    {
        if (!text.Any(IsUnsafe)) return text;
        var safe = new StringBuilder(text.Length);
        foreach (var c in text)
        {
            if (IsUnsafe(c)) safe.Append(System.Globalization.CultureInfo.InvariantCulture, $"\\u{(int)c:x4}");
            else safe.Append(c);
        }

        return safe.ToString();
    }

    /// <summary>
    /// Format characters turn the direction of what follows them; line and paragraph separators break the line.
    /// </summary>
    private static bool IsUnsafe(char c) => char.GetUnicodeCategory(c) is System.Globalization.UnicodeCategory.Control
        or System.Globalization.UnicodeCategory.Format or System.Globalization.UnicodeCategory.LineSeparator
        or System.Globalization.UnicodeCategory.ParagraphSeparator;
}
