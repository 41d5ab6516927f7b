using System.CommandLine;
using System.Text.Json;
using LivepatchAgent.Server.Registry;

namespace LivepatchAgent.Server.Commands;

/// <summary>`patches`.</summary>
internal static class PatchesCommand
{
    public static Command Make()
    {
        var (data, format) = (SharedOptions.Data(), SharedOptions.Format());
        var command = new Command("patches", "List the patches that were published here") { data, format };
        command.SetAction(parsed =>
        {
            if (!Administration.Open(parsed.GetRequiredValue(data)).TryGet(out var server, out var problem))
                return Failure.Report(problem);
            using var _ = server;
            var patches = server.Patches();
            Console.WriteLine(parsed.GetValue(format) == SharedOptions.Json
                ? JsonSerializer.Serialize(patches, ListJson.Default.IReadOnlyListPatchRow)
                : Views.Patches(patches));
            return ExitCode.Ok;
        });
        return command;
    }
}
