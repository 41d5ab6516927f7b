using System.Text.Json.Serialization;
using LivepatchAgent.Core.History;

namespace LivepatchAgent.Core.Agent;

/// <summary>
/// Everything the agent remembers, in one value and one file (journal.json, 0600). The kernel is the truth and this a
/// hint: what is wrong here is put right by what is seen there. The reader of JSON gives null to what a file does not
/// have, an older agent's for instance: lists take that for empty.
/// </summary>
public sealed record AgentState
{
    public const int CurrentVersion = 2;

    public int Version { get; init; } = CurrentVersion;

    /// <summary>With the server: who it is, what it said, what it has yet to hear.</summary>
    [JsonRequired]
    public Conversation Conversation { get; init; } = new();

    /// <summary>The patch on its way.</summary>
    [JsonRequired]
    public Pursuit Pursuit { get; init; } = new(new Phase.NotEnrolled(null));

    /// <summary>What the kernel runs, and how its boots ended.</summary>
    [JsonRequired]
    public KernelBelief Kernel { get; init; } = new();

    /// <summary>What this host does not forget: good patches, bad ones, and what it does not go back below.</summary>
    [JsonRequired]
    public HostRecord Record { get; init; } = new();

    /// <summary>How far history.jsonl goes.</summary>
    public HistoryMark History { get; init => field = value ?? new(); } = new();

    [JsonIgnore]
    public Phase Phase => Pursuit.Phase;

    [JsonIgnore]
    public Enrolment? Enrolment => Conversation.Enrolment;

    /// <summary>Nothing is under way but to look after what runs and to talk with the server.</summary>
    [JsonIgnore]
    public bool AtRest => Phase is Phase.Idle { AtRest: true };

    public AgentState InPhase(Phase phase) => this with { Pursuit = Pursuit with { Phase = phase } };

    /// <summary>
    /// The running patch, if the kernel still has it. A patch from an earlier boot, or one disabled by hand, does not
    /// count.
    /// </summary>
    public RunningPatch? InForce(HostSnapshot host) =>
        Kernel.Running is { } running && running.BootId == host.BootId && host.Sight(running.Patch.Name).IsInForce()
            ? running
            : null;
}

/// <summary>The way of one patch: where it stands, who wanted it, how often it was tried.</summary>
public sealed record Pursuit(Phase Phase)
{
    /// <summary>Who set the way to the present patch in motion; null when the agent did, as after a reboot.</summary>
    public HistoryBy? WantedBy { get; init; }

    /// <summary>How often loading the target was begun without an end.</summary>
    public int LoadAttempts { get; init; }

    /// <summary>How often in a row the kernel was too busy to take it.</summary>
    public int BusyAnswers { get; init; }

    /// <summary>Whether files of patches no longer needed may be in the store.</summary>
    public bool Untidy { get; init; }
}

/// <summary>What the kernel is believed to run of ours.</summary>
public sealed record KernelBelief
{
    /// <summary>The patch of ours whose transition was seen complete, or null.</summary>
    public RunningPatch? Running { get; init; }

    /// <summary>Modules of ours that no longer patch anything and can be removed.</summary>
    public IReadOnlyList<string> Leftovers { get; init => field = value ?? []; } = [];

    /// <summary>Which patches those are, as far as it is known: for the history.</summary>
    public IReadOnlyList<HistoryPatch> LeftoverPatches { get; init => field = value ?? []; } = [];

    /// <summary>
    /// Boots in a row that ended uncleanly soon after a patch was loaded that had survived here before.
    /// </summary>
    public Strikes? Strikes { get; init; }

    /// <summary>False while the daemon runs; a boot that still finds it false was not shut down.</summary>
    public bool StoppedCleanly { get; init; } = true;

    internal int StrikesOf(string manifest) => Strikes?.ManifestDigest == manifest ? Strikes.Count : 0;

    internal KernelBelief WithStrikes(string manifest, int count) =>
        this with { Strikes = new Strikes(manifest, count) };

    /// <summary>The host got through, by a clean end or by a probation's time.</summary>
    internal KernelBelief Forgiving(string manifest) =>
        Strikes?.ManifestDigest == manifest ? this with { Strikes = null } : this;

    /// <summary>
    /// This module of ours patches nothing any more; which patch it was is kept until the module is gone.
    /// </summary>
    internal KernelBelief Leaving(PatchRef patch) => this with
    {
        Leftovers = Leftovers.Contains(patch.Name) ? Leftovers : [.. Leftovers, patch.Name],
        LeftoverPatches = [.. LeftoverPatches.Where(p => p.Name != patch.Name), Chronicle.Of(patch)],
    };

    /// <summary>No module of this name is left over.</summary>
    internal KernelBelief Forgetting(string name) => this with
    {
        Leftovers = Leftovers.Contains(name) ? [.. Leftovers.Where(l => l != name)] : Leftovers,
        LeftoverPatches = [.. LeftoverPatches.Where(p => p.Name != name)],
    };
}

/// <param name="ManifestDigest">SHA-256 of the manifest of the patch that the boots are put down to.</param>
/// <param name="Count">How many in a row.</param>
public sealed record Strikes([property: JsonPropertyName("manifest")] string ManifestDigest, int Count);

/// <param name="Patch">Which.</param>
/// <param name="BootId">The boot in which it was seen applied.</param>
/// <param name="At">When.</param>
/// <param name="WithdrawalReason">The publisher's reason, once it withdrew the patch.</param>
/// <param name="Uptime">The host's uptime then: what the probation is counted by.</param>
/// <param name="SurvivedProbation">It has run as long as a probation takes, in this boot.</param>
public sealed record RunningPatch(
    PatchRef Patch,
    string BootId,
    DateTimeOffset At,
    string? WithdrawalReason,
    TimeSpan? Uptime = null,
    bool SurvivedProbation = false)
{
    public TimeSpan Age(TimeSpan uptime, DateTimeOffset now) => HostSnapshot.Elapsed(Uptime, At, uptime, now);

    internal TimeSpan Age(Turn turn) => Age(turn.Uptime, turn.Now);
}
