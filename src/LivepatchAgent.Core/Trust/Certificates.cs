using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace LivepatchAgent.Core.Trust;

/// <summary>
/// The certificates that a host pins, one set a role: a publisher's key vouches for manifests, withdrawals and modules
/// and for nothing else; a catalogue key (the server's) for catalogues and for nothing else.
/// </summary>
public sealed class HostTrust(IReadOnlyList<X509Certificate2> publishers, IReadOnlyList<X509Certificate2> catalogue)
{
    public IReadOnlyList<X509Certificate2> Publishers { get; } = publishers;

    public IReadOnlyList<X509Certificate2> Catalogue { get; } = catalogue;
}

public static class Certificates
{
    /// <summary>SHA-256 of the certificate (DER), lower-case hex: what a token pins.</summary>
    public static string Fingerprint(X509Certificate2 certificate) => Convert.ToHexStringLower(SHA256.HashData(certificate.RawData));

    /// <summary>SHA-256 of the SubjectPublicKeyInfo, lower-case hex: outlives a renewal of the certificate with the same key.</summary>
    public static string KeyPin(X509Certificate2 certificate) =>
        Convert.ToHexStringLower(SHA256.HashData(certificate.PublicKey.ExportSubjectPublicKeyInfo()));

    /// <summary>Reads DER, refusing what is not a certificate or has a key below the floor (RSA 3072, P-256).</summary>
    public static bool TryLoad(ReadOnlySpan<byte> der, [NotNullWhen(true)] out X509Certificate2? certificate)
    {
        certificate = null;
        try
        {
            var loaded = X509CertificateLoader.LoadCertificate(der);
            if (!KeyIsStrong(loaded))
            {
                loaded.Dispose();
                return false;
            }

            certificate = loaded;
            return true;
        }
        catch (CryptographicException)
        {
            return false;
        }
    }

    /// <summary>RSA from 3072 bits, ECDSA P-256 and P-384.</summary>
    public static bool KeyIsStrong(X509Certificate2 certificate)
    {
        using var rsa = certificate.GetRSAPublicKey();
        if (rsa is not null) return rsa.KeySize >= 3072;
        using var ecdsa = certificate.GetECDsaPublicKey();
        return ecdsa is { KeySize: 256 or 384 };
    }
}
