using LivepatchAgent.Cli.Local;
using LivepatchAgent.Cli.Views;

namespace LivepatchAgent.Cli.Commands;

/// <summary>How watching ended.</summary>
internal abstract record WatchEnd
{
    private WatchEnd()
    {
    }

    /// <summary>The agent came to rest after the change.</summary>
    public sealed record Settlement(StatusReading Reading) : WatchEnd;

    /// <summary>Time ran out; the agent carries on. Null when no status was seen at all.</summary>
    public sealed record Timeout(StatusReading? Last) : WatchEnd;

    /// <summary>The daemon stopped answering.</summary>
    public sealed record Loss(ApiAnswer Answer) : WatchEnd;
}

/// <summary>Watches the status by held calls until the agent has settled on a revision newer than the change.</summary>
internal sealed class Follower(AgentClient client, TimeProvider clock, Progress progress)
{
    private const int LongestHold = 25;
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(250);

    /// <param name="change">The revision that the change was answered with.</param>
    /// <param name="limit">How long to watch.</param>
    public WatchEnd Follow(long change, TimeSpan limit)
    {
        var start = clock.GetTimestamp();
        var after = change;
        StatusReading? last = null;
        while (true)
        {
            var left = limit - clock.GetElapsedTime(start);
            if (left <= TimeSpan.Zero) return new WatchEnd.Timeout(last);
            var answer = client.Status(after, Hold(left));
            if (IsRestart(answer))
            {
                if (left <= Pause) return new WatchEnd.Loss(answer);
                progress.Show("waiting for livepatch-agentd to come back");
                Thread.Sleep(Pause);
                continue;
            }

            if (answer is not ApiAnswer.Reply { Success: true } reply) return new WatchEnd.Loss(answer);
            if (!StatusReader.Read(reply.Body).TryGet(out var reading, out var unreadable))
                return new WatchEnd.Loss(new ApiAnswer.Away(AwayKind.Unintelligible, unreadable.Message));
            last = reading;
            var revision = reading.Status.Revision;
            // A restarted daemon may count from zero again; it had saved the change, so what it settles on is newer.
            if (revision < change) change = 0;
            if (reading.Status.Settled && revision > change) return new WatchEnd.Settlement(reading);
            progress.Show(reading);
            // Nothing new: a daemon that does not hold calls is not asked in a tight loop.
            if (revision == after) Thread.Sleep(Pause);
            after = revision;
        }
    }

    private static int Hold(TimeSpan left) => (int)Math.Clamp(Math.Ceiling(left.TotalSeconds), 1, LongestHold);

    /// <summary>Gone for a moment, as when systemd restarts it.</summary>
    private static bool IsRestart(ApiAnswer answer) => answer is ApiAnswer.Away away && away.Kind
        is AwayKind.NoSocket or AwayKind.NotListening or AwayKind.HungUp or AwayKind.Unintelligible;
}
