using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace LivepatchAgent.Publisher.Keys;

/// <summary>A new private key and its self-signed certificate, as files' contents.</summary>
internal sealed record NewKey(string PrivatePem, X509Certificate2 Certificate);

/// <summary>
/// Makes the keys of the two roles. The publisher's certificate is meant for three readers: hosts pin it for manifests,
/// a firmware's MOK list takes it (mokutil --import), and the kernel's keyrings take it from there to check modules.
/// </summary>
internal static class KeyMaker
{
    private const int Years = 10;
    private const int EncryptionRounds = 600_000;

    /// <summary>id-kp-codeSigning: some vendors' kernels demand it of whoever signs modules.</summary>
    private const string CodeSigning = "1.3.6.1.5.5.7.3.3";

    /// <summary>
    /// shim's "for kernel modules only": as a MOK, this key cannot vouch for boot loaders or kernels.
    /// </summary>
    private const string ModuleSigningOnly = "1.3.6.1.4.1.2312.16.1.2";

    public static NewKey Publisher(string name, int bits, string? passphrase, DateTimeOffset now)
    {
        using var key = RSA.Create(bits);
        var request = new CertificateRequest(Subject(name), key, HashAlgorithmName.SHA512, RSASignaturePadding.Pkcs1);
        request.CertificateExtensions.Add(
            new X509EnhancedKeyUsageExtension([new Oid(CodeSigning), new Oid(ModuleSigningOnly)], critical: false));
        return Make(request, key, passphrase, now);
    }

    public static NewKey Catalogue(string name, string? passphrase, DateTimeOffset now)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        return Make(new CertificateRequest(Subject(name), key, HashAlgorithmName.SHA256), key, passphrase, now);
    }

    private static NewKey Make(
        CertificateRequest request, AsymmetricAlgorithm key, string? passphrase, DateTimeOffset now)
    {
        // An end entity, not an authority: Debian's kernels take any key from the MOK list, and nothing here issues
        // certificates.
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, critical: true));
        request.CertificateExtensions.Add(
            new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, critical: true));
        var keyId = new X509SubjectKeyIdentifierExtension(request.PublicKey, critical: false);
        request.CertificateExtensions.Add(keyId);
        request.CertificateExtensions.Add(X509AuthorityKeyIdentifierExtension.CreateFromSubjectKeyIdentifier(keyId));
        // Backdated: hosts whose clock is a little behind take it too.
        return new NewKey(PrivatePem(key, passphrase), request.CreateSelfSigned(now.AddHours(-1), now.AddYears(Years)));
    }

    private static X500DistinguishedName Subject(string name)
    {
        var builder = new X500DistinguishedNameBuilder();
        builder.AddCommonName(name);
        return builder.Build();
    }

    private static string PrivatePem(AsymmetricAlgorithm key, string? passphrase) => passphrase is null
        ? key.ExportPkcs8PrivateKeyPem()
        : key.ExportEncryptedPkcs8PrivateKeyPem(
            passphrase,
            new PbeParameters(PbeEncryptionAlgorithm.Aes256Cbc, HashAlgorithmName.SHA256, EncryptionRounds));
}
