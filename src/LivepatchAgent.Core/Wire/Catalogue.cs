using System.Text.Json.Serialization;

namespace LivepatchAgent.Core.Wire;

/// <summary>
/// Which patches exist for one kernel, signed by the server's catalogue key with the same CMS envelope as a manifest.
/// <see cref="Sequence"/> and <see cref="ExpiresAt"/> keep a stolen server or a man in the middle from replaying an old
/// one and from hiding a new one (the roles of TUF's snapshot and timestamp).
/// </summary>
public sealed record Catalogue
{
    public const string SchemaName = "livepatch-catalogue/1";

    public required string Schema { get; init; }

    public required string Architecture { get; init; }

    public required string KernelRelease { get; init; }

    /// <summary>Rises with each change; a host never accepts a lower one than it has seen.</summary>
    public required long Sequence { get; init; }

    public required DateTimeOffset IssuedAt { get; init; }

    public required DateTimeOffset ExpiresAt { get; init; }

    /// <summary>In rising order of the manifests' sequence.</summary>
    public required IReadOnlyList<CatalogueEntry> Patches { get; init; }
}

/// <summary>One patch of a catalogue.</summary>
public sealed record CatalogueEntry
{
    /// <summary>SHA-256 of the signed manifest, the name it is fetched by.</summary>
    [JsonPropertyName("manifest")]
    public required string ManifestDigest { get; init; }

    public required string Version { get; init; }

    public required long Sequence { get; init; }

    /// <summary>
    /// SHA-256 of the publisher's signed withdrawal, when the patch was withdrawn; fetched like a manifest.
    /// </summary>
    public string? Withdrawal { get; init; }
}
