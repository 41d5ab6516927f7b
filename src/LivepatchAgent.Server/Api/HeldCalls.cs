using LivepatchAgent.Core.Wire;
using LivepatchAgent.Server.Model;
using LivepatchAgent.Server.Rollout;

namespace LivepatchAgent.Server.Api;

/// <summary>
/// Check-ins that wait for news. A held call costs its connection, one timer and a place in the list of a
/// snapshot; a publish wakes all of them, and those it does not concern go back to wait. A machine has one: its next
/// call ends the one before, whose connection may be long gone, and no credential can take the places of all others.
/// </summary>
internal sealed class HeldCalls(PublishedPatches published, TimeProvider time, CancellationToken stopping)
{
    /// <summary>Beyond it calls are answered at once: a host that cannot be held still learns what to run.</summary>
    private const int MaxHeld = 30_000;
    private readonly Lock _changing = new();
    private readonly Dictionary<string, CancellationTokenSource> _ends = [];
    private int _held;

    public int Count => Volatile.Read(ref _held);

    /// <summary>Whether a call that asks for it can be held now.</summary>
    public bool HasRoom => Count < MaxHeld && !stopping.IsCancellationRequested;

    /// <summary>
    /// What the machine should run: as soon as it differs from what the machine knows, or when the wait is over or the
    /// server stops.
    /// </summary>
    public async Task<Assigned> DecideAsync(
        string machineId, MachineFacts machine, string? knownTag, TimeSpan wait, CancellationToken gone)
    {
        var kernel = KernelKey.Of(machine);
        var snapshot = published.Current;
        var decision = RolloutDecision.Decide(machine, snapshot.For(kernel), snapshot.PinsVersion);
        if (decision.Tag != knownTag || wait <= TimeSpan.Zero) return decision;

        var start = time.GetTimestamp();
        using var end = CancellationTokenSource.CreateLinkedTokenSource(gone, stopping);
        Interlocked.Increment(ref _held);
        TakeOver(machineId, end);
        try
        {
            while (decision.Tag == knownTag && !end.IsCancellationRequested)
            {
                var left = wait - time.GetElapsedTime(start);
                if (left <= TimeSpan.Zero) break;
                var news = snapshot.Superseded.WaitAsync(left, time, end.Token);
                await news.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                snapshot = published.Current;
                decision = RolloutDecision.Decide(machine, snapshot.For(kernel), snapshot.PinsVersion);
            }
        }
        finally
        {
            Interlocked.Decrement(ref _held);
            lock (_changing)
            {
                if (_ends.GetValueOrDefault(machineId) == end) _ends.Remove(machineId);
            }
        }

        return decision;
    }

    private void TakeOver(string machineId, CancellationTokenSource end)
    {
        lock (_changing)
        {
            // The older call removes its entry under this lock before it disposes it, and wakes on another thread.
            if (_ends.TryGetValue(machineId, out var older)) _ = older.CancelAsync();
            _ends[machineId] = end;
        }
    }
}
