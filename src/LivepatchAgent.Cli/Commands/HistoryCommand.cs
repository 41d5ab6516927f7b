using System.CommandLine;
using System.CommandLine.Parsing;
using System.Text.Json;
using LivepatchAgent.Cli.Local;
using LivepatchAgent.Cli.Views;
using LivepatchAgent.Core.History;

namespace LivepatchAgent.Cli.Commands;

internal static class HistoryCommand
{
    private const string Description =
        "Show what was offered, refused, loaded and asked for on this host, and by whom";

    private const int MaxEntries = 1000;

    private static readonly Option<int> Limit = new("--limit")
    {
        Description = "How many entries, the newest",
        HelpName = "count",
        DefaultValueFactory = _ => 50,
        CustomParser = ReadLimit,
    };

    private static readonly Option<bool> Verify = new("--verify")
    {
        Description = "Check that nothing was changed, cut out or cut off; exit code 1 if anything was",
    };

    public static Command Make(SharedOptions options)
    {
        var command = new Command("history", Description) { options.Format, Limit, Verify };
        command.SetAction(parsed => Run(options, parsed));
        return command;
    }

    private static int Run(SharedOptions options, ParseResult parsed)
    {
        var surroundings = options.Surroundings;
        var client = options.Client(parsed);
        var verify = parsed.GetValue(Verify);
        var answer = client.History(parsed.GetValue(Limit), verify);
        if (answer is not ApiAnswer.Reply { Success: true } reply)
            return Failure.Show(surroundings, answer, client.SocketPath);
        if (Read(reply.Body) is not { } history || (verify && history.Verification is null))
            return Failure.ShowUnintelligible(surroundings, "its answer is not a history", client.SocketPath);
        surroundings.Out.Write(parsed.GetValue(options.Format) switch
        {
            "json" => Documents.Json(reply.Body),
            "yaml" => Documents.Yaml(reply.Body),
            _ when verify => HistoryView.Verdict(history.Verification!, surroundings.Style),
            _ => HistoryView.Render(history, surroundings.Style),
        });
        return history.Verification is { Whole: false } ? ExitCode.Failed : ExitCode.Ok;
    }

    private static HistoryAnswer? Read(byte[] body)
    {
        try
        {
            return JsonSerializer.Deserialize(body, HistoryJson.Default.HistoryAnswer);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static int ReadLimit(ArgumentResult result)
    {
        if (int.TryParse(result.Tokens[0].Value, out var limit) && limit is >= 1 and <= MaxEntries) return limit;
        result.AddError($"--limit takes a count, 1 to {MaxEntries}");
        return 0;
    }
}
