using System.CommandLine;
using System.CommandLine.Help;
using LivepatchAgent.Core.Modules;

namespace LivepatchAgent.Shared.CommandLine;

/// <summary>How all programs read their command lines. Compiled into each program that has verbs.</summary>
internal static class ProgramArguments
{
    /// <summary>EX_USAGE of sysexits.h: the exit code of a command line that cannot be understood.</summary>
    public const int UsageExitCode = 64;

    /// <summary>Without response files: "@file" would read any file that an argument names.</summary>
    public static ParseResult Parse(RootCommand root, string[] args) =>
        root.Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null });

    /// <summary>The first error in one line; null when the line is understood, or asks for help.</summary>
    /// <param name="program">Its name, as people type it.</param>
    /// <param name="outOfPlace">What is wrong with a word that has no place there; null for the usual text.</param>
    public static string? Error(ParseResult parsed, string program, Func<string, string>? outOfPlace = null)
    {
        if (parsed.Errors.Count == 0 || parsed.Action is HelpAction) return null;
        return $"cannot understand the command line: {First(parsed, outOfPlace ?? OutOfPlace)}; see `{program} help`";
    }

    private static string First(ParseResult parsed, Func<string, string> outOfPlace)
    {
        if (parsed.Tokens.Count == 0) return "it names no verb";
        if (parsed.UnmatchedTokens is [var word, ..]) return outOfPlace(word);
        var error = parsed.Errors[0].Message.ReplaceLineEndings(" ").Trim().TrimEnd('.');
        return error.Length == 0 ? "it is incomplete" : char.ToLowerInvariant(error[0]) + PrintableText.Of(error[1..]);
    }

    private static string OutOfPlace(string word) =>
        $"\"{PrintableText.Of(word)}\" is not a valid verb, option or argument here";
}
