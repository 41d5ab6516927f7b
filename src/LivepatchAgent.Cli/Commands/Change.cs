using System.CommandLine;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using LivepatchAgent.Cli.Local;
using LivepatchAgent.Cli.Views;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Cli.Commands;

/// <summary>Asks for a change, watches until the agent has settled, and says what came of it.</summary>
internal static class Change
{
    /// <param name="first">What the agent does once it has taken the change, when that is known: it may be over before its status is seen.</param>
    public static int Make(SharedOptions options, ParseResult parsed, Func<AgentClient, ApiAnswer> ask, ActivityKind? first = null)
    {
        var surroundings = options.Surroundings;
        var client = options.Client(parsed);
        var answer = ask(client);
        // A daemon that was ended on the way may have saved what was asked: systemd starts it again, and its status tells.
        var hungUp = answer is ApiAnswer.Away { Kind: AwayKind.HungUp };
        if (!hungUp && answer is not ApiAnswer.Said { Success: true }) return Failure.Tell(surroundings, answer, client.SocketPath);
        if ((answer is ApiAnswer.Said said ? RevisionOf(said.Body) : 0) is not { } revision)
            return Failure.Tell(surroundings, new ApiAnswer.Away(AwayKind.Unintelligible, "its answer names no revision"), client.SocketPath);

        var progress = new Progress(surroundings.Out, surroundings.Terminal, surroundings.Style);
        if (!hungUp && first is { } kind) progress.Show(new ActivityStatus { Kind = kind, Since = surroundings.Now });
        using var stop = PosixSignalRegistration.Create(PosixSignal.SIGINT, _ => StopWatching(surroundings, progress));
        var followed = new Follower(client, surroundings.Clock, progress).Follow(revision, TimeSpan.FromSeconds(parsed.GetValue(options.Timeout)));
        progress.End();
        return followed switch
        {
            Followed.Settled settled => Tell(surroundings, settled.Reading),
            Followed.Ongoing ongoing => TellOngoing(surroundings, ongoing.Last),
            Followed.Lost lost => Failure.Tell(surroundings, lost.Answer, client.SocketPath),
            _ => throw new System.Diagnostics.UnreachableException(),
        };
    }

    private static int Tell(Surroundings surroundings, StatusReading reading)
    {
        var code = ExitCode.OfOutcome(reading);
        var problem = reading.Status.Problem ?? (reading.Status.CheckIn.Result == CheckInResult.Failed ? reading.Status.CheckIn.Problem : null);
        var style = surroundings.Style;
        if (problem is null || reading.Status.State is PatchState.Stalled)
        {
            var text = new StringBuilder(PatchStateView.Outcome(reading, surroundings.Now, style)).Append('\n');
            PatchStateView.Tasks(text, reading.Status.Activity, style);
            surroundings.Out.Write(text);
        }
        surroundings.Out.Flush();
        if (problem is not null) surroundings.Error.WriteLine($"{surroundings.ErrorStyle.Of(Mark.Bad)} {surroundings.ErrorStyle.Clean(problem.ToString())}");
        return code;
    }

    private static int TellOngoing(Surroundings surroundings, StatusReading? last)
    {
        var doing = last?.Status.Activity is { } activity ? $": {Words.Activity(activity)}" : "";
        var text = new StringBuilder($"{surroundings.Style.Of(Mark.Wait)} still going on{doing}; `livepatch-agent status` shows how it ends\n");
        PatchStateView.Tasks(text, last?.Status.Activity, surroundings.Style);
        surroundings.Out.Write(text);
        return ExitCode.Ongoing;
    }

    /// <summary>Ctrl-C ends the watching, not the change.</summary>
    private static void StopWatching(Surroundings surroundings, Progress progress)
    {
        progress.End();
        surroundings.Out.WriteLine("no longer watching; the agent goes on, and `livepatch-agent status` shows how it ends");
        surroundings.Out.Flush();
        Environment.Exit(ExitCode.Ongoing);
    }

    private static long? RevisionOf(byte[] body)
    {
        try
        {
            return JsonSerializer.Deserialize(body, WireJson.Default.ChangeAnswer)?.Revision;
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
