using System.CommandLine;
using LivepatchAgent.Cli.Local;
using LivepatchAgent.Cli.Terminals;
using LivepatchAgent.Cli.Views;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Modules;

namespace LivepatchAgent.Cli.Commands;

/// <summary>What a module's file says of itself. This program reads it; no daemon is asked.</summary>
internal static class InspectCommand
{
    private const string Description = "Show what a module's file says about itself; no signature is checked";

    public static Command Make(SharedOptions options)
    {
        var file = new Argument<string>("file") { Description = "The module" };
        var command = new Command("inspect", Description) { file, options.Format };
        command.SetAction(parsed => Run(options, parsed, parsed.GetRequiredValue(file)));
        return command;
    }

    private static int Run(SharedOptions options, ParseResult parsed, string path)
    {
        var surroundings = options.Surroundings;
        if (!ModuleFile.Read(path).TryGet(out var bytes, out var problem)) return Fail(surroundings, problem);
        if (!ModuleReader.Read(bytes).TryGet(out var facts, out problem))
            return Fail(surroundings, problem with { Message = $"{path}: {problem.Message}" });
        surroundings.Out.Write(parsed.GetValue(options.Format) switch
        {
            "json" => Documents.Json(ModuleJson.Write(facts)),
            "yaml" => Documents.Yaml(ModuleJson.Write(facts)),
            _ => ModuleText.Of(facts),
        });
        return ExitCode.Ok;
    }

    /// <summary>Words of a module are cleaned as <see cref="ModuleText"/> cleans them.</summary>
    private static int Fail(Surroundings surroundings, Problem problem)
    {
        surroundings.Error.WriteLine(PrintableText.Of(problem.ToString()));
        return ExitCode.Failed;
    }
}
