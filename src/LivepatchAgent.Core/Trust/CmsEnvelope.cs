using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.Pkcs;
using System.Security.Cryptography.X509Certificates;
using System.Security.Cryptography.Xml;
using LivepatchAgent.Core.Modules;

namespace LivepatchAgent.Core.Trust;

/// <summary>
/// A document and one signature over it: CMS SignedData (RFC 5652) with the content inside, DER, one signer, no
/// certificates. The signer is found among the certificates that the reader pins; what an envelope brings along counts
/// for nothing. Used for manifests, withdrawals and catalogues.
/// </summary>
public static class CmsEnvelope
{
    /// <summary>Manifests and catalogues are kilobytes; nothing larger is even parsed.</summary>
    public const int MaxSize = 1 << 20;

    public static byte[] Sign(ReadOnlySpan<byte> content, X509Certificate2 signerWithKey)
    {
        var cms = new SignedCms(new ContentInfo(content.ToArray()), detached: false);
        cms.ComputeSignature(Signer(signerWithKey, Digests.Sha256), silent: true);
        return cms.Encode();
    }

    /// <summary>The content, if one of <paramref name="trusted"/> signed it. The caller names the problem by <paramref name="code"/>.</summary>
    /// <param name="what">For the message: "the manifest".</param>
    public static Result<byte[]> Open(ReadOnlySpan<byte> envelope, IReadOnlyList<X509Certificate2> trusted, string what, ProblemCode code)
    {
        if (envelope.Length > MaxSize) return new Problem(code, $"cannot accept {what}: it is larger than {MaxSize} bytes", Cure);
        try
        {
            // SignedCms accepts bytes behind the DER value; a signed document has none.
            if (!AsnDecoder.TryReadEncodedValue(envelope, AsnEncodingRules.DER, out _, out _, out _, out var length) || length != envelope.Length)
                return new Problem(code, $"cannot accept {what}: it is not one whole CMS message", Cure);
            var cms = new SignedCms();
            cms.Decode(envelope);
            if (cms.Detached || cms.SignerInfos.Count != 1) return new Problem(code, $"cannot accept {what}: it must have its content and exactly one signature", Cure);
            var signer = cms.SignerInfos[0];
            if (Digests.Name(signer.DigestAlgorithm) is null) return new Problem(code, $"cannot accept {what}: its digest algorithm {signer.DigestAlgorithm.Value} is not accepted", Cure);
            if (SignerCertificate.Find(signer, trusted) is not { } certificate)
                return new Problem(code, $"cannot accept {what}: no key that this host trusts has signed it ({SignerCertificate.Describe(signer)})", Cure);
            signer.CheckSignature([certificate], verifySignatureOnly: true);
            return cms.ContentInfo.Content;
        }
        catch (Exception e) when (e is CryptographicException or AsnContentException)
        {
            return new Problem(code, $"cannot accept {what}: its signature does not verify ({e.Message.TrimEnd('.')})", Cure);
        }
    }

    internal static CmsSigner Signer(X509Certificate2 certificate, Oid digest) => new(SubjectIdentifierType.IssuerAndSerialNumber, certificate)
    {
        IncludeOption = X509IncludeOption.None,
        DigestAlgorithm = digest,
    };

    private const string Cure = "the host keeps what it runs; tell whoever runs the server";
}

/// <summary>The digest algorithms that are accepted in any signature.</summary>
public static class Digests
{
    public static readonly Oid Sha256 = new("2.16.840.1.101.3.4.2.1", "sha256");
    public static readonly Oid Sha384 = new("2.16.840.1.101.3.4.2.2", "sha384");
    public static readonly Oid Sha512 = new("2.16.840.1.101.3.4.2.3", "sha512");

    /// <summary>Null for any that is not accepted.</summary>
    public static HashAlgorithmName? Name(Oid oid) => oid.Value switch
    {
        "2.16.840.1.101.3.4.2.1" => HashAlgorithmName.SHA256,
        "2.16.840.1.101.3.4.2.2" => HashAlgorithmName.SHA384,
        "2.16.840.1.101.3.4.2.3" => HashAlgorithmName.SHA512,
        _ => null,
    };
}

/// <summary>Which pinned certificate a signature names.</summary>
internal static class SignerCertificate
{
    public static X509Certificate2? Find(SignerInfo signer, IReadOnlyList<X509Certificate2> trusted) =>
        trusted.FirstOrDefault(certificate => Names(signer.SignerIdentifier, certificate));

    /// <summary>For a message: anybody can write any name into an envelope.</summary>
    public static string Describe(SignerInfo signer) => PrintableText.Of(Identifier(signer) is { Length: > 200 } text ? text[..200] + "…" : Identifier(signer));

    private static string Identifier(SignerInfo signer) => signer.SignerIdentifier.Value switch
    {
        X509IssuerSerial id => $"signer: serial {id.SerialNumber} of {id.IssuerName}",
        string keyId => $"signer: key id {keyId}",
        _ => "signer unknown",
    };

    private static bool Names(SubjectIdentifier id, X509Certificate2 certificate) => id.Value switch
    {
        X509IssuerSerial named => string.Equals(named.SerialNumber, certificate.SerialNumber, StringComparison.OrdinalIgnoreCase)
            && named.IssuerName == certificate.IssuerName.Name,
        string keyId => certificate.Extensions.OfType<X509SubjectKeyIdentifierExtension>()
            .Any(e => string.Equals(e.SubjectKeyIdentifier, keyId, StringComparison.OrdinalIgnoreCase)),
        _ => false,
    };
}
