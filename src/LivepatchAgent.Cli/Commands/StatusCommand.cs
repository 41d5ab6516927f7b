using System.CommandLine;
using LivepatchAgent.Cli.Local;
using LivepatchAgent.Cli.Views;

namespace LivepatchAgent.Cli.Commands;

internal static class StatusCommand
{
    public static Command Make(SharedOptions options)
    {
        var command = new Command("status", "Show the state of this host and its patches") { options.Format };
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
                "json" => Documents.Json(json),
                "yaml" => Documents.Yaml(json),
                _ => StatusView.Render(reading, surroundings.Now, surroundings.Style),
            });
            return ExitCode.OfStatus(reading);
        });
    }
}
