namespace LivepatchAgent.Cli.Terminals;

/// <summary>What a stream can show.</summary>
/// <param name="Interactive">A terminal whose line can be rewritten.</param>
/// <param name="Colour">Whether colour is wanted (https://no-color.org).</param>
/// <param name="Utf8">Whether the locale has ✓, ⧗ and ✗.</param>
internal sealed record Terminal(bool Interactive, bool Colour, bool Utf8)
{
    public static Terminal Of(Func<string, string?> variable, bool isTerminal)
    {
        var interactive = isTerminal && variable("TERM") is { Length: > 0 } kind && kind != "dumb";
        return new Terminal(interactive, interactive && string.IsNullOrEmpty(variable("NO_COLOR")), IsUtf8(variable));
    }

    // The precedence is setlocale(3)'s: an empty variable counts as unset.
    private static bool IsUtf8(Func<string, string?> variable)
    {
        var locale = FirstSet(variable, "LC_ALL", "LC_CTYPE", "LANG");
        return locale.Contains("UTF-8", StringComparison.OrdinalIgnoreCase)
            || locale.Contains("UTF8", StringComparison.OrdinalIgnoreCase);
    }

    private static string FirstSet(Func<string, string?> variable, params ReadOnlySpan<string> names)
    {
        foreach (var name in names)
            if (variable(name) is { Length: > 0 } value) return value;
        return "";
    }
}
