using System.CommandLine;
using LivepatchAgent.Publisher.Commands;
using LivepatchAgent.Shared.CommandLine;

namespace LivepatchAgent.Publisher;

/// <summary>The verbs, and what happens to a command line that is none of them.</summary>
internal static class CommandLine
{
    public static async Task<int> RunAsync(string[] args, Surroundings surroundings)
    {
        try
        {
            return await ParseAsync(args, surroundings);
        }
        catch (IOException e)
        {
            return Last(surroundings, $"cannot write the output: {e.Message}");
        }
#pragma warning disable CA1031 // the edge of the program: a bug ends in one line, not in a core dump
        catch (Exception e)
#pragma warning restore CA1031
        {
            return Last(
                surroundings,
                $"cannot go on, this is a bug: {e.GetType().Name}: {e.Message}; "
                    + "please report it with the command that you ran");
        }
    }

    public static RootCommand Root(Surroundings surroundings)
    {
        var root = new RootCommand(
            "Signs livepatch modules with an offline key and publishes them to a livepatch-server.")
        {
            KeygenCommand.Make(surroundings),
            InspectCommand.Make(surroundings),
            SignCommand.Make(surroundings),
            ManifestCommand.Make(surroundings),
            ShowCommand.Make(surroundings),
            PublishCommand.Make(surroundings),
            WithdrawCommand.Make(surroundings),
            CosignCommand.Make(surroundings),
            WithdrawalCommand.Make(surroundings),
            PinsCommand.Make(surroundings),
            VersionCommand.Make("livepatch-publisher"),
        };
        root.Add(HelpCommand.Make(root));
        return root;
    }

    private static async Task<int> ParseAsync(string[] args, Surroundings surroundings)
    {
        var parsed = ProgramArguments.Parse(Root(surroundings), args);
        if (ProgramArguments.Error(parsed, "livepatch-publisher") is { } error)
        {
            surroundings.Error.WriteLine(error);
            return ExitCode.Usage;
        }

        return await parsed.InvokeAsync(new InvocationConfiguration
        {
            Output = surroundings.Out,
            Error = surroundings.Error,
            EnableDefaultExceptionHandler = false,
        });
    }

    private static int Last(Surroundings surroundings, string line)
    {
        try
        {
            surroundings.Error.WriteLine(line);
        }
        catch (IOException)
        {
            // Nobody reads standard error; the exit code still says that it failed.
        }

        return ExitCode.Failed;
    }
}
