using System.Text.Json.Serialization;
using LivepatchAgent.Core.History;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Core.Agent;

/// <summary>
/// Everything the agent remembers, in one value and one file (journal.json, 0600). The kernel is the truth and this a
/// hint: what is wrong here is put right by what is seen there.
/// The reader of JSON gives null to what a file does not have, an older agent's for instance: lists take that for empty.
/// </summary>
public sealed record AgentState
{
    public const int CurrentVersion = 1;

    public int Version { get; init; } = CurrentVersion;

    public Phase Phase { get; init; } = new Phase.NotEnrolled(null);

    public Enrolment? Enrolment { get; init; }

    /// <summary>The server's last word; null until a check-in succeeded.</summary>
    public AssignmentRef? Assignment { get; init; }

    public TalkState Talk { get; init => field = value ?? new(); } = new();

    /// <summary>The patch of ours whose transition was seen complete, or null.</summary>
    public RunningPatch? Running { get; init; }

    /// <summary>The last patch that survived its probation: what a crash falls back to.</summary>
    public PatchRef? LastGood { get; init; }

    public IReadOnlyList<Quarantined> Quarantine { get; init => field = value ?? []; } = [];

    /// <summary>Modules of ours that no longer patch anything and can be removed.</summary>
    public IReadOnlyList<string> Leftovers { get; init => field = value ?? []; } = [];

    /// <summary>Which patches those are, as far as it is known: for the history.</summary>
    public IReadOnlyList<HistoryPatch> LeftoverPatches { get; init => field = value ?? []; } = [];

    /// <summary>What the catalogue says was withdrawn of what this host has run, until the publisher's own word is read.</summary>
    public IReadOnlyList<PendingWithdrawal> PendingWithdrawals { get; init => field = value ?? []; } = [];

    /// <summary>Who set the way to the present patch in motion; null when the agent did, as after a reboot.</summary>
    public HistoryBy? WantedBy { get; init; }

    /// <summary>Who asked last to look again, until something comes of it.</summary>
    public HistoryBy? AskedBy { get; init; }

    /// <summary>Not yet told to the server.</summary>
    public IReadOnlyList<Happening> Outcomes { get; init => field = value ?? []; } = [];

    /// <summary>Per kernel release: the highest catalogue and the highest patch this host has believed.</summary>
    public IReadOnlyDictionary<string, Floor> Floors { get; init => field = value ?? new Dictionary<string, Floor>(); } = new Dictionary<string, Floor>();

    /// <summary>The latest time that a catalogue believed was issued at: it is later than that, whatever the clock says.</summary>
    public DateTimeOffset? SignedTime { get; init; }

    /// <summary>How often loading the target was begun without an end.</summary>
    public int LoadAttempts { get; init; }

    /// <summary>Boots in a row that ended uncleanly soon after a patch was loaded that had survived its probation before.</summary>
    public int Crashes { get; init; }

    /// <summary>How often in a row the kernel was too busy to take it.</summary>
    public int BusyAnswers { get; init; }

    /// <summary>False while the daemon runs; a boot that still finds it false was not shut down.</summary>
    public bool StoppedCleanly { get; init; } = true;

    /// <summary>Whether files of patches no longer needed may be in the store.</summary>
    public bool Untidy { get; init; }

    /// <summary>How far history.jsonl goes.</summary>
    public HistoryMark History { get; init => field = value ?? new(); } = new();

    [JsonIgnore]
    public bool AtRest => Phase is Phase.NotEnrolled or Phase.Resting or Phase.Refused;

    public Floor FloorFor(string kernelRelease) => Floors.GetValueOrDefault(kernelRelease) ?? new Floor(0, 0);

    /// <summary>The running patch, if the kernel has it now: what is believed of a boot before, or of one that somebody switched off, is none.</summary>
    public RunningPatch? InForce(HostSnapshot host) =>
        Running is { } running && running.BootId == host.BootId && host.Sight(running.Patch.Name) is PatchSighting.Running or PatchSighting.Switching or PatchSighting.Reverting
            ? running
            : null;
}

/// <summary>What an `enable` set in motion. The credential is the machine's own, made here.</summary>
public sealed record EnrolmentIntent(string EnrolmentId, TokenContent Token, string Credential)
{
    public override string ToString() => $"enrolment {EnrolmentId} with {Token.Server}";
}

/// <summary>The machine's standing with its server.</summary>
public sealed record Enrolment
{
    public required string Server { get; init; }

    public required string MachineId { get; init; }

    /// <summary>base64url of 32 bytes; the server has its digest.</summary>
    public required string Credential { get; init; }

    public required IReadOnlyList<string> TlsPins { get; init; }

    /// <summary>Pinned certificates (DER, base64).</summary>
    public required IReadOnlyList<string> CatalogueCertificates { get; init; }

