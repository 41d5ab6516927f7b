using System.Text.Json.Serialization;
using LivepatchAgent.Core.History;

namespace LivepatchAgent.Core.Agent;

/// <summary>What this host does not forget: good patches, bad ones, and what it does not go back below.</summary>
public sealed record HostRecord
{
    /// <summary>Far more than one kernel ever has; the journal must not grow for ever.</summary>
    private const int MaxWithdrawn = 256;

    /// <summary>The last patch that survived its probation: what a crash falls back to.</summary>
    public PatchRef? LastGood { get; init; }

    public IReadOnlyList<Quarantined> Quarantine { get; init => field = value ?? []; } = [];

    /// <summary>
    /// SHA-256 of the manifests that their publishers withdrew with a signature, the newest last: a server that forgets
    /// a withdrawal cannot bring its patch back.
    /// </summary>
    public IReadOnlyList<string> Withdrawn { get; init => field = value ?? []; } = [];

    /// <summary>Per kernel release: the highest catalogue and the highest patch this host has believed.</summary>
    public IReadOnlyDictionary<string, Floor> Floors
    {
        get;
        init => field = value ?? new Dictionary<string, Floor>();
    } = new Dictionary<string, Floor>();

    /// <summary>
    /// The latest time that a catalogue believed was issued at: it is later than that, whatever the clock says.
    /// </summary>
    public DateTimeOffset? SignedTime { get; init; }

    /// <summary>Null while the host takes new patches.</summary>
    public Hold? Hold { get; init; }

    public Floor FloorFor(string kernelRelease) => Floors.GetValueOrDefault(kernelRelease) ?? new Floor(0, 0);

    internal HostRecord WithFloor(string kernelRelease, Floor floor) =>
        this with { Floors = new Dictionary<string, Floor>(Floors) { [kernelRelease] = floor } };

    internal Quarantined? QuarantineOf(string manifest) => Quarantine.FirstOrDefault(q => q.ManifestDigest == manifest);

    internal bool IsWithdrawn(string manifest) => Withdrawn.Contains(manifest);

    internal HostRecord WithWithdrawn(string manifest)
    {
        var others = Withdrawn.Where(w => w != manifest).TakeLast(MaxWithdrawn - 1);
        return this with { Withdrawn = [.. others, manifest] };
    }

    /// <summary>This patch is nothing to fall back to.</summary>
    internal HostRecord WithoutGood(string manifest) =>
        LastGood?.ManifestDigest == manifest ? this with { LastGood = null } : this;
}

/// <summary>The administrator's word to keep what runs. It is the host's, whatever server it has.</summary>
/// <param name="By">Who asked for it.</param>
/// <param name="At">When.</param>
public sealed record Hold(HistoryBy? By, DateTimeOffset At)
{
    /// <summary>The patch that was kept out last, as its manifest describes it.</summary>
    public PatchRef? Available { get; init; }
}

/// <summary>A patch that took this host down, and is not loaded again.</summary>
/// <param name="ManifestDigest">SHA-256 of its manifest.</param>
/// <param name="Version">The publisher's count.</param>
/// <param name="Reason">What the host did.</param>
/// <param name="At">When that was judged.</param>
/// <param name="Name">The module's name; null in older journals.</param>
public sealed record Quarantined(
    [property: JsonPropertyName("manifest")] string ManifestDigest,
    string Version,
    string Reason,
    DateTimeOffset At,
    string? Name = null);

/// <summary>What a host does not go back below.</summary>
/// <param name="Catalogue">The highest catalogue believed.</param>
/// <param name="Patch">The highest patch run of those that are not in <see cref="Patches"/>.</param>
public sealed record Floor(long Catalogue, long Patch)
{
    private const int MaxPatches = 16;

    /// <summary>
    /// The patches that were run and not withdrawn, the highest of them: a withdrawal takes one away, and no other.
    /// </summary>
    public IReadOnlyList<FloorPatch> Patches { get; init => field = value ?? []; } = [];

    /// <summary>No patch of a lower number is taken.</summary>
    [JsonIgnore]
    public long Lowest => Patches.Select(p => p.Sequence).Append(Patch).Max();

    public Floor With(PatchRef patch)
    {
        var others = Patches.Where(p => p.ManifestDigest != patch.ManifestDigest);
        var added = new FloorPatch(patch.ManifestDigest, patch.Sequence);
        FloorPatch[] patches = [.. others.Append(added).OrderByDescending(p => p.Sequence)];
        var forgotten = patches.Skip(MaxPatches).Select(p => p.Sequence);
        return this with { Patches = [.. patches.Take(MaxPatches)], Patch = forgotten.Append(Patch).Max() };
    }

    public Floor Without(string manifest) =>
        this with { Patches = [.. Patches.Where(p => p.ManifestDigest != manifest)] };
}

public sealed record FloorPatch([property: JsonPropertyName("manifest")] string ManifestDigest, long Sequence);
