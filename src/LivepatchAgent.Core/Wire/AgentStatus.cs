using System.Text.Json.Serialization;

namespace LivepatchAgent.Core.Wire;

/// <summary>
/// <c>GET /v1/status</c> on the local socket, and /run/livepatch-agent/status.json: everything the daemon knows, in one
/// value. Fields are added, never changed; see docs/status.schema.json.
/// </summary>
public sealed record AgentStatus
{
    public const string SchemaName = "livepatch-agent-status/1";

    public required string Schema { get; init; }

    /// <summary>Rises with each change; <c>?after=REVISION</c> waits for a newer one.</summary>
    public required long Revision { get; init; }

    /// <summary>When this was said.</summary>
    public required DateTimeOffset At { get; init; }

    public required string AgentVersion { get; init; }

    /// <summary>
    /// False while the agent is on its way somewhere (see <see cref="Activity"/>); true when it has come to an end for
    /// now.
    /// </summary>
    public required bool Settled { get; init; }

    public required KernelStatus Kernel { get; init; }

    /// <summary>Null when the host is not enrolled.</summary>
    public EnrolmentStatus? Enrolment { get; init; }

    public required CheckInStatus CheckIn { get; init; }

    public required PatchState State { get; init; }

    /// <summary>What the agent does right now.</summary>
    public ActivityStatus? Activity { get; init; }

    /// <summary>The patch that the kernel runs or is moving to, when it is one of ours.</summary>
    public PatchStatus? Patch { get; init; }

    /// <summary>Every livepatch that the kernel has, ours or not.</summary>
    public required IReadOnlyList<LoadedPatch> Loaded { get; init; }

    /// <summary>Why the last thing asked for did not come about.</summary>
    public Problem? Problem { get; init; }

    /// <summary>The administrator's word to keep what runs; null without a hold.</summary>
    public HoldStatus? Hold { get; init; }

    /// <summary>The patches that took this host down, and that it does not load again.</summary>
    public IReadOnlyList<QuarantinedPatch> Quarantine { get; init; } = [];
}

/// <summary>Where a host stands with its patches. Each is its own honest state; see docs/status.md.</summary>
[JsonConverter(typeof(KebabEnumConverter<PatchState>))]
public enum PatchState
{
    /// <summary>No server was ever named.</summary>
    NotEnrolled,

    /// <summary>Enrolled, and nothing heard yet.</summary>
    NeedsCheck,

    /// <summary>The server offers no patch for this kernel.</summary>
    NothingToApply,

    /// <summary>A patch is on its way: being fetched, verified or loaded.</summary>
    Applying,

    /// <summary>The kernel runs the patch that it should: enabled, and every task switched over.</summary>
    Applied,

    /// <summary>The kernel is switching over, and some task holds it up.</summary>
    Stalled,

    /// <summary>The patch was refused before the kernel saw it.</summary>
    Refused,

    /// <summary>The kernel refused the patch, or gave it up.</summary>
    ApplyFailed,

    /// <summary>This kernel or this host cannot be live-patched, or is set not to be.</summary>
    Unsupported,
}

public sealed record KernelStatus
{
    public required string Release { get; init; }

    public required string Architecture { get; init; }

    /// <summary>Whether /sys/kernel/livepatch is there (CONFIG_LIVEPATCH).</summary>
    public required bool LivepatchSupported { get; init; }

    /// <summary>none, integrity or confidentiality; null when the kernel does not say.</summary>
    public string? Lockdown { get; init; }

    /// <summary>/proc/sys/kernel/tainted.</summary>
    public required long Taint { get; init; }

    /// <summary>Its letters, e.g. <c>OK</c>.</summary>
    public required string TaintFlags { get; init; }

    public required CoverageState Coverage { get; init; }

    /// <summary>The last day of coverage, when the publisher gave one.</summary>
    public DateOnly? CoveredUntil { get; init; }
}

[JsonConverter(typeof(KebabEnumConverter<CoverageState>))]
public enum CoverageState
{
    Unknown,
    Covered,
    NotCovered,
    Ended,
}

public sealed record EnrolmentStatus(string Server, string MachineId, DateTimeOffset Since);

public sealed record CheckInStatus
{
    public required CheckInResult Result { get; init; }

    public DateTimeOffset? LastAttempt { get; init; }

    public DateTimeOffset? LastSuccess { get; init; }

    public DateTimeOffset? Next { get; init; }

    /// <summary>True while a check-in is held open: a publish is heard of at once.</summary>
    public bool Listening { get; init; }

    /// <summary>Until when the last catalogue counts: after it nobody knows whether something newer is out.</summary>
    public DateTimeOffset? CatalogueExpires { get; init; }

    public Problem? Problem { get; init; }
}

[JsonConverter(typeof(KebabEnumConverter<CheckInResult>))]
public enum CheckInResult
{
    Never,
    Succeeded,
    Failed,
}

[JsonConverter(typeof(KebabEnumConverter<ActivityKind>))]
public enum ActivityKind
{
    Enrolling,
    CheckingIn,
    FetchingManifest,
    Downloading,
    Verifying,
    Loading,
    WaitingForTasks,
    Reversing,
    RemovingOldModule,
}

public sealed record ActivityStatus
{
    public required ActivityKind Kind { get; init; }

    public required DateTimeOffset Since { get; init; }

    /// <summary>Bytes done, while downloading.</summary>
    public long? Bytes { get; init; }

    public long? TotalBytes { get; init; }

    /// <summary>The tasks that have not switched over yet, at most <see cref="MaxTasks"/> of them.</summary>
    public IReadOnlyList<BlockingTask>? Tasks { get; init; }

    /// <summary>How many there are in all.</summary>
    public int? TaskCount { get; init; }

    public const int MaxTasks = 16;
}

/// <summary>A task that the transition waits for.</summary>
/// <param name="Tid">Its thread id.</param>
/// <param name="Pid">Its process.</param>
/// <param name="Comm">Its name.</param>
/// <param name="Unit">The systemd unit or cgroup it belongs to, when known.</param>
/// <param name="Stack">The kernel functions it is in, innermost first.</param>
public sealed record BlockingTask(
    int Tid,
    int Pid,
    string Comm,
    // A parameter that is left out could not be read back.
    [property: JsonIgnore(Condition = JsonIgnoreCondition.Never)] string? Unit,
    IReadOnlyList<string> Stack);

public sealed record PatchStatus
{
    /// <summary>Name in /sys/kernel/livepatch.</summary>
    public required string Name { get; init; }

    public required string Version { get; init; }

    public required string Notice { get; init; }

    public required IReadOnlyList<string> Fixes { get; init; }

    [JsonPropertyName("manifest")]
    public required string ManifestDigest { get; init; }

    public required long Sequence { get; init; }

    /// <summary>When its transition was seen complete.</summary>
    public DateTimeOffset? AppliedAt { get; init; }

    /// <summary>The publisher's words, when it was withdrawn.</summary>
    public string? Withdrawn { get; init; }
}

/// <summary>One directory of /sys/kernel/livepatch.</summary>
public sealed record LoadedPatch(
    string Name,
    bool Enabled,
    bool Transition,
    // Null, and not left out: see BlockingTask.
    [property: JsonIgnore(Condition = JsonIgnoreCondition.Never)] bool? Replace,
    IReadOnlyList<PatchedFunction> Functions);

/// <summary><c>POST /v1/enable</c>.</summary>
public sealed record EnableRequest(string Token);

/// <summary>Answer to a change: follow the status from this revision on.</summary>
public sealed record ChangeAnswer(long Revision);
