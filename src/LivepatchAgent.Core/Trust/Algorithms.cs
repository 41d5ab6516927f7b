using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace LivepatchAgent.Core.Trust;

/// <summary>
/// Every algorithm that a signature may be made with, and by name those that are known and refused: here and nowhere else.
/// A new one (ML-DSA, FIPS 204, which the kernel takes from 7.0 on) is a line in each of the tables and an arm in
/// <see cref="Verifies"/>, once the platform has it.
/// </summary>
public static class Algorithms
{
    /// <summary>For messages.</summary>
    public const string AcceptedKeys = "RSA from 3072 bits, ECDSA P-256 or P-384";

    public const int LeastRsaBits = 3072;

    private const string AcceptedDigests = "SHA-256, SHA-384 or SHA-512";
    private const string Rsa = "1.2.840.113549.1.1.1";
    private const string RsaPss = "1.2.840.113549.1.1.10";
    private const string EllipticCurve = "1.2.840.10045.2.1";

    public static readonly Oid Sha256 = new("2.16.840.1.101.3.4.2.1", "sha256");
    public static readonly Oid Sha384 = new("2.16.840.1.101.3.4.2.2", "sha384");
    public static readonly Oid Sha512 = new("2.16.840.1.101.3.4.2.3", "sha512");

    private sealed record Named(string Name, bool Accepted = false);

    private static readonly Dictionary<string, (string Name, HashAlgorithmName? Accepted)> Digests = new()
    {
        [Sha256.Value!] = ("SHA-256", HashAlgorithmName.SHA256),
        [Sha384.Value!] = ("SHA-384", HashAlgorithmName.SHA384),
        [Sha512.Value!] = ("SHA-512", HashAlgorithmName.SHA512),
        ["1.2.840.113549.2.2"] = ("MD2", null),
        ["1.2.840.113549.2.4"] = ("MD4", null),
        ["1.2.840.113549.2.5"] = ("MD5", null),
        ["1.3.14.3.2.26"] = ("SHA-1", null),
        ["1.3.36.3.2.1"] = ("RIPEMD-160", null),
        ["2.16.840.1.101.3.4.2.4"] = ("SHA-224", null),
        ["2.16.840.1.101.3.4.2.5"] = ("SHA-512/224", null),
        ["2.16.840.1.101.3.4.2.6"] = ("SHA-512/256", null),
        ["2.16.840.1.101.3.4.2.8"] = ("SHA3-256", null),
        ["2.16.840.1.101.3.4.2.9"] = ("SHA3-384", null),
        ["2.16.840.1.101.3.4.2.10"] = ("SHA3-512", null),
        ["1.2.156.10197.1.401"] = ("SM3", null),
        ["1.2.643.7.1.1.2.2"] = ("Streebog-256", null),
    };

    private static readonly Dictionary<string, Named> Signatures = new()
    {
        [Rsa] = new("RSA", Accepted: true),
        [RsaPss] = new("RSASSA-PSS", Accepted: true),
        ["1.2.840.113549.1.1.11"] = new("RSA with SHA-256", Accepted: true),
        ["1.2.840.113549.1.1.12"] = new("RSA with SHA-384", Accepted: true),
        ["1.2.840.113549.1.1.13"] = new("RSA with SHA-512", Accepted: true),
        ["1.2.840.10045.4.3.2"] = new("ECDSA with SHA-256", Accepted: true),
        ["1.2.840.10045.4.3.3"] = new("ECDSA with SHA-384", Accepted: true),
        ["1.2.840.10045.4.3.4"] = new("ECDSA with SHA-512", Accepted: true),
        ["1.2.840.113549.1.1.4"] = new("RSA with MD5"),
        ["1.2.840.113549.1.1.5"] = new("RSA with SHA-1"),
        ["1.2.840.113549.1.1.14"] = new("RSA with SHA-224"),
        ["1.2.840.10045.4.1"] = new("ECDSA with SHA-1"),
        ["1.2.840.10045.4.3.1"] = new("ECDSA with SHA-224"),
        ["1.2.840.10040.4.3"] = new("DSA with SHA-1"),
        ["2.16.840.1.101.3.4.3.2"] = new("DSA with SHA-256"),
        ["1.3.101.112"] = new("Ed25519"),
        ["2.16.840.1.101.3.4.3.17"] = new("ML-DSA-44"),
        ["2.16.840.1.101.3.4.3.18"] = new("ML-DSA-65"),
        ["2.16.840.1.101.3.4.3.19"] = new("ML-DSA-87"),
    };

