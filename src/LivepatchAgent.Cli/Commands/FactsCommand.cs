using System.CommandLine;
using LivepatchAgent.Cli.Local;
using LivepatchAgent.Cli.Views;

namespace LivepatchAgent.Cli.Commands;

internal static class FactsCommand
{
    public static Command Make(SharedOptions options)
    {
        var command = new Command("facts", "Describe this host as JSON, for `check --host` elsewhere; nothing in it is secret");
        command.SetAction(parsed =>
        {
            var client = options.Client(parsed);
            var answer = client.Facts();
            if (answer is not ApiAnswer.Said { Success: true } said) return Failure.Tell(options.Surroundings, answer, client.SocketPath);
            options.Surroundings.Out.Write(Documents.Json(said.Body));
            return ExitCode.Ok;
        });
        return command;
    }
}
