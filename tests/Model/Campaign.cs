using System.Diagnostics;

namespace LivepatchAgent.Model;

/// <summary>Many sequences, on all processors.</summary>
internal sealed class Campaign(ulong seed, int turns, Mind mind)
{
    /// <summary>One sequence in so many has each of its saves read back.</summary>
    private const int Thorough = 16;

    private readonly Lock _lock = new();
    private readonly Dictionary<string, Finding> _findings = [];
    private long _next;
    private long _done;
    private long _steps;
    private long _loads;

    /// <param name="Kind">As <see cref="Violation.Kind"/>.</param>
    /// <param name="First">Number of the first sequence that showed it.</param>
    /// <param name="Count">How many did.</param>
    /// <param name="Violation">The first one.</param>
    internal sealed record Finding(string Kind, ulong First, long Count, Violation Violation);

    public long Sequences => _done;

    public long Steps => _steps;

    public long Loads => _loads;

    public TimeSpan Took { get; private set; }

    public IReadOnlyList<Finding> Findings => [.. _findings.Values.OrderBy(f => f.Kind, StringComparer.Ordinal)];

    /// <summary>Runs sequences.</summary>
    /// <param name="sequences">No more than these.</param>
    /// <param name="time">No longer than this.</param>
    /// <param name="ends">Nor after a violation of which this is true.</param>
    public void RunUntil(long sequences, TimeSpan time, Func<Violation, bool>? ends = null)
    {
        var clock = Stopwatch.StartNew();
        var ended = false;
        void Work()
        {
            while (!Volatile.Read(ref ended) && clock.Elapsed < time)
            {
                var index = Interlocked.Increment(ref _next) - 1;
                if (index >= sequences) return;
                var number = seed + (ulong)index;
                var run = Run.Of(Generator.Make(number, turns), mind, number % Thorough == 0);
                Interlocked.Increment(ref _done);
                Interlocked.Add(ref _steps, run.Steps);
                Interlocked.Add(ref _loads, run.LoadCalls);
                foreach (var violation in run.Violations) Add(violation, number);
                if (ends is not null && run.Violations.Any(ends)) Volatile.Write(ref ended, true);
            }
        }

        var threads = new Thread[Environment.ProcessorCount];
        for (var i = 0; i < threads.Length; i++) threads[i] = new Thread(Work, 1 << 22);
        foreach (var thread in threads) thread.Start();
        foreach (var thread in threads) thread.Join();
        Took = clock.Elapsed;
    }

    private void Add(Violation violation, ulong number)
    {
        lock (_lock)
        {
            _findings[violation.Kind] = _findings.TryGetValue(violation.Kind, out var known)
                ? known with { Count = known.Count + 1, First = Math.Min(known.First, number) }
                : new Finding(violation.Kind, number, 1, violation);
        }
    }
}
