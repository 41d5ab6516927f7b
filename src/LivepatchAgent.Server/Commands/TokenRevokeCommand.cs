using System.CommandLine;
using LivepatchAgent.Core;
using LivepatchAgent.Server.Registry;

namespace LivepatchAgent.Server.Commands;

/// <summary>`token revoke`.</summary>
internal static class TokenRevokeCommand
{
    public static Command Make()
    {
        var data = SharedOptions.Data();
        var id = new Argument<string>("ID") { Description = "As `token list` shows it" };
        var command = new Command(
            "revoke", "Stop a token from enrolling more machines; those it enrolled stay enrolled") { id, data };
        command.SetAction(parsed =>
        {
            if (!Administration.Open(parsed.GetRequiredValue(data)).TryGet(out var server, out var problem))
                return Failure.Report(problem);
            using var _ = server;
            var token = parsed.GetRequiredValue(id);
            return server.RevokeToken(token, TimeProvider.System.GetUtcNow())
                ? ExitCode.Ok
                : Failure.Report(new Problem(
                    ProblemCode.NotFound,
                    $"cannot revoke {token}: there is no such token",
                    "see `livepatch-server token list`"));
        });
        return command;
    }
}
