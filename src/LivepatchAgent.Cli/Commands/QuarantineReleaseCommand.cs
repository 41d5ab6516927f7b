using System.CommandLine;
using LivepatchAgent.Cli.Local;

namespace LivepatchAgent.Cli.Commands;

internal static class QuarantineReleaseCommand
{
    private static readonly Argument<string> Name = new("name")
    {
        Description = "The module's name, the version, or the first characters of the manifest's digest",
    };

    public static Command Make(SharedOptions options)
    {
        const string description = "Let a patch that took this host down be loaded again, if it is assigned";
        var command = new Command("release", description) { Name };
        command.SetAction(parsed => Run(options, parsed, parsed.GetRequiredValue(Name)));
        return command;
    }

    private static int Run(SharedOptions options, ParseResult parsed, string name)
    {
        var surroundings = options.Surroundings;
        var client = options.Client(parsed);
        var answer = client.Release(name);
        if (answer is not ApiAnswer.Reply { Success: true })
            return Failure.Show(surroundings, answer, client.SocketPath);
        surroundings.Out.WriteLine(
            $"released: {surroundings.Style.Clean(name)} is no longer quarantined, and is loaded if it is assigned; "
            + "`livepatch-agent status` shows the result");
        return ExitCode.Ok;
    }
}
