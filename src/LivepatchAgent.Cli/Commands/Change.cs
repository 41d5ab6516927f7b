using System.CommandLine;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using LivepatchAgent.Cli.Local;
using LivepatchAgent.Cli.Terminals;
using LivepatchAgent.Cli.Views;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Cli.Commands;

/// <summary>Asks for a change, watches until the agent has settled, and shows the outcome.</summary>
internal static class Change
{
    private const string WhereItEnds = "`livepatch-agent status` shows how it ends";

    /// <param name="options">Where the daemon is, and how long to watch.</param>
    /// <param name="parsed">The command line.</param>
    /// <param name="ask">The call that makes the change.</param>
    /// <param name="first">
    /// What the agent does first, when that is known: it may be over before its status is seen.
    /// </param>
    public static int Make(
        SharedOptions options, ParseResult parsed, Func<AgentClient, ApiAnswer> ask, ActivityKind? first = null)
    {
        var surroundings = options.Surroundings;
        var client = options.Client(parsed);
        var answer = ask(client);
        // A daemon that ended during the call may have saved the change; its status shows once it is back.
        var isCutOff = answer is ApiAnswer.Away { Kind: AwayKind.HungUp };
        if (!isCutOff && answer is not ApiAnswer.Reply { Success: true })
            return Failure.Show(surroundings, answer, client.SocketPath);
        if (RevisionOf(answer) is not { } revision)
            return Failure.ShowUnintelligible(surroundings, "its answer names no revision", client.SocketPath);

        var progress = new Progress(surroundings.Out, surroundings.Terminal, surroundings.Style);
        if (!isCutOff && first is { } kind) progress.Show(new ActivityStatus { Kind = kind, Since = surroundings.Now });
        using var stop = PosixSignalRegistration.Create(PosixSignal.SIGINT, _ => StopWatching(surroundings, progress));
        var follower = new Follower(client, surroundings.Clock, progress);
        var end = follower.Follow(revision, TimeSpan.FromSeconds(parsed.GetValue(options.Timeout)));
        progress.End();
        return end switch
        {
            WatchEnd.Settlement settlement => Show(surroundings, settlement.Reading),
            WatchEnd.Timeout timeout => ShowOngoing(surroundings, timeout.Last),
            WatchEnd.Loss loss => Failure.Show(surroundings, loss.Answer, client.SocketPath),
            _ => throw new System.Diagnostics.UnreachableException(),
        };
    }

    private static int Show(Surroundings surroundings, StatusReading reading)
    {
        var status = reading.Status;
        var problem = ProblemOf(status);
        var style = surroundings.Style;
        if (problem is null || status.State is PatchState.Stalled)
        {
            var text = new StringBuilder(PatchStateView.Outcome(reading, surroundings.Now, style)).Append('\n');
            PatchStateView.Tasks(text, status.Activity, style);
            HoldView.Lines(text, status.Hold, style);
            surroundings.Out.Write(text);
        }

        surroundings.Out.Flush();
        var errorStyle = surroundings.ErrorStyle;
        if (problem is not null)
            surroundings.Error.WriteLine($"{errorStyle.Of(Mark.Bad)} {errorStyle.Clean(problem.ToString())}");
        return ExitCode.OfOutcome(reading);
    }

    private static Problem? ProblemOf(AgentStatus status)
    {
        var ofCheckIn = status.CheckIn.Result == CheckInResult.Failed ? status.CheckIn.Problem : null;
        return status.Problem ?? ofCheckIn;
    }

    private static int ShowOngoing(Surroundings surroundings, StatusReading? last)
    {
        var style = surroundings.Style;
        var doing = last?.Status.Activity is { } activity ? $": {Words.Activity(activity)}" : "";
        var text = new StringBuilder($"{style.Of(Mark.Wait)} still going on{doing}; {WhereItEnds}\n");
        PatchStateView.Tasks(text, last?.Status.Activity, style);
        surroundings.Out.Write(text);
        return ExitCode.Ongoing;
    }

    /// <summary>Ctrl-C ends the watching, not the change.</summary>
    private static void StopWatching(Surroundings surroundings, Progress progress)
    {
        progress.End();
        surroundings.Out.WriteLine($"no longer watching; the agent carries on, and {WhereItEnds}");
        surroundings.Out.Flush();
        Environment.Exit(ExitCode.Ongoing);
    }

    /// <summary>0 for a call that was cut off; null for a reply that names none.</summary>
    private static long? RevisionOf(ApiAnswer answer)
    {
        if (answer is not ApiAnswer.Reply reply) return 0;
        try
        {
            return JsonSerializer.Deserialize(reply.Body, WireJson.Default.ChangeAnswer)?.Revision;
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
