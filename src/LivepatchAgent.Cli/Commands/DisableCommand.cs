using System.CommandLine;
using LivepatchAgent.Cli.Local;

namespace LivepatchAgent.Cli.Commands;

internal static class DisableCommand
{
    private const string Description =
        "Leave the server; the kernel keeps the patch that it runs until the host reboots";

    private const string Done =
        "disabled: this host no longer checks in; a patch that the kernel runs stays until the host reboots";

    public static Command Make(SharedOptions options)
    {
        var command = new Command("disable", Description);
        command.SetAction(parsed => Run(options, parsed));
        return command;
    }

    private static int Run(SharedOptions options, ParseResult parsed)
    {
        var surroundings = options.Surroundings;
        var client = options.Client(parsed);
        var answer = client.Disable();
        if (answer is not ApiAnswer.Reply { Success: true })
            return Failure.Show(surroundings, answer, client.SocketPath);
        surroundings.Out.WriteLine(Done);
        return ExitCode.Ok;
    }
}
