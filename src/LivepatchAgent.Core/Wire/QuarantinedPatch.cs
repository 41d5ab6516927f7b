using System.Text.Json.Serialization;

namespace LivepatchAgent.Core.Wire;

/// <summary>A patch that took the host down: it is not loaded again until a person releases it.</summary>
public sealed record QuarantinedPatch
{
    /// <summary>The module's name; null when an older agent quarantined it.</summary>
    public string? Name { get; init; }

    public required string Version { get; init; }

    /// <summary>SHA-256 of its manifest.</summary>
    [JsonPropertyName("manifest")]
    public required string ManifestDigest { get; init; }

    /// <summary>What the host did.</summary>
    public required string Reason { get; init; }

    public required DateTimeOffset At { get; init; }
}

/// <summary><c>POST /v1/quarantine/release</c>.</summary>
/// <param name="Name">The module's name, the version, or how the manifest's digest begins.</param>
public sealed record ReleaseRequest(string Name);
