using System.Collections.Immutable;
using LivepatchAgent.Server.Model;

namespace LivepatchAgent.Server.Rollout;

/// <summary>
/// What is published, in memory: the database's truth, for calls that only read. A snapshot never changes; the one that
/// replaces it completes <see cref="PublishedSnapshot.Superseded"/>, which is all that a held call waits for.
/// </summary>
internal sealed class PublishedPatches(IEnumerable<KernelPatches> all, long? pinsVersion = null)
{
    private readonly Lock _changing = new();
    private volatile PublishedSnapshot _current = new(all.ToImmutableDictionary(p => p.Kernel), pinsVersion);

    public PublishedSnapshot Current => _current;

    public void Replace(IReadOnlyList<KernelPatches> changed)
    {
        if (changed.Count == 0) return;
        PublishedSnapshot before;
        lock (_changing)
        {
            before = _current;

            // Two publishes may arrive here in the other order than they were committed in.
            var newer = changed.Where(p => p.Sequence > before.For(p.Kernel).Sequence);
            _current = before.With(newer);
        }

        before.Supersede();
    }

    /// <summary>Every host is to hear of it.</summary>
    public void NewPins(long version)
    {
        PublishedSnapshot before;
        lock (_changing)
        {
            // As with patches, the older of two sets may arrive here last.
            before = _current;
            if (version <= before.PinsVersion) return;
            _current = before.With(version);
        }

        before.Supersede();
    }
}

internal sealed class PublishedSnapshot(ImmutableDictionary<KernelKey, KernelPatches> kernels, long? pinsVersion)
{
    private readonly TaskCompletionSource _superseded = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Of the newest pin set; null before any.</summary>
    public long? PinsVersion => pinsVersion;

    public Task Superseded => _superseded.Task;

    public KernelPatches For(KernelKey kernel) => kernels.GetValueOrDefault(kernel) ?? KernelPatches.None(kernel);

    public PublishedSnapshot With(IEnumerable<KernelPatches> changed) =>
        new(kernels.SetItems(changed.Select(p => KeyValuePair.Create(p.Kernel, p))), pinsVersion);

    public PublishedSnapshot With(long pins) => new(kernels, pins);

    public void Supersede() => _superseded.TrySetResult();
}
