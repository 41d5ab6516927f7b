using LivepatchAgent.Core.Wire;
using LivepatchAgent.Server.Rollout;

namespace LivepatchAgent.Server.Api;

/// <summary>
/// Check-ins that wait for news. A held call costs its connection, one timer and a place in the list of the shelf's
/// snapshot; a publish wakes all of them, and those it does not concern go back to wait.
/// </summary>
internal sealed class HeldCalls(Shelf shelf, TimeProvider time, CancellationToken stopping)
{
    /// <summary>Beyond it calls are answered at once: a host that cannot be held still learns what to run.</summary>
    private const int MaxHeld = 30_000;
    private int _held;

    public int Count => Volatile.Read(ref _held);

    /// <summary>Whether a call that asks for it can be held now.</summary>
    public bool HasRoom => Count < MaxHeld && !stopping.IsCancellationRequested;

    /// <summary>What the machine shall run, told as soon as it differs from what it knows, or when its patience or the server ends.</summary>
    public async Task<Assigned> DecideAsync(MachineFacts machine, string? knownTag, TimeSpan wait, CancellationToken gone)
    {
        var kernel = KernelKey.Of(machine);
        var snapshot = shelf.Current;
        var decision = RolloutDecision.Decide(machine, snapshot.For(kernel), snapshot.PinsVersion);
        if (decision.Tag != knownTag || wait <= TimeSpan.Zero) return decision;

        var start = time.GetTimestamp();
        using var end = CancellationTokenSource.CreateLinkedTokenSource(gone, stopping);
        Interlocked.Increment(ref _held);
        try
        {
            while (decision.Tag == knownTag && !end.IsCancellationRequested)
            {
                var left = wait - time.GetElapsedTime(start);
                if (left <= TimeSpan.Zero) break;
                await snapshot.Superseded.WaitAsync(left, time, end.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                snapshot = shelf.Current;
                decision = RolloutDecision.Decide(machine, snapshot.For(kernel), snapshot.PinsVersion);
            }
        }
        finally
        {
            Interlocked.Decrement(ref _held);
        }

        return decision;
    }
}
