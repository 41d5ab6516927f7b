using System.Collections.Concurrent;
using Microsoft.Extensions.Time.Testing;

namespace LivepatchAgent.Daemon.Tests.Surroundings;

/// <summary>A clock that stands still, and knows what somebody waits for next.</summary>
internal sealed class ManualTime() : FakeTimeProvider(new DateTimeOffset(2026, 11, 23, 12, 0, 0, TimeSpan.Zero))
{
    private readonly ConcurrentDictionary<Watched, DateTimeOffset> _due = [];

    public TimeSpan? ToNextTimer
    {
        get
        {
            var now = GetUtcNow();
            DateTimeOffset[] ahead = [.. _due.Values.Where(d => d > now)];
            return ahead.Length == 0 ? null : ahead.Min() - now;
        }
    }

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new Watched(this, base.CreateTimer(callback, state, dueTime, period));
        timer.Note(dueTime);
        return timer;
    }

    private sealed class Watched(ManualTime time, ITimer timer) : ITimer
    {
        public void Note(TimeSpan due)
        {
            if (due == Timeout.InfiniteTimeSpan) time._due.TryRemove(this, out _);
            else time._due[this] = time.GetUtcNow() + due;
        }

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            Note(dueTime);
            return timer.Change(dueTime, period);
        }

        public void Dispose()
        {
            time._due.TryRemove(this, out _);
            timer.Dispose();
        }

        public ValueTask DisposeAsync()
        {
            Dispose();
            return default;
        }
    }
}
