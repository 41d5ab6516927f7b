using System.CommandLine;
using System.Text.Json;
using LivepatchAgent.Server.Registry;

namespace LivepatchAgent.Server.Commands;

/// <summary>`machines`.</summary>
internal static class MachinesCommand
{
    public static Command Make()
    {
        var (data, format) = (SharedOptions.Data(), SharedOptions.Format());
        var command = new Command("machines", "List the enrolled machines and their last reports")
        {
            data, format, MachinesRevokeCommand.Make(),
        };
        command.SetAction(parsed =>
        {
            if (!Administration.Open(parsed.GetRequiredValue(data)).TryGet(out var server, out var problem))
                return Failure.Report(problem);
            using var _ = server;
            var machines = server.Machines();
            Console.WriteLine(parsed.GetValue(format) == SharedOptions.Json
                ? JsonSerializer.Serialize(machines, ListJson.Default.IReadOnlyListMachineRow)
                : Views.Machines(machines));
            return ExitCode.Ok;
        });
        return command;
    }
}
