using System.CommandLine;

namespace LivepatchAgent.Cli.Commands;

internal static class RefreshCommand
{
    public static Command Make(SharedOptions options)
    {
        const string description = "Check in with the server now and apply what it offers";
        var command = new Command("refresh", description) { options.Timeout };
        command.SetAction(parsed => Change.Make(options, parsed, client => client.Refresh()));
        return command;
    }
}
