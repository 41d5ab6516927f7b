using System.CommandLine;
using System.CommandLine.Parsing;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Cli.Commands;

internal static class EnableCommand
{
    public const string Name = "enable";

    public static Command Make(SharedOptions options)
    {
        var token = new Argument<string?>("token")
        {
            Description = "What `livepatch-server token create` printed; "
                + $"{TokenSource.StandardInput} reads it from standard input, which keeps it out of the process list",
            Arity = ArgumentArity.ZeroOrOne,
        };
        var file = new Option<string?>("--token-file")
        {
            Description = $"File that holds the token; {TokenSource.StandardInput} for standard input",
            HelpName = "path",
        };
        const string description = "Enrol this host with a livepatch server and patch its kernel";
        var command = new Command(Name, description) { token, file, options.Timeout };
        command.Validators.Add(result =>
        {
            var given = Count(result.GetResult(token)) + Count(result.GetResult(file));
            if (given != 1) result.AddError("enable takes either a token or --token-file");
        });
        command.SetAction(parsed => Run(options, parsed, parsed.GetValue(token), parsed.GetValue(file)));
        return command;
    }

    private static int Count(SymbolResult? result) => result?.Tokens.Count ?? 0;

    private static int Run(SharedOptions options, ParseResult parsed, string? argument, string? file)
    {
        var surroundings = options.Surroundings;
        return TokenSource.Read(argument, file, surroundings).TryGet(out var token, out var problem)
            ? Change.Make(options, parsed, client => client.Enable(token), ActivityKind.Enrolling)
            : Failure.Show(surroundings, problem);
    }
}
