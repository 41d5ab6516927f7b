using System.CommandLine;
using LivepatchAgent.Cli.Views;

namespace LivepatchAgent.Cli.Commands;

internal static class PatchesCommand
{
    public static Command Make(SharedOptions options)
    {
        const string description = "Show every livepatch that the kernel has, and what each changes";
        var command = new Command("patches", description) { options.Format };
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
                "json" => Documents.Json(Documents.Patches(json)),
                "yaml" => Documents.Yaml(Documents.Patches(json)),
                _ => PatchesView.Render(reading.Status, surroundings.Now, surroundings.Style),
            });
            return ExitCode.Ok;
        });
    }
}
