using System.CommandLine;
using LivepatchAgent.Cli.Local;

namespace LivepatchAgent.Cli.Commands;

internal static class UnholdCommand
{
    private const string Done =
        "no longer held: this host loads the patch that is assigned to it; "
        + "`livepatch-agent status` shows the result";

    public static Command Make(SharedOptions options)
    {
        var command = new Command("unhold", "End a hold: the patch that the server assigns is loaded again");
        command.SetAction(parsed => Run(options, parsed));
        return command;
    }

    private static int Run(SharedOptions options, ParseResult parsed)
    {
        var surroundings = options.Surroundings;
        var client = options.Client(parsed);
        var before = HoldCommand.Before(client);
        var answer = client.Unhold();
        if (answer is not ApiAnswer.Reply { Success: true })
            return Failure.Show(surroundings, answer, client.SocketPath);
        surroundings.Out.WriteLine(before is null ? "not held: nothing to end" : Done);
        return ExitCode.Ok;
    }
}
