using System.CommandLine;

namespace LivepatchAgent.Server.Commands;

/// <summary>`token create|list|revoke`: they work beside a running server and before its first start.</summary>
internal static class TokenCommand
{
    public static Command Make() => new("token", "Create, list and revoke enrolment tokens")
    {
        TokenCreateCommand.Make(),
        TokenListCommand.Make(),
        TokenRevokeCommand.Make(),
    };
}
