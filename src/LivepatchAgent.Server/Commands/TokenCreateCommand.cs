using System.CommandLine;
using System.Globalization;
using LivepatchAgent.Server.Registry;

namespace LivepatchAgent.Server.Commands;

/// <summary>`token create`.</summary>
internal static class TokenCreateCommand
{
    private const int MaxThreshold = 16;
    private const int MaxNumber = 100_000;

    public static Command Make()
    {
        var (data, url) = (SharedOptions.Data(), SharedOptions.Url());
        var (uses, expires, threshold) = (Uses(), Expires(), Threshold());
        var note = new Option<string>("--note")
        {
            Description = "What the token is for, as `token list` shows it",
            HelpName = "TEXT",
            DefaultValueFactory = _ => "",
        };
        var systemCa = new Option<bool>("--system-ca")
        {
            Description = "Hosts check the server's TLS certificate against their own CAs, not against a pin",
        };
        var command = new Command("create", "Print a new token, and nothing else")
        {
            data, uses, expires, note, url, systemCa, threshold,
        };
        command.SetAction(parsed =>
        {
            var now = TimeProvider.System.GetUtcNow();
            var wanted = new NewToken(
                parsed.GetRequiredValue(data),
                parsed.GetValue(url),
                parsed.GetValue(uses),
                now + parsed.GetRequiredValue(expires).Length,
                parsed.GetRequiredValue(note),
                parsed.GetValue(systemCa),
                parsed.GetValue(threshold));
            if (!TokenIssuer.Issue(wanted, now).TryGet(out var token, out var problem)) return Failure.Report(problem);
            Console.WriteLine(token);
            return ExitCode.Ok;
        });
        return command;
    }

    private static Option<long> Uses()
    {
        var option = new Option<long>("--uses")
        {
            Description = "How many machines it enrols; 0 for no limit",
            HelpName = "N",
            DefaultValueFactory = _ => 1,
        };
        option.Validators.Add(result =>
        {
            if (result.GetValue(option) < 0)
                result.AddError("cannot use a negative number with --uses: 0 means no limit");
        });
        return option;
    }

    private static Option<Lifetime> Expires() => new("--expires")
    {
        Description = "How long it can be used: a number with m, h or d, or never",
        HelpName = "24h|7d|never",
        DefaultValueFactory = _ => new Lifetime(TimeSpan.FromHours(24)),
        CustomParser = result => Lifetime.Read(result.Tokens[0].Value)
            ?? SharedOptions.Refuse<Lifetime>(result, "it must be a number with m, h or d, or never"),
    };

    private static Option<int> Threshold()
    {
        var option = new Option<int>("--threshold")
        {
            Description = "How many different publishers must sign what hosts load; a published pin set overrides it",
            HelpName = "N",
            DefaultValueFactory = _ => 1,
        };
        option.Validators.Add(result =>
        {
            if (result.GetValue(option) is < 1 or > MaxThreshold)
                result.AddError($"--threshold takes a count from 1 to {MaxThreshold}");
        });
        return option;
    }

    /// <param name="Length">Null for ever.</param>
    private sealed record Lifetime(TimeSpan? Length)
    {
        /// <summary>As `--help` names a default.</summary>
        public override string ToString() => Length is { } length ? $"{length.TotalHours:0}h" : "never";

        public static Lifetime? Read(string text)
        {
            if (text == "never") return new Lifetime((TimeSpan?)null);
            if (text.Length < 2) return null;
            var digits = text.AsSpan(0, text.Length - 1);
            if (!uint.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out var number)) return null;
            if (number is 0 or > MaxNumber) return null;
            return text[^1] switch
            {
                'm' => new Lifetime(TimeSpan.FromMinutes(number)),
                'h' => new Lifetime(TimeSpan.FromHours(number)),
                'd' => new Lifetime(TimeSpan.FromDays(number)),
                _ => null,
            };
        }
    }
}
