using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Core.Trust;

/// <summary>A manifest that a pinned publisher signed. Only <see cref="ManifestVerifier"/> makes one.</summary>
public sealed class VerifiedManifest
{
    internal VerifiedManifest(PatchManifest content, string digest)
    {
        Content = content;
        Digest = digest;
    }

    public PatchManifest Content { get; }

    /// <summary>SHA-256 of the signed envelope, lower-case hex: its name everywhere.</summary>
    public string Digest { get; }
}

/// <summary>Turns bytes from the network or the disk into a manifest or a withdrawal that can be believed.</summary>
public static class ManifestVerifier
{
    private const string Cure = "the host keeps what it runs; contact the publisher";

    /// <param name="expectedDigest">What it was asked for by; null when a publisher uploads it.</param>
    /// <param name="threshold">How many different publishers must have signed it.</param>
    public static Result<VerifiedManifest> Verify(
        ReadOnlySpan<byte> envelope,
        string? expectedDigest,
        IReadOnlyList<X509Certificate2> publishers,
        int threshold = 1)
    {
        var open = Open(envelope, expectedDigest, publishers, threshold, "the manifest");
        if (!open.TryGet(out var opened, out var problem)) return problem;
        PatchManifest? manifest;
        try
        {
            manifest = JsonSerializer.Deserialize(opened.Content, WireJson.Default.PatchManifest);
        }
        catch (JsonException e)
        {
            return Invalid($"it is not a manifest ({e.Path ?? "no JSON"})");
        }

        if (manifest is null || manifest.Schema != PatchManifest.SchemaName)
            return Invalid($"its schema is not {PatchManifest.SchemaName}");
        if (ManifestRules.Fault(manifest) is { } fault) return Invalid(fault);
        return new VerifiedManifest(manifest, opened.Digest);
    }

    public static Result<PatchWithdrawal> VerifyWithdrawal(
        ReadOnlySpan<byte> envelope,
        string? expectedDigest,
        IReadOnlyList<X509Certificate2> publishers,
        int threshold = 1)
    {
        var open = Open(envelope, expectedDigest, publishers, threshold, "the withdrawal");
        if (!open.TryGet(out var opened, out var problem)) return problem;
        PatchWithdrawal? withdrawal;
        try
        {
            withdrawal = JsonSerializer.Deserialize(opened.Content, WireJson.Default.PatchWithdrawal);
        }
        catch (JsonException)
        {
            return Invalid("it is not a withdrawal");
        }

        var isWhole = withdrawal is { Schema: PatchWithdrawal.SchemaName }
            && Hex.IsSha256(withdrawal.ManifestDigest)
            && ManifestRules.IsLine(withdrawal.Reason);
        return isWhole ? withdrawal! : Invalid($"it is not a {PatchWithdrawal.SchemaName}");
    }

    private sealed record Opened(byte[] Content, string Digest);

    private static Result<Opened> Open(
        ReadOnlySpan<byte> envelope,
        string? expectedDigest,
        IReadOnlyList<X509Certificate2> publishers,
        int threshold,
        string what)
    {
        var digest = Convert.ToHexStringLower(SHA256.HashData(envelope));
        if (expectedDigest is not null && digest != expectedDigest)
        {
            return new Problem(
                ProblemCode.ManifestMismatch,
                $"cannot accept {what}: it is not the one asked for "
                + $"(SHA-256 {digest[..12]}…, not {expectedDigest[..12]}…)",
                Cure);
        }

        var opened = CmsEnvelope.Open(envelope, publishers, what, ProblemCode.ManifestSignatureInvalid, threshold);
        return opened.TryGet(out var content, out var problem) ? new Opened(content, digest) : problem;
    }

    private static Problem Invalid(string why) =>
        new(ProblemCode.ManifestInvalid, $"cannot accept the manifest: {why}", Cure);
}
