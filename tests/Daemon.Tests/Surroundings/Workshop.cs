using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using LivepatchAgent.Core.Modules;
using LivepatchAgent.Core.Trust;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Daemon.Tests.Surroundings;

/// <summary>The publisher: real modules of the corpus, signed with keys made for the run.</summary>
internal static class Workshop
{
    public const string Release = "6.12.117+deb12-cloud-amd64";

    public static X509Certificate2 Publisher { get; } = Key("CN=publisher");

    public static X509Certificate2 Stranger { get; } = Key("CN=stranger");

    public static X509Certificate2 CatalogueKey { get; } = Key("CN=catalogue");

    /// <summary>Number 1 is livepatch_cmdline; every other is its cumulative successor, livepatch_cmdline_v2.</summary>
    public static Published Patch(
        int number,
        int padding = 0,
        X509Certificate2? moduleSigner = null,
        X509Certificate2? manifestSigner = null,
        byte[]? module = null,
        Func<PatchManifest, PatchManifest>? change = null)
    {
        var raw = Corpus.Module(number == 1 ? Corpus.Cmdline : Corpus.CmdlineV2);
        module ??= ModuleSigner.Sign([.. raw, .. new byte[padding]], moduleSigner ?? Publisher);
        var manifest = new PatchManifest
        {
            Schema = PatchManifest.SchemaName,
            Version = $"{number}.0",
            Sequence = number,
            Notice = $"LPN-{number:D4}",
            KernelRelease = Release,
            Architecture = "x86_64",
            Module = new ManifestModule
            {
                Name = ModuleReader.Read(raw).Value.Name,
                Sha256 = Sha256(module),
                Size = module.Length,
            },
            Fixes = [$"CVE-2026-{number:D4}"],
            CoveredUntil = new DateOnly(2027, 6, 30),
        };
        manifest = change?.Invoke(manifest) ?? manifest;
        var json = JsonSerializer.SerializeToUtf8Bytes(manifest, WireJson.Default.PatchManifest);
        return new Published(manifest, CmsEnvelope.Sign(json, manifestSigner ?? Publisher), module);
    }

    public static byte[] Withdraw(Published patch, string reason)
    {
        var withdrawal = new PatchWithdrawal
        {
            Schema = PatchWithdrawal.SchemaName,
            ManifestDigest = patch.Digest,
            Reason = reason,
        };
        var json = JsonSerializer.SerializeToUtf8Bytes(withdrawal, WireJson.Default.PatchWithdrawal);
        return CmsEnvelope.Sign(json, Publisher);
    }

    public static string Sha256(byte[] bytes) => Convert.ToHexStringLower(SHA256.HashData(bytes));

    public static X509Certificate2 Key(string subject)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest(subject, key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("localhost");
        request.CertificateExtensions.Add(names.Build());
        return request.CreateSelfSigned(DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch.AddYears(200));
    }
}

internal sealed record Published(PatchManifest Manifest, byte[] Envelope, byte[] Module)
{
    public string Digest { get; } = Workshop.Sha256(Envelope);

    public string Name => Manifest.Module.Name;

    public string ModulePath => "/v1/modules/" + Manifest.Module.Sha256;

    public string ManifestPath => "/v1/manifests/" + Digest;
}
