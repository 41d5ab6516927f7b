using System.Text.Json.Serialization;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Server.Model;

/// <summary>A machine as people list it.</summary>
internal sealed record MachineRow
{
    public required string Id { get; init; }

    public required string Hostname { get; init; }

    public required string KernelRelease { get; init; }

    public required string Architecture { get; init; }

    public required string OperatingSystem { get; init; }

    public required string AgentVersion { get; init; }

    public required DateTimeOffset EnrolledAt { get; init; }

    public DateTimeOffset? RevokedAt { get; init; }

    public DateTimeOffset? LastCheckIn { get; init; }

    /// <summary>The word of <see cref="PatchState"/>; null before the first check-in.</summary>
    public string? State { get; init; }

    [JsonPropertyName("manifest")]
    public string? ManifestDigest { get; init; }

    public string? Version { get; init; }

    /// <summary>Its administrator holds it at what it runs.</summary>
    public bool Held { get; init; }

    public string? ProblemCode { get; init; }

    public string? ProblemMessage { get; init; }
}

/// <summary>What decides whether a call comes from a machine.</summary>
internal sealed record MachineCredential(string Sha256, bool Revoked);

/// <summary>The machine that an enrolment made.</summary>
internal sealed record EnrolledMachine(string Id, string CredentialSha256, string TokenId, bool Revoked);
