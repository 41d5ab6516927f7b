using System.Text.Json.Serialization;

namespace LivepatchAgent.Core.Wire;

/// <summary>What a machine reports about itself; nothing secret.</summary>
public sealed record MachineFacts
{
    public required string Hostname { get; init; }

    /// <summary><c>uname -r</c>.</summary>
    public required string KernelRelease { get; init; }

    /// <summary><c>uname -m</c>.</summary>
    public required string Architecture { get; init; }

    /// <summary>PRETTY_NAME of os-release.</summary>
    public required string OperatingSystem { get; init; }

    public required string AgentVersion { get; init; }

    /// <summary>/proc/sys/kernel/random/boot_id: distinguishes a reboot from a restart.</summary>
    public required string BootId { get; init; }
}

/// <summary>
/// <c>POST /v1/enrolments</c>. The machine makes its own credential and sends only the digest, and names the enrolment
/// itself, so that a call whose answer was lost can be made again without using the token up twice.
/// </summary>
public sealed record EnrolmentRequest
{
    public required string EnrolmentId { get; init; }

    /// <summary>The token's secret, base64url.</summary>
    public required string Secret { get; init; }

    /// <summary>SHA-256 of the credential's bytes, lower-case hex.</summary>
    public required string CredentialSha256 { get; init; }

    public required MachineFacts Machine { get; init; }
}

/// <summary>Answer to an enrolment: 201, or 200 when this enrolment was made before.</summary>
public sealed record EnrolmentAnswer
{
    public required string MachineId { get; init; }

    /// <summary>
    /// Certificates (DER, base64) of the server's catalogue key; the host keeps those that the token pins.
    /// </summary>
    public required IReadOnlyList<string> CatalogueCertificates { get; init; }

    /// <summary>Certificates (DER, base64) of the publishers; the host keeps those that the token pins.</summary>
    public required IReadOnlyList<string> PublisherCertificates { get; init; }
}

/// <summary>
/// <c>POST /v1/check-ins</c>, authorised by <c>Authorization: Bearer MACHINE-ID.CREDENTIAL</c>.
/// With <c>Prefer: wait=SECONDS</c> the answer is held until the assignment's tag differs from <see cref="KnownTag"/>.
/// </summary>
public sealed record CheckInRequest
{
    public required MachineFacts Machine { get; init; }

    public required MachineReport Report { get; init; }

    /// <summary>
    /// What happened since the last check-in that succeeded, oldest first; the server keeps each id once.
    /// </summary>
    public required IReadOnlyList<Outcome> Outcomes { get; init; }

    /// <summary>Tag of the assignment that the host has; null when it has none.</summary>
    public string? KnownTag { get; init; }
}

/// <summary>A machine's state, as the server keeps it.</summary>
public sealed record MachineReport
{
    public required PatchState State { get; init; }

    /// <summary>SHA-256 of the manifest whose patch the kernel runs, when it runs one of ours.</summary>
    [JsonPropertyName("manifest")]
    public string? ManifestDigest { get; init; }

    public string? Version { get; init; }

    public Problem? Problem { get; init; }

    /// <summary>/proc/sys/kernel/tainted.</summary>
    public long Taint { get; init; }

    /// <summary>True while the administrator holds the host: it keeps what it runs. Null otherwise.</summary>
    public bool? Held { get; init; }
}

/// <summary>One thing that happened on the host, reported once.</summary>
/// <param name="Id">Unique; a repeated one is not counted again.</param>
/// <param name="At">When.</param>
/// <param name="Kind">What.</param>
/// <param name="ManifestDigest">Of which patch.</param>
/// <param name="Problem">Why it did not succeed.</param>
public sealed record Outcome(
    string Id,
    DateTimeOffset At,
    OutcomeKind Kind,
    [property: JsonPropertyName("manifest")]
    [property: JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    string? ManifestDigest,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    Problem? Problem);

[JsonConverter(typeof(KebabEnumConverter<OutcomeKind>))]
public enum OutcomeKind
{
    Enrolled,
    Loaded,
    Applied,
    Refused,
    Failed,
    Stalled,
    Reversed,
    Adopted,
    Quarantined,
}

/// <summary>Answer to a check-in.</summary>
public sealed record Assignment
{
    /// <summary>Changes whenever the assignment or the catalogue behind it does; opaque to the host.</summary>
    public required string Tag { get; init; }

    /// <summary>SHA-256 of the manifest that this machine is to run; null when no patch is for its kernel.</summary>
    [JsonPropertyName("manifest")]
    public string? ManifestDigest { get; init; }

    /// <summary>
    /// Version of the newest pin set that the server has: a hint, since the set itself is signed. Null without any.
    /// </summary>
    public long? PinsVersion { get; init; }

    /// <summary>How long the host rests between check-ins that are not held.</summary>
    public required int CheckInSeconds { get; init; }

    /// <summary>The server's clock, so that a host whose clock is far off can say so.</summary>
    public required DateTimeOffset Now { get; init; }
}

/// <summary>How the server and the local API say no: RFC 9457's idea with our codes.</summary>
public sealed record ErrorAnswer(Problem Error);
