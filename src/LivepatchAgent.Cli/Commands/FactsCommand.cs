using System.CommandLine;
using LivepatchAgent.Cli.Local;
using LivepatchAgent.Cli.Views;

namespace LivepatchAgent.Cli.Commands;

internal static class FactsCommand
{
    private const string Description =
        "Describe this host as JSON, for `check --host` elsewhere; nothing in it is secret";

    public static Command Make(SharedOptions options)
    {
        var objects = new Option<string[]>("--object")
        {
            HelpName = "name",
            Description = "Also describe this module, which is installed and not loaded; may be given several times",
            Arity = ArgumentArity.OneOrMore,
        };
        var command = new Command("facts", Description) { objects };
        command.SetAction(parsed => Run(options, parsed, parsed.GetValue(objects) ?? []));
        return command;
    }

    private static int Run(SharedOptions options, ParseResult parsed, string[] objects)
    {
        var surroundings = options.Surroundings;
        var client = options.Client(parsed);
        var answer = client.Facts(objects);
        if (answer is not ApiAnswer.Reply { Success: true } reply)
            return Failure.Show(surroundings, answer, client.SocketPath);
        surroundings.Out.Write(Documents.Json(reply.Body));
        return ExitCode.Ok;
    }
}