    public required IReadOnlyList<string> PublisherCertificates { get; init; }

    /// <summary>How many different publishers must sign.</summary>
    public int Threshold { get; init => field = Math.Max(1, value); } = 1;

    /// <summary>Version of the pin set that these pins are of; 0 for a token's of before any.</summary>
    public long PinsVersion { get; init; }

    public required DateTimeOffset Since { get; init; }

    public override string ToString() => $"{MachineId} at {Server}";
}

/// <param name="Confirmed">Whether a verified catalogue was read for this tag.</param>
public sealed record AssignmentRef(string Tag, string? Manifest, bool Confirmed, int CheckInSeconds);

/// <summary>How the conversation with the server stands.</summary>
public sealed record TalkState
{
    public DateTimeOffset? LastAttempt { get; init; }

    public DateTimeOffset? LastSuccess { get; init; }

    /// <summary>Failures in a row.</summary>
    public int Failures { get; init; }

    public Problem? Problem { get; init; }

    /// <summary>Check in at this time at the latest.</summary>
    public DateTimeOffset Next { get; init; } = DateTimeOffset.MinValue;

    /// <summary>The report that the server has.</summary>
    public MachineReport? Told { get; init; }

    /// <summary>When the held check-in was opened.</summary>
    public DateTimeOffset? HeldSince { get; init; }

    /// <summary>How many in a row ended much too soon.</summary>
    public int ShortHolds { get; init; }

    /// <summary>The next one is not opened before.</summary>
    public DateTimeOffset HoldNotBefore { get; init; } = DateTimeOffset.MinValue;

    /// <summary>How many reports in a row were answered with another assignment.</summary>
    public int Reassigned { get; init; }

    /// <summary>What is new is not reported before; a check-in that is due is.</summary>
    public DateTimeOffset NewsNotBefore { get; init; } = DateTimeOffset.MinValue;

    /// <summary>The newest pin set that the server says it has.</summary>
    public long PinsOffered { get; init; }

    /// <summary>Of fetching the next pin set.</summary>
    public Retry PinsRetry { get; init => field = value ?? Retry.Now; } = Retry.Now;

    /// <summary>Of fetching a withdrawal.</summary>
    public Retry WithdrawalRetry { get; init => field = value ?? Retry.Now; } = Retry.Now;

    /// <summary>When a catalogue was last verified.</summary>
    public DateTimeOffset? CatalogueAt { get; init; }

    /// <summary>How long its word counts.</summary>
    public DateTimeOffset? CatalogueExpires { get; init; }
}

/// <param name="BootId">The boot in which it was seen applied.</param>
/// <param name="At">When.</param>
/// <param name="Withdrawn">The publisher's reason, once it took the patch back.</param>
/// <param name="Uptime">The host's uptime then: what the probation is counted by.</param>
/// <param name="Stood">It has run as long as a probation takes, in this boot.</param>
public sealed record RunningPatch(PatchRef Patch, string BootId, DateTimeOffset At, string? Withdrawn, TimeSpan? Uptime = null, bool Stood = false)
{
    public TimeSpan Age(TimeSpan uptime, DateTimeOffset now) => HostSnapshot.Elapsed(Uptime, At, uptime, now);
}

public sealed record Quarantined(string Manifest, string Version, string Reason, DateTimeOffset At);

/// <param name="Document">SHA-256 of the withdrawal, which it is fetched by.</param>
/// <param name="Manifest">Of the patch that it takes back.</param>
public sealed record PendingWithdrawal(string Document, string Manifest);

/// <summary>What a host does not go back below.</summary>
/// <param name="Catalogue">The highest catalogue believed.</param>
/// <param name="Patch">The highest patch run of those that are not in <see cref="Ran"/>.</param>
public sealed record Floor(long Catalogue, long Patch)
{
    private const int MaxRan = 16;

    /// <summary>The patches that were run and not withdrawn, the highest of them: a withdrawal takes one away, and no other.</summary>
    public IReadOnlyList<RanPatch> Ran { get; init => field = value ?? []; } = [];

    /// <summary>No patch of a lower number is taken.</summary>
    [JsonIgnore]
    public long Lowest => Ran.Select(r => r.Sequence).Append(Patch).Max();

    public Floor With(PatchRef patch)
    {
        RanPatch[] ran = [.. Ran.Where(r => r.Manifest != patch.Manifest).Append(new RanPatch(patch.Manifest, patch.Sequence)).OrderByDescending(r => r.Sequence)];
        return this with { Ran = [.. ran.Take(MaxRan)], Patch = ran.Skip(MaxRan).Select(r => r.Sequence).Append(Patch).Max() };
    }

    public Floor Without(string manifest) => this with { Ran = [.. Ran.Where(r => r.Manifest != manifest)] };
}

public sealed record RanPatch(string Manifest, long Sequence);
