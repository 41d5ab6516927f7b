using System.CommandLine;
using System.Text.Json;
using LivepatchAgent.Core;
using LivepatchAgent.Server.Model;
using LivepatchAgent.Server.Registry;

namespace LivepatchAgent.Server.Commands;

internal static class MachinesCommand
{
    public static Command Create()
    {
        var (data, format) = (Shared.Data(), Shared.Format());
        var command = new Command("machines", "List the enrolled machines and what they last said") { data, format, RevokeVerb() };
        command.SetAction(parsed =>
        {
            if (!Administration.Open(parsed.GetRequiredValue(data)).TryGet(out var server, out var problem)) return Exit.Fail(problem);
            using var _ = server;
            IReadOnlyList<MachineRow> machines = server.Machines();
            Console.WriteLine(parsed.GetValue(format) == "json" ? JsonSerializer.Serialize(machines, ListJson.Default.IReadOnlyListMachineRow) : Views.Machines(machines));
            return Exit.Ok;
        });
        return command;
    }

    private static Command RevokeVerb()
    {
        var data = Shared.Data();
        var id = new Argument<string>("ID") { Description = "As `machines` shows it" };
        var command = new Command("revoke", "Take a machine's credential away; it keeps what it runs") { id, data };
        command.SetAction(parsed =>
        {
            if (!Administration.Open(parsed.GetRequiredValue(data)).TryGet(out var server, out var problem)) return Exit.Fail(problem);
            using var _ = server;
            return server.RevokeMachine(parsed.GetRequiredValue(id), TimeProvider.System.GetUtcNow())
                ? Exit.Ok
                : Exit.Fail(new Problem(ProblemCode.NotFound, $"cannot revoke {parsed.GetValue(id)}: there is no such machine", "see `livepatch-server machines`"));
        });
        return command;
    }
}

internal static class PatchesCommand
{
    public static Command Create()
    {
        var (data, format) = (Shared.Data(), Shared.Format());
        var command = new Command("patches", "List the patches that were published here") { data, format };
        command.SetAction(parsed =>
        {
            if (!Administration.Open(parsed.GetRequiredValue(data)).TryGet(out var server, out var problem)) return Exit.Fail(problem);
            using var _ = server;
            IReadOnlyList<PatchRow> patches = server.Patches();
            Console.WriteLine(parsed.GetValue(format) == "json" ? JsonSerializer.Serialize(patches, ListJson.Default.IReadOnlyListPatchRow) : Views.Patches(patches));
            return Exit.Ok;
        });
        return command;
    }
}
