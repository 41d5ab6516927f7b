using System.CommandLine;
using System.CommandLine.Parsing;
using LivepatchAgent.Cli.Terminals;
using LivepatchAgent.Shared.CommandLine;

namespace LivepatchAgent.Cli.Commands;

/// <summary>The verbs, and the edge of the program: every way in which a command line can end.</summary>
internal static class CommandLine
{
    private const string Description =
        "Keeps the running kernel patched without a reboot: queries and controls livepatch-agentd.";

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
            return ExitCode.Failed; // the reader has closed its end, as `| head` does: nobody is left to read a message
        }
        catch (IOException e)
        {
            return Last(surroundings, $"cannot write to standard output: {e.Message}; make room where the output goes");
        }
#pragma warning disable CA1031 // the edge of the program: a bug is one line, not a core dump
        catch (Exception e)
#pragma warning restore CA1031
        {
            var bug = $"cannot go on, this is a bug: {e.GetType().Name}: {e.Message}";
            return Last(surroundings, $"{bug}; please report it with the command that you ran");
        }
    }

    public static RootCommand Root(Surroundings surroundings)
    {
        var options = new SharedOptions(surroundings);
        var root = new RootCommand(Description)
        {
            StatusCommand.Make(options),
            EnableCommand.Make(options),
            DisableCommand.Make(options),
            RefreshCommand.Make(options),
            HoldCommand.Make(options),
            UnholdCommand.Make(options),
            PatchesCommand.Make(options),
            QuarantineCommand.Make(options),
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
        var parsed = ProgramArguments.Parse(Root(surroundings), args);
        var isEnable = parsed.CommandResult.Command.Name == EnableCommand.Name;
        Func<string, string> outOfPlace = isEnable ? _ => "enable takes one token and its options" : OutOfPlace;
        if (ProgramArguments.Error(parsed, "livepatch-agent", outOfPlace) is { } error)
        {
            surroundings.Error.WriteLine(error);
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

    /// <summary>What may be a token, or a part of one, is never repeated.</summary>
    private static string OutOfPlace(string word)
    {
        var mayBeToken = word.Length > LongestEcho || word.Contains("lpa1", StringComparison.Ordinal);
        if (mayBeToken) return "an argument is out of place";
        return $"\"{Style.Plain.Clean(word)}\" is not a valid verb or option here";
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
            // Nobody reads it; the exit code still shows the failure.
        }
        return ExitCode.Failed;
    }
}
