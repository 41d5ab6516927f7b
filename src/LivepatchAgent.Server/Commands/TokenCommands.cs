using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using LivepatchAgent.Core;
using LivepatchAgent.Server.Model;
using LivepatchAgent.Server.Registry;

namespace LivepatchAgent.Server.Commands;

/// <summary>`token create|list|revoke`: they work beside a running server and before its first start.</summary>
internal static class TokenCommands
{
    public static Command Create() => new("token", "Make, list and revoke enrolment tokens") { CreateVerb(), ListVerb(), RevokeVerb() };

    private sealed record Lifetime(TimeSpan? Length)
    {
        public override string ToString() => Length is { } length ? $"{length.TotalHours:0}h" : "never";
    }

    private static Command CreateVerb()
    {
        var data = Shared.Data();
        var url = Shared.Url();
        var uses = new Option<long>("--uses") { Description = "How many machines it enrols; 0 for no limit", HelpName = "N", DefaultValueFactory = _ => 1 };
        uses.Validators.Add(result =>
        {
            if (result.GetValue(uses) < 0) result.AddError("cannot use a negative number with --uses: 0 means no limit");
        });
        var expires = new Option<Lifetime>("--expires")
        {
            Description = "How long it may be used: a number with m, h or d, or never",
            HelpName = "24h|7d|never",
            DefaultValueFactory = _ => new Lifetime(TimeSpan.FromHours(24)),
            CustomParser = result => Parse(result.Tokens[0].Value) ?? Shared.Fail<Lifetime>(result, "it must be a number with m, h or d, or never"),
        };
        var note = new Option<string>("--note") { Description = "What it is for, for the list", HelpName = "TEXT", DefaultValueFactory = _ => "" };
        var systemCa = new Option<bool>("--system-ca") { Description = "Hosts judge the server's TLS certificate by their own CAs, not by a pin" };
        var threshold = new Option<int>("--threshold") { Description = "How many different publishers must sign what hosts load; a published pin set says it otherwise", HelpName = "N", DefaultValueFactory = _ => 1 };
        threshold.Validators.Add(result =>
        {
            if (result.GetValue(threshold) is < 1 or > 16) result.AddError("--threshold takes a count, 1 to 16");
        });
        var command = new Command("create", "Print a new token, and nothing else") { data, uses, expires, note, url, systemCa, threshold };
        command.SetAction(parsed =>
        {
            var now = TimeProvider.System.GetUtcNow();
            var wanted = new NewToken(parsed.GetRequiredValue(data), parsed.GetValue(url), parsed.GetValue(uses), now + parsed.GetRequiredValue(expires).Length, parsed.GetRequiredValue(note), parsed.GetValue(systemCa), parsed.GetValue(threshold));
            if (!TokenIssuer.Issue(wanted, now).TryGet(out var token, out var problem)) return Exit.Fail(problem);
            Console.WriteLine(token);
            return Exit.Ok;
        });
        return command;
    }

    private static Command ListVerb()
    {
        var (data, format) = (Shared.Data(), Shared.Format());
        var command = new Command("list", "List the tokens, never their secrets") { data, format };
        command.SetAction(parsed =>
        {
            if (!Administration.Open(parsed.GetRequiredValue(data)).TryGet(out var server, out var problem)) return Exit.Fail(problem);
            using var _ = server;
            IReadOnlyList<TokenRow> tokens = server.Tokens();
            Console.WriteLine(parsed.GetValue(format) == "json"
                ? JsonSerializer.Serialize(tokens, ListJson.Default.IReadOnlyListTokenRow)
                : Views.Tokens(tokens, TimeProvider.System.GetUtcNow()));
            return Exit.Ok;
        });
        return command;
    }

    private static Command RevokeVerb()
    {
        var data = Shared.Data();
        var id = new Argument<string>("ID") { Description = "As `token list` shows it" };
        var command = new Command("revoke", "Let a token enrol no more machines; those it enrolled stay") { id, data };
        command.SetAction(parsed =>
        {
            if (!Administration.Open(parsed.GetRequiredValue(data)).TryGet(out var server, out var problem)) return Exit.Fail(problem);
            using var _ = server;
            return server.RevokeToken(parsed.GetRequiredValue(id), TimeProvider.System.GetUtcNow())
                ? Exit.Ok
                : Exit.Fail(new Problem(ProblemCode.NotFound, $"cannot revoke {parsed.GetValue(id)}: there is no such token", "see `livepatch-server token list`"));
        });
        return command;
    }

    private static Lifetime? Parse(string text)
    {
        if (text == "never") return new Lifetime(null);
        if (text.Length < 2 || !uint.TryParse(text.AsSpan(0, text.Length - 1), NumberStyles.None, CultureInfo.InvariantCulture, out var number) || number is 0 or > 100_000) return null;
        return text[^1] switch
        {
            'm' => new Lifetime(TimeSpan.FromMinutes(number)),
            'h' => new Lifetime(TimeSpan.FromHours(number)),
            'd' => new Lifetime(TimeSpan.FromDays(number)),
            _ => null,
        };
    }
}
