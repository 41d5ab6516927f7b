using LivepatchAgent.Cli.Views;

namespace LivepatchAgent.Cli.Local;

/// <summary>How watching ended.</summary>
internal abstract record Followed
{
    private Followed()
    {
    }

    public sealed record Settled(StatusReading Reading) : Followed;

    /// <summary>Time ran out; the agent goes on. Null when no status was seen at all.</summary>
    public sealed record Ongoing(StatusReading? Last) : Followed;

    public sealed record Lost(ApiAnswer Answer) : Followed;
}

/// <summary>Watches the status by held calls until the agent has settled on a revision newer than the change asked for.</summary>
internal sealed class Follower(AgentClient client, TimeProvider clock, Progress progress)
{
    private const int LongestHold = 25;
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(250);

    public Followed Follow(long change, TimeSpan limit)
    {
        var start = clock.GetTimestamp();
        var after = change;
        StatusReading? last = null;
        while (true)
        {
            var left = limit - clock.GetElapsedTime(start);
            if (left <= TimeSpan.Zero) return new Followed.Ongoing(last);
            var answer = client.Status(after, (int)Math.Clamp(Math.Ceiling(left.TotalSeconds), 1, LongestHold));
            if (IsRestart(answer))
            {
                if (left <= Pause) return new Followed.Lost(answer);
                progress.Show("waiting for livepatch-agentd to come back");
                Thread.Sleep(Pause);
                continue;
            }
            if (answer is not ApiAnswer.Said { Success: true } said) return new Followed.Lost(answer);
            if (!StatusReader.Read(said.Body).TryGet(out var reading, out var unreadable))
                return new Followed.Lost(new ApiAnswer.Away(AwayKind.Unintelligible, unreadable.Message));
            last = reading;
            var revision = reading.Status.Revision;
            // A daemon that lost its count when it was restarted counts anew: whatever it settles on comes after the change, which it had saved.
            if (revision < change) change = 0;
            if (reading.Status.Settled && revision > change) return new Followed.Settled(reading);
            progress.Show(reading);
            if (revision == after) Thread.Sleep(Pause); // nothing new: a daemon that does not hold the call is not asked in a tight loop
            after = revision;
        }
    }

    /// <summary>Gone for a moment, as when systemd restarts it.</summary>
    private static bool IsRestart(ApiAnswer answer) => answer is ApiAnswer.Away { Kind: AwayKind.NoSocket or AwayKind.NotListening or AwayKind.HungUp or AwayKind.Unintelligible };
}
