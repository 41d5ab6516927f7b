using System.CommandLine;
using LivepatchAgent.Core;
using LivepatchAgent.Server.Registry;

namespace LivepatchAgent.Server.Commands;

/// <summary>`machines revoke`.</summary>
internal static class MachinesRevokeCommand
{
    public static Command Make()
    {
        var data = SharedOptions.Data();
        var id = new Argument<string>("ID") { Description = "As `machines` shows it" };
        var command = new Command(
            "revoke", "Revoke a machine's credential; the machine keeps the patch that it runs") { id, data };
        command.SetAction(parsed =>
        {
            if (!Administration.Open(parsed.GetRequiredValue(data)).TryGet(out var server, out var problem))
                return Failure.Report(problem);
            using var _ = server;
            var machine = parsed.GetRequiredValue(id);
            return server.RevokeMachine(machine, TimeProvider.System.GetUtcNow())
                ? ExitCode.Ok
                : Failure.Report(new Problem(
                    ProblemCode.NotFound,
                    $"cannot revoke {machine}: there is no such machine",
                    "see `livepatch-server machines`"));
        });
        return command;
    }
}
