using System.CommandLine;
using System.CommandLine.Parsing;
using LivepatchAgent.Cli.Commands;
using LivepatchAgent.Shared;

namespace LivepatchAgent.Cli;

/// <summary>The verbs, and what happens to a command line that is none of them.</summary>
internal static class CommandLine
{
    private const int LongestEcho = 32;
    private const int BrokenPipe = 32; // EPIPE

    public static int Run(string[] args, Surroundings surroundings)
    {
        try
        {
            var code = Parse(args, surroundings);
            surroundings.Out.Flush();
            surroundings.Error.Flush();
            return code;
        }
        catch (IOException e) when (e.HResult == BrokenPipe)
        {
            return ExitCode.Failed; // whoever read has had enough, as of `| head`: nothing to tell, and nobody
        }
        catch (IOException e)
        {
            return Last(surroundings, $"cannot write to standard output: {e.Message}; free the place it goes to");
        }
#pragma warning disable CA1031 // the edge of the program: a bug is told in a line, not with a core dump
        catch (Exception e)
#pragma warning restore CA1031
        {
            return Last(surroundings, $"cannot go on, this is a bug: {e.GetType().Name}: {e.Message}; please report it with the command that you ran");
        }
    }

    public static RootCommand Root(Surroundings surroundings)
    {
        var options = new SharedOptions(surroundings);
        var root = new RootCommand("Keeps the running kernel patched without a reboot: asks and steers livepatch-agentd.")
        {
            StatusCommand.Make(options),
            EnableCommand.Make(options),
            DisableCommand.Make(options),
            RefreshCommand.Make(options),
            PatchesCommand.Make(options),
            CheckCommand.Make(options),
            FactsCommand.Make(options),
            InspectCommand.Make(options),
            HistoryCommand.Make(options),
            VersionCommand.Make("livepatch-agent"),
        };
        root.Add(HelpCommand.Make(root));
        root.Add(options.Socket);
        return root;
    }

    private static int Parse(string[] args, Surroundings surroundings)
    {
        // Response files ("@file") would read any file that an argument names.
        var parsed = Root(surroundings).Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null });
        if (parsed.Errors.Count > 0 && parsed.Action is not System.CommandLine.Help.HelpAction)
        {
            surroundings.Error.WriteLine($"cannot understand the command line: {Describe(parsed, args)}; see `livepatch-agent help`");
            return ExitCode.Usage;
        }
        return parsed.Invoke(new InvocationConfiguration
        {
            Output = surroundings.Out,
            Error = surroundings.Error,
            EnableDefaultExceptionHandler = false,
            ProcessTerminationTimeout = null,
        });
    }

    /// <summary>The first error in a line. What may be a token, or a part of one, is never repeated.</summary>
    private static string Describe(ParseResult parsed, string[] args)
    {
        if (args.Length == 0) return "it names no verb";
        if (parsed.CommandResult.Command.Name == EnableCommand.Name && parsed.UnmatchedTokens.Count > 0) return "enable takes one token and its options";
        if (parsed.UnmatchedTokens.Count > 0)
        {
            var word = parsed.UnmatchedTokens[0];
            return word.Length > LongestEcho || word.Contains("lpa1", StringComparison.Ordinal)
                ? "an argument is out of place"
                : $"\"{Views.Style.Plain.Clean(word)}\" is no verb or option that stands here";
        }
        var error = parsed.Errors[0].Message.ReplaceLineEndings(" ").Trim().TrimEnd('.');
        return error.Length > 0 ? char.ToLowerInvariant(error[0]) + error[1..] : "it is incomplete";
    }

    private static int Last(Surroundings surroundings, string line)
    {
        try
        {
            surroundings.Error.WriteLine(line);
            surroundings.Error.Flush();
        }
        catch (IOException)
        {
            // Nobody listens any more; the exit code still tells.
        }
        return ExitCode.Failed;
    }
}
