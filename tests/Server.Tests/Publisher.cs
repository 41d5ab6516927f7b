using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using LivepatchAgent.Core.Trust;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Server.Tests;

/// <summary>Who holds a publisher's key, and what it signs.</summary>
internal sealed class Publisher
{
    private readonly X509Certificate2 _certificate;

    public Publisher(string name = "publisher")
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        _certificate = request.CreateSelfSigned(DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch.AddYears(200));
    }

    public X509Certificate2 Certificate => X509CertificateLoader.LoadCertificate(_certificate.RawData);

    /// <summary>The same key under another certificate.</summary>
    public X509Certificate2 Renewed()
    {
        using var key = _certificate.GetECDsaPrivateKey()!;
        return new CertificateRequest("CN=renewed", key, HashAlgorithmName.SHA256).CreateSelfSigned(
            DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch.AddYears(300));
    }

    public Patch Patch(
        long sequence,
        int bytes = 5000,
        string release = Machine.Release,
        string version = "1.0",
        byte[]? module = null)
    {
        module ??= RandomNumberGenerator.GetBytes(bytes);
        var manifest = new PatchManifest
        {
            Schema = PatchManifest.SchemaName,
            Version = version,
            Sequence = sequence,
            Notice = $"LPN-{sequence:D4}",
            KernelRelease = release,
            Architecture = "x86_64",
            Module = new ManifestModule { Name = "livepatch_test", Sha256 = Sha256(module), Size = module.Length },
            Fixes = [$"CVE-2026-{sequence:D4}"],
            CoveredUntil = new DateOnly(2027, 6, 30),
        };
        return new Patch(manifest, Sign(manifest), module);
    }

    public byte[] Sign(PatchManifest manifest) =>
        CmsEnvelope.Sign(JsonSerializer.SerializeToUtf8Bytes(manifest, WireJson.Default.PatchManifest), _certificate);

    public byte[] Withdraw(Patch patch, string reason = "it stalls") => CmsEnvelope.Sign(
        JsonSerializer.SerializeToUtf8Bytes(
            new PatchWithdrawal { Schema = PatchWithdrawal.SchemaName, ManifestDigest = patch.Digest, Reason = reason },
            WireJson.Default.PatchWithdrawal), _certificate);

    /// <summary>A pin set with this server's keys in it, signed by this publisher.</summary>
    public byte[] Pins(ServerUnderTest server, long version, int threshold = 1, params Publisher[] publishers) =>
        Sign(PinsOf(server, version, threshold, publishers.Length == 0 ? [this] : publishers));

    public byte[] Sign(PinSet pins) =>
        CmsEnvelope.Sign(JsonSerializer.SerializeToUtf8Bytes(pins, WireJson.Default.PinSet), _certificate);

    public byte[] Cosign(byte[] envelope) => CmsEnvelope.AddSignature(envelope, _certificate);

    public static PinSet PinsOf(
        ServerUnderTest server, long version, int threshold, params Publisher[] publishers) => new()
    {
        Schema = PinSet.SchemaName,
        Version = version,
        Threshold = threshold,
        Publishers = [.. publishers.Select(p => Convert.ToBase64String(p._certificate.RawData))],
        Catalogue = [Convert.ToBase64String(Trust.ServerKeys.Known(server.Folder.CatalogueCertificate)!.RawData)],
        Tls = [Certificates.KeyPin(Trust.ServerKeys.Known(server.Folder.TlsCertificate)!)],
    };

    public static string Sha256(byte[] bytes) => Convert.ToHexStringLower(SHA256.HashData(bytes));
}

internal sealed record Patch(PatchManifest Manifest, byte[] Envelope, byte[] Module)
{
    public string Digest { get; } = Publisher.Sha256(Envelope);

    public string ModuleDigest => Manifest.Module.Sha256;
}
