using System.CommandLine;
using System.CommandLine.Parsing;
using LivepatchAgent.Cli.Commands;
using LivepatchAgent.Shared.CommandLine;

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
    private static string OutOfPlace(string word) => word.Length > LongestEcho || word.Contains("lpa1", StringComparison.Ordinal)
        ? "an argument is out of place"
        : $"\"{Views.Style.Plain.Clean(word)}\" is no verb or option that stands here";

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
