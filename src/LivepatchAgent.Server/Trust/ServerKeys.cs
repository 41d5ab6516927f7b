using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Trust;
using LivepatchAgent.Server.Files;
using LivepatchAgent.Shared.Files;

namespace LivepatchAgent.Server.Trust;

/// <summary>A key pair that an administrator brings, PEM.</summary>
internal sealed record KeyFiles(string Certificate, string Key);

/// <summary>
/// The server's two keys. The TLS key says who answers; tokens pin it by its public key, so its certificate may be
/// renewed. The catalogue key says what is offered now; tokens pin its certificate. Neither can vouch for a patch: only
/// a publisher's key does, and that one never comes here. Both are made at first need unless given.
/// </summary>
internal static class ServerKeys
{
    private static readonly TimeSpan Validity = TimeSpan.FromDays(3650);
    private static readonly TimeSpan RenewBefore = TimeSpan.FromDays(365);

    /// <summary>Hosts with a clock that is behind must still be able to connect, and be told so.</summary>
    private static readonly TimeSpan Backdated = TimeSpan.FromDays(365);

    /// <param name="names">What the certificate must name; it is made anew with the same key when a name is missing.</param>
    public static Result<X509Certificate2Collection> Tls(DataFolder folder, KeyFiles? given, IReadOnlyList<string> names, DateTimeOffset now)
    {
        if (given is not null) return Given(given, folder.TlsCertificate, "TLS");
        return Own(folder, folder.TlsKey, folder.TlsCertificate, now, key => SelfSigned(key, names[0], now, request =>
        {
            var alternatives = new SubjectAlternativeNameBuilder();
            foreach (var name in names)
            {
                if (System.Net.IPAddress.TryParse(name, out var address)) alternatives.AddIpAddress(address);
                else alternatives.AddDnsName(name);
            }

            request.CertificateExtensions.Add(alternatives.Build());
            request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid("1.3.6.1.5.5.7.3.1")], critical: false));
        }), certificate => certificate.NotAfter - now > RenewBefore && names.All(name => certificate.MatchesHostname(name)));
    }

    /// <summary>Never renewed by itself: hosts pin the certificate, and look at its signature, not at its dates.</summary>
    public static Result<X509Certificate2Collection> Catalogue(DataFolder folder, KeyFiles? given, string host, DateTimeOffset now) => given is not null
        ? Given(given, folder.CatalogueCertificate, "catalogue")
        : Own(folder, folder.CatalogueKey, folder.CatalogueCertificate, now, key => SelfSigned(key, $"livepatch catalogue of {host}", now, _ => { }), _ => true);

    /// <summary>The certificate that the running server uses, as it last told; null before it first did.</summary>
    public static X509Certificate2? Known(string path) => File.Exists(path) ? X509Certificate2.CreateFromPem(File.ReadAllText(path)) : null;

    private static Result<X509Certificate2Collection> Given(KeyFiles files, string known, string what)
    {
        try
        {
            // The first certificate is the one of the key; what follows is its chain.
            var certificate = X509Certificate2.CreateFromPemFile(files.Certificate, files.Key);
            if (Algorithms.KeyFault(certificate) is { } weak)
                return new Problem(ProblemCode.RequestInvalid, $"cannot use the {what} key {files.Key}: it is {weak}", "make a new key");
            var chain = new X509Certificate2Collection();
            chain.ImportFromPemFile(files.Certificate);
            chain[0].Dispose();
            chain.RemoveAt(0);
            chain.Insert(0, certificate);
            Tell(known, certificate);
            return chain;
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException or IOException or UnauthorizedAccessException)
        {
            return new Problem(ProblemCode.RequestInvalid, $"cannot use the {what} certificate {files.Certificate} with the key {files.Key}: {Why(e)}", "give a PEM certificate and its unencrypted PEM key");
        }
    }

    private static Result<X509Certificate2Collection> Own(
        DataFolder folder, string keyPath, string known, DateTimeOffset now, Func<ECDsa, X509Certificate2> sign, Func<X509Certificate2, bool> fits)
    {
        // `token create` beside a server that starts for the first time must not make another key.
        using var alone = folder.TryLock("keys.lock");
        if (alone is null) return new Problem(ProblemCode.DiskError, $"cannot read the keys in {folder.Keys}: another livepatch-server is making them", "try again");
        try
        {
            using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            X509Certificate2? certificate = null;
            if (File.Exists(keyPath))
            {
                var pem = File.ReadAllText(keyPath);
                key.ImportFromPem(pem);
                certificate = X509Certificate2.CreateFromPem(pem);
            }

            if (certificate is null || !fits(certificate))
            {
                certificate = sign(key);

                // One file, so that no crash parts a key from the certificate that hosts know it by.
                AtomicFile.Write(keyPath, $"{key.ExportPkcs8PrivateKeyPem()}\n{certificate.ExportCertificatePem()}\n", FileRights.OwnerOnly);
            }

            Tell(known, certificate);
            return new X509Certificate2Collection(certificate.HasPrivateKey ? certificate : certificate.CopyWithPrivateKey(key));
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException or IOException or UnauthorizedAccessException)
        {
            return new Problem(ProblemCode.StateInvalid, $"cannot use the key {keyPath}: {Why(e)}", "restore it from a backup; hosts that pin it accept no other");
        }
    }

    private static X509Certificate2 SelfSigned(ECDsa key, string name, DateTimeOffset now, Action<CertificateRequest> extend)
    {
        var subject = new X500DistinguishedNameBuilder();
        subject.AddCommonName(name.Length <= 64 ? name : name[..64]);
        var request = new CertificateRequest(subject.Build(), key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: false, hasPathLengthConstraint: false, 0, critical: true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, critical: true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, critical: false));
        extend(request);
        return request.CreateSelfSigned(now - Backdated, now + Validity);
    }

    private static string Why(Exception e) => e is ArgumentException ? "they do not belong together or are not PEM" : e.Message.TrimEnd('.');

    private static void Tell(string path, X509Certificate2 certificate)
    {
        var pem = certificate.ExportCertificatePem() + "\n";
        if (!File.Exists(path) || File.ReadAllText(path) != pem) AtomicFile.Write(path, pem, FileRights.ReadableByAll);
    }
}
