using System.CommandLine;
using System.Globalization;

namespace LivepatchAgent.Publisher;

/// <summary>What several options must look like; the parser reports what does not.</summary>
internal static class OptionRules
{
    /// <summary>One line of text: 1 to <paramref name="max"/> characters, and no control characters.</summary>
    public static void OneLine<T>(this Option<T> option, int max) => option.Require(
        text => text.Length > 0 && text.Length <= max && !text.Any(char.IsControl),
        $"is one line of at most {max} characters");

    /// <summary>A whole number from 1.</summary>
    public static void FromOne(this Option<long> option) => option.Require(
        text => long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= 1,
        "is a whole number from 1");

    /// <param name="fits">Whether the text is one that the option takes.</param>
    /// <param name="rule">What it takes, to follow the option's name.</param>
    public static void Require<T>(this Option<T> option, Func<string, bool> fits, string rule) =>
        option.Validators.Add(result =>
        {
            if (result.Tokens is [var token] && !fits(token.Value)) result.AddError($"{option.Name} {rule}");
        });
}
