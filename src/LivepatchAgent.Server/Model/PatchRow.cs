using System.Text.Json.Serialization;

namespace LivepatchAgent.Server.Model;

/// <summary>A patch as people list it.</summary>
internal sealed record PatchRow
{
    [JsonPropertyName("manifest")]
    public required string ManifestDigest { get; init; }

    public required string Architecture { get; init; }

    public required string KernelRelease { get; init; }

    public required long Sequence { get; init; }

    public required string Version { get; init; }

    public required string Notice { get; init; }

    public required IReadOnlyList<string> Fixes { get; init; }

    public required DateTimeOffset ReceivedAt { get; init; }

    /// <summary>Null until its module is here: no host sees it before.</summary>
    public DateTimeOffset? PublishedAt { get; init; }

    public string? Withdrawal { get; init; }

    public string? WithdrawnReason { get; init; }
}
