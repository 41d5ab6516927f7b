namespace LivepatchAgent.Cli.Tests;

/// <summary>What a terminal gets to see: marks, colour, and words from elsewhere.</summary>
public sealed class StyleTests
{
    [Theory]
    [InlineData("a\e[2Jb", "a?[2Jb")] // an escape sequence
    [InlineData("a\nb\rc\td\u007f", "a?b?c?d?")]
    [InlineData("a\u202eb\u200fc", "a?b?c")] // turns the reading direction
    [InlineData("a\u0085b\u009bc\u2028d\u2029e", "a?b?c?d?e")] // controls and line ends beyond ASCII
    [InlineData("a\ue000b\ufffdc", "a?b?c")] // private use; what decoding put for a broken byte
    [InlineData("grün ✓ 😀", "grün ✓ 😀")]
    [InlineData("", "")]
    public void Clean_OfForeignText_LetsNoControlThrough(string foreign, string clean) =>
        Assert.Equal(clean, Style.Plain.Clean(foreign));

    [Fact]
    public void Clean_OfHalfASurrogatePair_LeavesAMark() => Assert.Equal("a?b", Style.Plain.Clean($"a{'\ud800'}b"));

    [Fact]
    public void Clean_WhereTheLocaleIsNotUtf8_LeavesAsciiOnly() =>
        Assert.Equal("gr?n ? ~", new Style(Colour: false, Unicode: false).Clean("grün ✓ ~"));

    [Theory]
    [InlineData(false, true, "✓⧗✗")]
    [InlineData(false, false, "[ok][..][!!]")]
    [InlineData(true, true, "\e[32m✓\e[0m\e[33m⧗\e[0m\e[31m✗\e[0m")]
    [InlineData(true, false, "\e[32m[ok]\e[0m\e[33m[..]\e[0m\e[31m[!!]\e[0m")]
    public void Marks_AreInTheTerminalsColoursAndCharacters(bool colour, bool unicode, string marks)
    {
        var style = new Style(colour, unicode);
        Assert.Equal(marks, string.Concat(Enum.GetValues<Mark>().Select(style.Of)));
    }

    /// <summary>TERM, NO_COLOR (https://no-color.org) and the locale, for a stream that is a terminal.</summary>
    [Theory]
    [InlineData("xterm", null, true, true)]
    [InlineData("xterm", "1", true, false)]
    [InlineData("xterm", "", true, true)]
    [InlineData("dumb", null, false, false)]
    [InlineData("", null, false, false)]
    [InlineData(null, null, false, false)]
    public void Terminal_OfItsKind_HasColourOrNot(string? term, string? noColor, bool interactive, bool colour)
    {
        (string, string?)[] variables = [("TERM", term), ("NO_COLOR", noColor)];
        Assert.Equal(new Terminal(interactive, colour, Utf8: false), Of(isTerminal: true, variables));
        Assert.Equal(new Terminal(false, false, Utf8: false), Of(isTerminal: false, variables));
    }

    /// <summary>The precedence is setlocale(3)'s; an empty variable counts as unset.</summary>
    [Theory]
    [InlineData(null, null, "C.UTF-8", true)]
    [InlineData(null, null, "de_DE.utf8", true)]
    [InlineData(null, null, "C", false)]
    [InlineData(null, null, null, false)]
    [InlineData("POSIX", null, "C.UTF-8", false)]
    [InlineData(null, "POSIX", "C.UTF-8", false)]
    [InlineData("C.UTF-8", "POSIX", "C", true)]
    [InlineData("", "", "C.UTF-8", true)]
    public void Terminal_OfItsLocale_IsUtf8OrNot(string? all, string? ctype, string? lang, bool utf8) =>
        Assert.Equal(utf8, Of(isTerminal: true, ("LC_ALL", all), ("LC_CTYPE", ctype), ("LANG", lang)).Utf8);

    private static Terminal Of(bool isTerminal, params (string Name, string? Value)[] variables)
    {
        var values = variables.ToDictionary(variable => variable.Name, variable => variable.Value);
        return Terminal.Of(values.GetValueOrDefault, isTerminal);
    }
}
