using System.Text.Json.Serialization;
using LivepatchAgent.Core.History;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Core.Agent;

/// <summary>The conversation with the server. It begins with an enrolment and ends with `disable`.</summary>
public sealed record Conversation
{
    public Enrolment? Enrolment { get; init; }

    /// <summary>The server's last word; null until a check-in succeeded.</summary>
    public AssignmentRef? Assignment { get; init; }

    /// <summary>Who asked last to look again, until something comes of it.</summary>
    public HistoryBy? AskedBy { get; init; }

    /// <summary>What the server has yet to hear.</summary>
    public IReadOnlyList<Outcome> Outcomes { get; init => field = value ?? []; } = [];

    public CheckInRecord CheckIn { get; init => field = value ?? new(); } = new();

    public HeldCall HeldCall { get; init => field = value ?? new(); } = new();

    public PinsRecord Pins { get; init => field = value ?? new(); } = new();

    public WithdrawalsRecord Withdrawals { get; init => field = value ?? new(); } = new();

    public CatalogueRecord Catalogue { get; init => field = value ?? new(); } = new();

    internal HistoryBy? Server => Enrolment is { } e ? new HistoryBy(Server: e.Server) : null;
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

    /// <summary>
    /// Version of the pin set that these pins are of; 0 for those of a token that was made before any.
    /// </summary>
    public long PinsVersion { get; init; }

    public required DateTimeOffset Since { get; init; }

    public override string ToString() => $"{MachineId} at {Server}";
}

/// <param name="Tag">The server's mark of this assignment; opaque.</param>
/// <param name="ManifestDigest">SHA-256 of the manifest assigned; null for none.</param>
/// <param name="Confirmed">Whether a verified catalogue was read for this tag.</param>
/// <param name="CheckInSeconds">The interval between check-ins that are not held.</param>
public sealed record AssignmentRef(
    string Tag,
    [property: JsonPropertyName("manifest")] string? ManifestDigest,
    bool Confirmed,
    int CheckInSeconds);

/// <summary>How check-ins go.</summary>
public sealed record CheckInRecord
{
    public DateTimeOffset? LastAttempt { get; init; }

    public DateTimeOffset? LastSuccess { get; init; }

    /// <summary>Failures in a row.</summary>
    public int Failures { get; init; }

    public Problem? Problem { get; init; }

    /// <summary>Check in at this time at the latest.</summary>
    public DateTimeOffset Next { get; init; } = DateTimeOffset.MinValue;

    /// <summary>The report that the server has.</summary>
    public MachineReport? LastReport { get; init; }

    /// <summary>What is new is not reported before; a check-in that is due is.</summary>
    public DateTimeOffset NewsNotBefore { get; init; } = DateTimeOffset.MinValue;

    /// <summary>How many reports in a row were answered with another assignment.</summary>
    public int Reassignments { get; init; }
}

/// <summary>How held check-ins go.</summary>
public sealed record HeldCall
{
    /// <summary>When the present one was opened.</summary>
    public DateTimeOffset? Since { get; init; }

    /// <summary>How many in a row ended much too soon.</summary>
    public int ShortCalls { get; init; }

    /// <summary>The next one is not opened before.</summary>
    public DateTimeOffset NotBefore { get; init; } = DateTimeOffset.MinValue;
}

/// <summary>How fetching the next pin set goes.</summary>
public sealed record PinsRecord
{
    /// <summary>The newest pin set that the server says it has.</summary>
    public long Newest { get; init; }

    public Retry Retry { get; init => field = value ?? Retry.Now; } = Retry.Now;
}

/// <summary>How fetching withdrawals goes.</summary>
public sealed record WithdrawalsRecord
{
    /// <summary>
    /// What the catalogue says was withdrawn of what this host has run, until the publisher's own word is read.
    /// </summary>
    public IReadOnlyList<PendingWithdrawal> Pending { get; init => field = value ?? []; } = [];

    public Retry Retry { get; init => field = value ?? Retry.Now; } = Retry.Now;
}

/// <param name="Document">SHA-256 of the withdrawal, which it is fetched by.</param>
/// <param name="ManifestDigest">Of the patch that it withdraws.</param>
public sealed record PendingWithdrawal(string Document, [property: JsonPropertyName("manifest")] string ManifestDigest);

/// <summary>The last catalogue that was believed.</summary>
public sealed record CatalogueRecord
{
    public DateTimeOffset? VerifiedAt { get; init; }

    /// <summary>How long its word counts.</summary>
    public DateTimeOffset? Expires { get; init; }
}
