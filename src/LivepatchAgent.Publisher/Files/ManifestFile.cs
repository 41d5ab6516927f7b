using System.Security.Cryptography;
using System.Security.Cryptography.Pkcs;
using System.Text.Json;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Trust;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Publisher.Files;

/// <summary>
/// A manifest's file read without a certificate at hand: to show it, or to see that it belongs to a module. Never to
/// believe it.
/// </summary>
internal sealed record ManifestFile(byte[] Envelope, string Digest, PatchManifest Content)
{
    public static Result<ManifestFile> Read(string path)
    {
        if (!LocalFile.ReadEnvelope(path).TryGet(out var envelope, out var problem)) return problem;
        try
        {
            var cms = new SignedCms();
            cms.Decode(envelope);
            var manifest = JsonSerializer.Deserialize(cms.ContentInfo.Content, WireJson.Default.PatchManifest);
            if (manifest is not { Schema: PatchManifest.SchemaName })
                return Invalid(path, $"its schema is not {PatchManifest.SchemaName}");
            if (ManifestRules.Fault(manifest) is { } fault) return Invalid(path, fault);
            return new ManifestFile(envelope, Convert.ToHexStringLower(SHA256.HashData(envelope)), manifest);
        }
        catch (Exception e) when (e is CryptographicException or System.Formats.Asn1.AsnContentException)
        {
            return Invalid(path, "it is not a CMS message");
        }
        catch (JsonException)
        {
            return Invalid(path, "its content is not a manifest");
        }
    }

    private static Problem Invalid(string path, string why) =>
        new(
            ProblemCode.ManifestInvalid,
            $"cannot use {path} as a manifest: {why}",
            "make one with `livepatch-publisher manifest`");
}
