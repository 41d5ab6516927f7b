using System.CommandLine;
using System.Text;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Modules;
using LivepatchAgent.Publisher.Files;

namespace LivepatchAgent.Publisher.Commands;

/// <summary>What a module's file says of itself.</summary>
internal static class InspectCommand
{
    public static Command Make(Surroundings surroundings)
    {
        var file = new Argument<string>("FILE.ko") { Description = "The module" };
        var format = new Option<string>("--format") { Description = "text or json", DefaultValueFactory = _ => "text" };
        format.AcceptOnlyFromAmong("text", "json");
        var command = new Command(
            "inspect", "Show what a module's file says about itself; no signature is checked") { file, format };
        command.SetAction(parsed =>
        {
            var asJson = parsed.GetRequiredValue(format) == "json";
            return surroundings.Report(Run(surroundings, parsed.GetRequiredValue(file), asJson));
        });
        return command;
    }

    private static Problem? Run(Surroundings surroundings, string path, bool json)
    {
        if (!LocalFile.ReadModule(path).TryGet(out var bytes, out var problem)) return problem;
        if (!ModuleReader.Read(bytes).TryGet(out var facts, out problem))
            return problem with { Message = $"{path}: {problem.Message}" };
        if (json) surroundings.Out.WriteLine(Encoding.UTF8.GetString(ModuleJson.Write(facts)));
        else surroundings.Out.Write(ModuleText.Of(facts));
        return null;
    }
}
