using System.Net;
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
/// The server's two keys. The TLS key says who answers; tokens pin it by its public key, so its certificate can be
/// renewed. The catalogue key says what is offered now; tokens pin its certificate. Neither can vouch for a patch: only
/// a publisher's key does, and that one never comes here. Both are made when they are first needed, unless given.
/// </summary>
internal static class ServerKeys
{
    /// <summary>id-kp-serverAuth of RFC 5280.</summary>
    private const string ServerAuthentication = "1.3.6.1.5.5.7.3.1";

    /// <summary>ub-common-name of X.520.</summary>
    private const int MaxName = 64;

    private static readonly TimeSpan Validity = TimeSpan.FromDays(3650);
    private static readonly TimeSpan RenewBefore = TimeSpan.FromDays(365);

    /// <summary>Hosts whose clock is behind must still be able to connect, and to learn that it is.</summary>
    private static readonly TimeSpan Backdated = TimeSpan.FromDays(365);

    /// <param name="names">
    /// What the certificate must name. One that lacks a name is replaced by a new one for the same key.
    /// </param>
    public static Result<X509Certificate2Collection> Tls(
        DataFolder folder, KeyFiles? given, IReadOnlyList<string> names, DateTimeOffset now)
    {
        if (given is not null) return Given(given, folder.TlsCertificate, "TLS");
        return Own(folder, folder.TlsKey, folder.TlsCertificate, Sign, Fits);

        X509Certificate2 Sign(ECDsa key) => SelfSigned(key, names[0], now, [AlternativeNames(names), ForServers()]);

        bool Fits(X509Certificate2 certificate) =>
            certificate.NotAfter - now > RenewBefore && names.All(name => certificate.MatchesHostname(name));
    }

    /// <summary>Never renewed: hosts pin the certificate itself, and check its signatures, not its dates.</summary>
    public static Result<X509Certificate2Collection> Catalogue(
        DataFolder folder, KeyFiles? given, string host, DateTimeOffset now)
    {
        if (given is not null) return Given(given, folder.CatalogueCertificate, "catalogue");
        return Own(folder, folder.CatalogueKey, folder.CatalogueCertificate, Sign, _ => true);

        X509Certificate2 Sign(ECDsa key) => SelfSigned(key, $"livepatch catalogue of {host}", now, []);
    }

    /// <summary>The certificate that the server last used; null before it first ran.</summary>
    public static X509Certificate2? Known(string path) =>
        File.Exists(path) ? X509Certificate2.CreateFromPem(File.ReadAllText(path)) : null;

    private static Result<X509Certificate2Collection> Given(KeyFiles files, string known, string what)
    {
        try
        {
            // The first certificate is the one of the key; what follows is its chain.
            var certificate = X509Certificate2.CreateFromPemFile(files.Certificate, files.Key);
            if (Algorithms.KeyFault(certificate) is { } weak)
            {
                return new Problem(
                    ProblemCode.RequestInvalid,
                    $"cannot use the {what} key {files.Key}: it is {weak}",
                    "make a new key");
            }

            var chain = new X509Certificate2Collection();
            chain.ImportFromPemFile(files.Certificate);
            chain[0].Dispose();
            chain.RemoveAt(0);
            chain.Insert(0, certificate);
            Remember(known, certificate);
            return chain;
        }
        catch (Exception e) when (IsBadKey(e))
        {
            return new Problem(
                ProblemCode.RequestInvalid,
                $"cannot use the {what} certificate {files.Certificate} with the key {files.Key}: {Why(e)}",
                "give a PEM certificate and its unencrypted PEM key");
        }
    }

    /// <param name="keyPath">The file of key and certificate.</param>
    /// <param name="known">Where the commands beside the server look for the certificate.</param>
    /// <param name="sign">Makes a certificate.</param>
    /// <param name="fits">Whether the present one still serves.</param>
    private static Result<X509Certificate2Collection> Own(
        DataFolder folder,
        string keyPath,
        string known,
        Func<ECDsa, X509Certificate2> sign,
        Func<X509Certificate2, bool> fits)
    {
        // `token create` beside a server that starts for the first time must not make another key.
        using var alone = folder.TryLock("keys.lock");
        if (alone is null)
        {
            return new Problem(
                ProblemCode.DiskError,
                $"cannot read the keys in {folder.Keys}: another livepatch-server is making them",
                "try again");
        }

        try
        {
            using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            var certificate = Read(keyPath, key);
            if (certificate is null || !fits(certificate))
            {
                certificate = sign(key);

                // One file, so that no crash parts a key from the certificate that hosts know it by.
                var pem = $"{key.ExportPkcs8PrivateKeyPem()}\n{certificate.ExportCertificatePem()}\n";
                AtomicFile.Write(keyPath, pem, FileRights.OwnerOnly);
            }

            Remember(known, certificate);
            return new X509Certificate2Collection(WithKey(certificate, key));
        }
        catch (Exception e) when (IsBadKey(e))
        {
            return new Problem(
                ProblemCode.StateInvalid,
                $"cannot use the key {keyPath}: {Why(e)}",
                "restore it from a backup; hosts that pin it accept no other");
        }
    }

    /// <summary>The certificate, and the key into <paramref name="key"/>; null when there is no file yet.</summary>
    private static X509Certificate2? Read(string keyPath, ECDsa key)
    {
        if (!File.Exists(keyPath)) return null;
        var pem = File.ReadAllText(keyPath);
        key.ImportFromPem(pem);
        return X509Certificate2.CreateFromPem(pem);
    }

    private static X509Certificate2 WithKey(X509Certificate2 certificate, ECDsa key) =>
        certificate.HasPrivateKey ? certificate : certificate.CopyWithPrivateKey(key);

    private static X509Certificate2 SelfSigned(ECDsa key, string name, DateTimeOffset now, X509Extension[] more)
    {
        var subject = new X500DistinguishedNameBuilder();
        subject.AddCommonName(name.Length <= MaxName ? name : name[..MaxName]);
        var request = new CertificateRequest(subject.Build(), key, HashAlgorithmName.SHA256);
        X509Extension[] extensions =
        [
            new X509BasicConstraintsExtension(certificateAuthority: false, false, 0, critical: true),
            new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, critical: true),
            new X509SubjectKeyIdentifierExtension(request.PublicKey, critical: false),
            .. more,
        ];
        foreach (var extension in extensions) request.CertificateExtensions.Add(extension);
        return request.CreateSelfSigned(now - Backdated, now + Validity);
    }

    private static X509Extension AlternativeNames(IReadOnlyList<string> names)
    {
        var alternatives = new SubjectAlternativeNameBuilder();
        foreach (var name in names)
        {
            if (IPAddress.TryParse(name, out var address)) alternatives.AddIpAddress(address);
            else alternatives.AddDnsName(name);
        }

        return alternatives.Build();
    }

    private static X509EnhancedKeyUsageExtension ForServers() => new([new Oid(ServerAuthentication)], critical: false);

    private static bool IsBadKey(Exception e) =>
        e is CryptographicException or ArgumentException or IOException or UnauthorizedAccessException;

    private static string Why(Exception e) =>
        e is ArgumentException ? "they do not belong together or are not PEM" : e.Message.TrimEnd('.');

    /// <summary>For the commands beside the server: tokens name this certificate.</summary>
    private static void Remember(string path, X509Certificate2 certificate)
    {
        var pem = certificate.ExportCertificatePem() + "\n";
        if (!File.Exists(path) || File.ReadAllText(path) != pem) AtomicFile.Write(path, pem, FileRights.ReadableByAll);
    }
}
