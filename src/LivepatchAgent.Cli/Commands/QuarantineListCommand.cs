using System.CommandLine;
using LivepatchAgent.Cli.Views;

namespace LivepatchAgent.Cli.Commands;

internal static class QuarantineListCommand
{
    public static Command Make(SharedOptions options)
    {
        const string description = "Show the patches that took this host down, and that it does not load again";
        var command = new Command("list", description) { options.Format };
        command.SetAction(parsed => Run(options, parsed));
        return command;
    }

    private static int Run(SharedOptions options, ParseResult parsed)
    {
        var surroundings = options.Surroundings;
        return StatusSource.Show(options, parsed, (json, reading) =>
        {
            surroundings.Out.Write(parsed.GetValue(options.Format) switch
            {
                "json" => Documents.Json(Documents.Quarantine(json)),
                "yaml" => Documents.Yaml(Documents.Quarantine(json)),
                _ => QuarantineView.Render(reading.Status.Quarantine, surroundings.Style),
            });
            return ExitCode.Ok;
        });
    }
}
