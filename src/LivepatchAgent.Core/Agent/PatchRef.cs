using System.Text.Json.Serialization;

namespace LivepatchAgent.Core.Agent;

/// <summary>
/// What the agent has to know of a patch without its manifest at hand. A projection: trust comes from the stored
/// manifest alone.
/// </summary>
public sealed record PatchRef
{
    [JsonPropertyName("manifest")]
    public required string ManifestDigest { get; init; }

    public required string Name { get; init; }

    public required string Version { get; init; }

    public required string Notice { get; init; }

    public required IReadOnlyList<string> Fixes { get; init; }

    public required long Sequence { get; init; }

    public required DateOnly CoveredUntil { get; init; }

    public required string KernelRelease { get; init; }

    public required string ModuleSha256 { get; init; }

    public required long ModuleSize { get; init; }

    /// <summary>Fingerprint of the certificate that signed the module, once it was verified.</summary>
    public string? Signer { get; init; }

    public static PatchRef Of(Trust.VerifiedManifest manifest)
    {
        var content = manifest.Content;
        return new PatchRef
        {
            ManifestDigest = manifest.Digest,
            Name = content.Module.Name,
            Version = content.Version,
            Notice = content.Notice,
            Fixes = content.Fixes,
            Sequence = content.Sequence,
            CoveredUntil = content.CoveredUntil,
            KernelRelease = content.KernelRelease,
            ModuleSha256 = content.Module.Sha256,
            ModuleSize = content.Module.Size,
        };
    }
}
