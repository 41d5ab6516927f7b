using System.CommandLine;
using LivepatchAgent.Cli.Local;

namespace LivepatchAgent.Cli.Commands;

internal static class DisableCommand
{
    public static Command Make(SharedOptions options)
    {
        var command = new Command("disable", "Leave the server; the kernel keeps the patch that it runs until the host reboots");
        command.SetAction(parsed => Run(options, parsed));
        return command;
    }

    private static int Run(SharedOptions options, ParseResult parsed)
    {
        var surroundings = options.Surroundings;
        var client = options.Client(parsed);
        var answer = client.Disable();
        if (answer is not ApiAnswer.Said { Success: true }) return Failure.Tell(surroundings, answer, client.SocketPath);
        surroundings.Out.WriteLine("disabled: this host no longer checks in; a patch that the kernel runs stays until the host reboots");
        return ExitCode.Ok;
    }
}
