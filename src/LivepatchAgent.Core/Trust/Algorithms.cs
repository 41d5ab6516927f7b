using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using LivepatchAgent.Core.Modules;

namespace LivepatchAgent.Core.Trust;

/// <summary>
/// Every algorithm that a signature may be made with, and what is done with content and key to check one: here and
/// nowhere else. All others are refused by the names that SignatureAlgorithms has for them. An algorithm that signs a
/// hash is a line in these tables. One of another kind, such as ML-DSA (FIPS 204, which the kernel takes from 7.0 on,
/// and which signs no hash that can be computed without the key), is also an arm in <see cref="KeyFault"/> and a
/// <see cref="SignatureCheck"/> beside <see cref="OverHash"/>. Envelopes are read by the platform's SignedCms, which
/// has ML-DSA where OpenSSL has (3.5): for them the tables are all.
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

    private static readonly Dictionary<string, HashAlgorithmName> Digests = new()
    {
        [Sha256.Value!] = HashAlgorithmName.SHA256,
        [Sha384.Value!] = HashAlgorithmName.SHA384,
        [Sha512.Value!] = HashAlgorithmName.SHA512,
    };

    private static readonly HashSet<string> Signatures =
    [
        Rsa, RsaPss,
        // RSA with SHA-256, 384, 512.
        "1.2.840.113549.1.1.11", "1.2.840.113549.1.1.12", "1.2.840.113549.1.1.13",
        // ECDSA with the same.
        "1.2.840.10045.4.3.2", "1.2.840.10045.4.3.3", "1.2.840.10045.4.3.4",
    ];

    private static readonly Dictionary<string, (string Name, bool Accepted)> Curves = new()
    {
        ["1.2.840.10045.3.1.7"] = ("P-256", true),
        ["1.3.132.0.34"] = ("P-384", true),
        ["1.2.840.10045.3.1.1"] = ("P-192", false),
        ["1.3.132.0.33"] = ("P-224", false),
        ["1.3.132.0.35"] = ("P-521", false),
        ["1.3.132.0.10"] = ("secp256k1", false),
        ["1.3.36.3.3.2.8.1.1.7"] = ("brainpoolP256r1", false),
        ["1.3.36.3.3.2.8.1.1.11"] = ("brainpoolP384r1", false),
        ["1.2.156.10197.1.301"] = ("SM2", false),
    };

    /// <summary>Null for any that is not accepted.</summary>
    public static HashAlgorithmName? Digest(Oid oid) =>
        Digests.TryGetValue(oid.Value ?? "", out var name) ? name : null;

    /// <summary>
    /// Why no signature over this digest is believed, as the end of "its signature is …"; null when it may be.
    /// </summary>
    public static string? DigestFault(Oid oid)
    {
        if (Digest(oid) is not null) return null;
        var name = SignatureAlgorithms.DigestName(oid.Value ?? "") ?? $"digest that is not known ({oid.Value})";
        return $"over a {name}, and only {AcceptedDigests} are accepted";
    }

    /// <summary>The same of the signature algorithm.</summary>
    /// <param name="module">For the kernel, which takes no RSASSA-PSS there.</param>
    public static string? SignatureFault(Oid oid, bool module = false)
    {
        var id = oid.Value ?? "";
        if (Signatures.Contains(id) && !(module && id == RsaPss)) return null;
        return SignatureAlgorithms.SignatureName(id) is { } name
            ? $"made with {name}, which is not accepted"
            : $"made with an algorithm that is not known ({id})";
    }

    /// <summary>Why no key of this kind is believed, as the end of "its key is …"; null when it may be.</summary>
    public static string? KeyFault(X509Certificate2 certificate)
    {
        var kind = certificate.PublicKey.Oid.Value ?? "";
        return kind switch
        {
            Rsa => RsaFault(certificate),
            EllipticCurve => CurveFault(certificate.PublicKey),
            _ => NotAccepted(SignatureAlgorithms.SignatureName(kind) ?? "of a kind that is not known"),
        };
    }

    private static string? RsaFault(X509Certificate2 certificate)
    {
        using var key = certificate.GetRSAPublicKey();
        if (key is null) return "an RSA key that cannot be read";
        return key.KeySize >= LeastRsaBits ? null : NotAccepted($"RSA with {key.KeySize} bits");
    }

    private static string? CurveFault(PublicKey key)
    {
        if (Curve(key) is not { } curve || !Curves.TryGetValue(curve, out var known))
            return NotAccepted("of a curve that is not known");
        return known.Accepted ? null : NotAccepted($"of the curve {known.Name}");
    }

    private static string NotAccepted(string key) => $"{key}, and {AcceptedKeys} are accepted";

    /// <summary>What decides about one signature.</summary>
    /// <param name="digest">That the signature names, of those that <see cref="Digest"/> knows.</param>
    public static SignatureCheck Check(X509Certificate2 certificate, HashAlgorithmName digest) =>
        new OverHash(certificate, digest);

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

    /// <summary>RSA with PKCS#1 padding and ECDSA, as modules are signed.</summary>
    private sealed class OverHash(X509Certificate2 certificate, HashAlgorithmName digest) : SignatureCheck
    {
        private IncrementalHash? _content;
        private byte[]? _hash;

        public override HashAlgorithmName? Hash => digest;

        public override void Append(ReadOnlySpan<byte> content) => Content.AppendData(content);

        public override void Take(byte[] hash) => _hash = hash;

        public override bool Holds(byte[] signature)
        {
            try
            {
                var hash = _hash ?? Content.GetCurrentHash();
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

        protected override void Dispose(bool disposing) => _content?.Dispose();

        private IncrementalHash Content => _content ??= IncrementalHash.CreateHash(digest);
    }
}
