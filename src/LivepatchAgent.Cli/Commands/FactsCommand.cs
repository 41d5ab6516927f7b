using System.CommandLine;
using LivepatchAgent.Cli.Local;
using LivepatchAgent.Cli.Views;

namespace LivepatchAgent.Cli.Commands;

internal static class FactsCommand
{
    public static Command Make(SharedOptions options)
    {
        var objects = new Option<string[]>("--object") { HelpName = "name", Description = "Also describe this module, which is installed and not loaded; may be given several times", Arity = ArgumentArity.OneOrMore };
        var command = new Command("facts", "Describe this host as JSON, for `check --host` elsewhere; nothing in it is secret") { objects };
        command.SetAction(parsed =>
        {
            var client = options.Client(parsed);
            var answer = client.Facts(parsed.GetValue(objects) ?? []);
            if (answer is not ApiAnswer.Said { Success: true } said) return Failure.Tell(options.Surroundings, answer, client.SocketPath);
            options.Surroundings.Out.Write(Documents.Json(said.Body));
            return ExitCode.Ok;
        });
        return command;
    }
}
