using System.CommandLine;
using System.Text.Json;
using LivepatchAgent.Server.Registry;

namespace LivepatchAgent.Server.Commands;

/// <summary>`token list`.</summary>
internal static class TokenListCommand
{
    public static Command Make()
    {
        var (data, format) = (SharedOptions.Data(), SharedOptions.Format());
        var command = new Command("list", "List the tokens, never their secrets") { data, format };
        command.SetAction(parsed =>
        {
            if (!Administration.Open(parsed.GetRequiredValue(data)).TryGet(out var server, out var problem))
                return Failure.Report(problem);
            using var _ = server;
            var tokens = server.Tokens();
            Console.WriteLine(parsed.GetValue(format) == SharedOptions.Json
                ? JsonSerializer.Serialize(tokens, ListJson.Default.IReadOnlyListTokenRow)
                : Views.Tokens(tokens, TimeProvider.System.GetUtcNow()));
            return ExitCode.Ok;
        });
        return command;
    }
}
