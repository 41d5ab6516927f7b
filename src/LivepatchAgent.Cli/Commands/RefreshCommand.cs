using System.CommandLine;

namespace LivepatchAgent.Cli.Commands;

internal static class RefreshCommand
{
    public static Command Make(SharedOptions options)
    {
        var command = new Command("refresh", "Check in with the server now and apply what it offers") { options.Timeout };
        command.SetAction(parsed => Change.Make(options, parsed, client => client.Refresh()));
        return command;
    }
}
