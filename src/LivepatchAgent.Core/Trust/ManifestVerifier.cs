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
    public static Result<VerifiedManifest> Verify(ReadOnlySpan<byte> envelope, string? expectedDigest, IReadOnlyList<X509Certificate2> publishers, int threshold = 1)
    {
        if (!Open(envelope, expectedDigest, publishers, threshold, "the manifest").TryGet(out var opened, out var problem)) return problem;
        PatchManifest? manifest;
        try
        {
            manifest = JsonSerializer.Deserialize(opened.Content, WireJson.Default.PatchManifest);
        }
        catch (JsonException e)
        {
            return Invalid($"it is not a manifest ({e.Path ?? "no JSON"})");
        }

        if (manifest is null || manifest.Schema != PatchManifest.SchemaName) return Invalid($"its schema is not {PatchManifest.SchemaName}");
        if (ManifestRules.Fault(manifest) is { } fault) return Invalid(fault);
        return new VerifiedManifest(manifest, opened.Digest);
    }

    public static Result<PatchWithdrawal> VerifyWithdrawal(ReadOnlySpan<byte> envelope, string? expectedDigest, IReadOnlyList<X509Certificate2> publishers, int threshold = 1)
    {
        if (!Open(envelope, expectedDigest, publishers, threshold, "the withdrawal").TryGet(out var opened, out var problem)) return problem;
        PatchWithdrawal? withdrawal;
        try
        {
            withdrawal = JsonSerializer.Deserialize(opened.Content, WireJson.Default.PatchWithdrawal);
        }
        catch (JsonException)
        {
            return Invalid("it is not a withdrawal");
        }

        return withdrawal is { Schema: PatchWithdrawal.SchemaName } && Hex.IsSha256(withdrawal.Manifest) && ManifestRules.IsLine(withdrawal.Reason)
            ? withdrawal
            : Invalid($"it is not a {PatchWithdrawal.SchemaName}");
    }

    private sealed record Opened(byte[] Content, string Digest);

    private static Result<Opened> Open(ReadOnlySpan<byte> envelope, string? expectedDigest, IReadOnlyList<X509Certificate2> publishers, int threshold, string what)
    {
        var digest = Convert.ToHexStringLower(SHA256.HashData(envelope));
        if (expectedDigest is not null && digest != expectedDigest)
            return new Problem(ProblemCode.ManifestMismatch, $"cannot accept {what}: it is not the one asked for (SHA-256 {digest[..12]}…, not {expectedDigest[..12]}…)", Cure);
        return CmsEnvelope.Open(envelope, publishers, what, ProblemCode.ManifestSignatureInvalid, threshold).TryGet(out var content, out var problem)
            ? new Opened(content, digest)
            : problem;
    }

    private static Problem Invalid(string why) => new(ProblemCode.ManifestInvalid, $"cannot accept the manifest: {why}", Cure);
}

/// <summary>What a manifest must look like, whoever signed it; the publisher checks the same before signing.</summary>
public static class ManifestRules
{
    /// <summary>No livepatch seen in the field comes near it.</summary>
    public const long MaxModuleSize = 256L << 20;
    public const int MaxText = 512;
    private const int MaxFixes = 4096;
    private const int MaxFunctions = 16384;

    /// <summary>The kernel's MODULE_NAME_LEN on 64 bit, less the terminator.</summary>
    private const int MaxModuleName = 55;

    /// <summary>What is wrong with it, or null.</summary>
    public static string? Fault(PatchManifest manifest)
    {
        var module = manifest.Module;
        if (!IsModuleName(module.Name)) return "its module name is not one a kernel module can have";
        if (!Hex.IsSha256(module.Sha256)) return "its module digest is not a SHA-256";
        if (module.Size is <= 0 or > MaxModuleSize) return $"its module size {module.Size} is not between 1 and {MaxModuleSize} bytes";
        if (manifest.Sequence < 1) return "its sequence is below 1";
        if (!IsWord(manifest.KernelRelease) || !IsWord(manifest.Architecture)) return "its kernel release or architecture is not a plain word";
        if (!IsLine(manifest.Version) || !IsLine(manifest.Notice)) return "its version or notice is not one line of text";
        if (manifest.Fixes.Count > MaxFixes || !manifest.Fixes.All(IsWord)) return "its list of fixes is too long or holds no identifiers";
        if (module.Functions.Count > MaxFunctions || !module.Functions.All(f => f is not null && IsLine(f.Object) && IsLine(f.Name))) return "its list of functions is too long or malformed";
        return null;
    }

    public static bool IsModuleName(string name) =>
        name.Length is > 0 and <= MaxModuleName && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '_');

    /// <summary>A kernel release, an architecture, an identifier: no white space, nothing to quote. False for null, which JSON can put into any list.</summary>
    public static bool IsWord([NotNullWhen(true)] string? text) =>
        text is { Length: > 0 and <= 128 } && text.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-' or '+' or '~' or ':');

    /// <summary>One line for people; no control characters, so it cannot steer a terminal.</summary>
    public static bool IsLine([NotNullWhen(true)] string? text) => text is { Length: > 0 and <= MaxText } && !text.Any(char.IsControl);
}
