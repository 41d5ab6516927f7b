using System.Globalization;
using System.Text;

namespace LivepatchAgent.Cli.Terminals;

internal enum Mark
{
    Good,
    Wait,
    Bad,
}

/// <summary>How text looks: marks in the terminal's characters and colour, and foreign words made harmless.</summary>
internal sealed record Style(bool Colour, bool Unicode)
{
    public static readonly Style Plain = new(Colour: false, Unicode: true);

    public string Of(Mark mark) => mark switch
    {
        Mark.Good => Dress("32", Unicode ? "✓" : "[ok]"),
        Mark.Wait => Dress("33", Unicode ? "⧗" : "[..]"),
        _ => Dress("31", Unicode ? "✗" : "[!!]"),
    };

    /// <summary>
    /// Words from elsewhere on their way to a terminal. A task's name and a publisher's text may hold escape sequences,
    /// line ends or characters that turn the reading direction; none of them gets through.
    /// </summary>
    public string Clean(string text)
    {
        var clean = new StringBuilder(text.Length);
        foreach (var rune in text.EnumerateRunes())
            clean.Append(IsHarmless(rune) ? rune.ToString() : "?");
        return clean.ToString();
    }

    private bool IsHarmless(Rune rune)
    {
        if (rune.IsAscii) return rune.Value is >= 0x20 and < 0x7f;
        return Unicode && rune != Rune.ReplacementChar && IsVisible(Rune.GetUnicodeCategory(rune));
    }

    private static bool IsVisible(UnicodeCategory category) => category is not
        (UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.Surrogate
        or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator
        or UnicodeCategory.PrivateUse or UnicodeCategory.OtherNotAssigned);

    private string Dress(string colour, string text) => Colour ? $"\e[{colour}m{text}\e[0m" : text;
}
