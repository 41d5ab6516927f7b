using System.CommandLine;

namespace LivepatchAgent.Cli.Commands;

internal static class QuarantineCommand
{
    public static Command Make(SharedOptions options) =>
        new("quarantine", "Show or release the patches that took this host down")
        {
            QuarantineListCommand.Make(options),
            QuarantineReleaseCommand.Make(options),
        };
}