    private static readonly Dictionary<string, string> OtherKeys = new()
    {
        [RsaPss] = "RSASSA-PSS",
        ["1.2.840.10040.4.1"] = "DSA",
        ["1.3.101.112"] = "Ed25519",
        ["1.3.101.113"] = "Ed448",
        ["1.2.643.7.1.1.1.1"] = "GOST R 34.10-2012",
        ["2.16.840.1.101.3.4.3.17"] = "ML-DSA-44",
        ["2.16.840.1.101.3.4.3.18"] = "ML-DSA-65",
        ["2.16.840.1.101.3.4.3.19"] = "ML-DSA-87",
    };

    private static readonly Dictionary<string, Named> Curves = new()
    {
        ["1.2.840.10045.3.1.7"] = new("P-256", Accepted: true),
        ["1.3.132.0.34"] = new("P-384", Accepted: true),
        ["1.2.840.10045.3.1.1"] = new("P-192"),
        ["1.3.132.0.33"] = new("P-224"),
        ["1.3.132.0.35"] = new("P-521"),
        ["1.3.132.0.10"] = new("secp256k1"),
        ["1.3.36.3.3.2.8.1.1.7"] = new("brainpoolP256r1"),
        ["1.3.36.3.3.2.8.1.1.11"] = new("brainpoolP384r1"),
        ["1.2.156.10197.1.301"] = new("SM2"),
    };

    /// <summary>Null for any that is not accepted.</summary>
    public static HashAlgorithmName? Digest(Oid oid) => Digests.GetValueOrDefault(oid.Value ?? "").Accepted;

    /// <summary>Why no signature over this digest is believed, as the end of "its signature is …"; null when it may be.</summary>
    public static string? DigestFault(Oid oid) => Digest(oid) is not null
        ? null
        : $"over a {(Digests.TryGetValue(oid.Value ?? "", out var known) ? known.Name : $"digest that is not known ({oid.Value})")}, and only {AcceptedDigests} are accepted";

    /// <summary>The same of the signature algorithm.</summary>
    /// <param name="module">For the kernel, which takes no RSASSA-PSS there.</param>
    public static string? SignatureFault(Oid oid, bool module = false)
    {
        if (!Signatures.TryGetValue(oid.Value ?? "", out var named)) return $"made with an algorithm that is not known ({oid.Value})";
        return named.Accepted && !(module && oid.Value == RsaPss) ? null : $"made with {named.Name}, which is not accepted";
    }

    /// <summary>Why no key of this kind is believed, as the end of "its key is …"; null when it may be.</summary>
    public static string? KeyFault(X509Certificate2 certificate)
    {
        var kind = certificate.PublicKey.Oid.Value ?? "";
        switch (kind)
        {
            case Rsa:
                using (var rsa = certificate.GetRSAPublicKey())
                    return rsa is null ? "an RSA key that cannot be read" : rsa.KeySize >= LeastRsaBits ? null : $"RSA with {rsa.KeySize} bits, and {AcceptedKeys} are accepted";
            case EllipticCurve:
                return Curve(certificate.PublicKey) is { } curve && Curves.TryGetValue(curve, out var named)
                    ? named.Accepted ? null : $"of the curve {named.Name}, and {AcceptedKeys} are accepted"
                    : $"of a curve that is not known, and {AcceptedKeys} are accepted";
            default:
                return $"{OtherKeys.GetValueOrDefault(kind, "of a kind that is not known")}, and {AcceptedKeys} are accepted";
        }
    }

    /// <summary>Whether the signature is the key's over the hash; false for whatever cannot be decided.</summary>
    public static bool Verifies(X509Certificate2 certificate, byte[] hash, byte[] signature, HashAlgorithmName digest)
    {
        try
        {
            using var rsa = certificate.GetRSAPublicKey();
            if (rsa is not null) return rsa.VerifyHash(hash, signature, digest, RSASignaturePadding.Pkcs1);
            using var ecdsa = certificate.GetECDsaPublicKey();
            return ecdsa is not null && ecdsa.VerifyHash(hash, signature, DSASignatureFormat.Rfc3279DerSequence);
        }
        catch (CryptographicException)
        {
            return false;
        }
    }

    /// <summary>The named curve; null for one that is spelled out, which could be any.</summary>
    private static string? Curve(PublicKey key)
    {
        try
        {
            return AsnDecoder.ReadObjectIdentifier(key.EncodedParameters?.RawData, AsnEncodingRules.DER, out _);
        }
        catch (AsnContentException)
        {
            return null;
        }
    }
}
