using System.CommandLine;
using LivepatchAgent.Cli.Local;
using LivepatchAgent.Cli.Views;

namespace LivepatchAgent.Cli.Commands;

/// <summary>Gets the status for a verb that shows it: from the daemon, or, when it is away, as it last was.</summary>
internal static class StatusSource
{
    public static int Show(SharedOptions options, ParseResult parsed, Func<byte[], StatusReading, int> show)
    {
        var client = options.Client(parsed);
        var answer = client.Status();
        if (answer is ApiAnswer.Reply { Success: true } reply)
        {
            if (StatusReader.Read(reply.Body).TryGet(out var reading, out var unreadable))
                return show(reply.Body, reading);
            answer = new ApiAnswer.Away(AwayKind.Unintelligible, unreadable.Message);
        }

        var code = Failure.Show(options.Surroundings, answer, client.SocketPath);
        if (answer is ApiAnswer.Away) ShowLast(options, show);
        return code;
    }

    private static void ShowLast(SharedOptions options, Func<byte[], StatusReading, int> show)
    {
        var surroundings = options.Surroundings;
        if (LastStatus.Read(options.StatusFile) is not { } last) return;
        var at = last.Reading.Status.At;
        var written = $"written {Words.Ago(at, surroundings.Now)} ({Words.Instant(at)})";
        var line = $"what follows is the daemon's last status, {written}; the kernel may have moved on";
        surroundings.Error.WriteLine(line);
        surroundings.Error.Flush();
        show(last.Json, last.Reading);
    }
}
