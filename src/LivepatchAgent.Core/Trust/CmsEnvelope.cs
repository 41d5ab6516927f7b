using System.Diagnostics.CodeAnalysis;
using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.Pkcs;
using System.Security.Cryptography.X509Certificates;
using System.Security.Cryptography.Xml;
using LivepatchAgent.Core.Modules;

namespace LivepatchAgent.Core.Trust;

/// <summary>
/// A document and the signatures over it: CMS SignedData (RFC 5652) with the content inside, DER, no certificates.
/// Signers are found among the certificates that the reader pins; what an envelope brings along counts for nothing.
/// Used for manifests, withdrawals, pin sets and catalogues.
/// </summary>
public static class CmsEnvelope
{
    /// <summary>Manifests and catalogues are kilobytes; nothing larger is even parsed.</summary>
    public const int MaxSize = 1 << 20;

    /// <summary>Each signature costs a verification.</summary>
    public const int MaxSigners = 16;

    public static byte[] Sign(ReadOnlySpan<byte> content, X509Certificate2 signerWithKey)
    {
        var cms = new SignedCms(new ContentInfo(content.ToArray()), detached: false);
        cms.ComputeSignature(Signer(signerWithKey, Algorithms.Sha256), silent: true);
        return cms.Encode();
    }

    /// <summary>
    /// The same document with one more signature beside those that it has, which are neither checked nor changed.
    /// </summary>
    public static byte[] AddSignature(ReadOnlySpan<byte> envelope, X509Certificate2 signerWithKey)
    {
        var cms = new SignedCms();
        cms.Decode(envelope);
        cms.ComputeSignature(Signer(signerWithKey, Algorithms.Sha256), silent: true);
        return cms.Encode();
    }

    /// <summary>
    /// The content, if enough of <paramref name="trusted"/> signed it. The caller names the problem by
    /// <paramref name="code"/>.
    /// </summary>
    /// <param name="what">For the message: "the manifest".</param>
    /// <param name="threshold">How many different keys must have signed.</param>
    public static Result<byte[]> Open(
        ReadOnlySpan<byte> envelope,
        IReadOnlyList<X509Certificate2> trusted,
        string what,
        ProblemCode code,
        int threshold = 1)
    {
        Problem Refusal(string why) => new(code, $"cannot accept {what}: {why}", Cure);

        if (envelope.Length > MaxSize) return Refusal($"it is larger than {MaxSize} bytes");
        try
        {
            if (!IsOneValue(envelope)) return Refusal("it is not one whole CMS message");
            var cms = new SignedCms();
            cms.Decode(envelope);
            if (cms.Detached || cms.SignerInfos.Count is 0 or > MaxSigners)
                return Refusal($"it must have its content and 1 to {MaxSigners} signatures");
            if (!Signers(cms.SignerInfos, trusted, out var keys, out var fault)) return Refusal(fault);
            if (keys.Count >= Math.Max(1, threshold)) return cms.ContentInfo.Content;
            if (keys.Count > 0)
                return Refusal($"{keys.Count} of the keys that this host trusts signed it, and {threshold} are needed");
            var stranger = SignerCertificate.Describe(cms.SignerInfos[0]);
            return Refusal($"no key that this host trusts has signed it ({stranger})");
        }
        catch (Exception e) when (e is CryptographicException or AsnContentException)
        {
            return Refusal($"its signature does not verify ({e.Message.TrimEnd('.')})");
        }
    }

    /// <summary>SignedCms accepts bytes behind the DER value; a signed document has none.</summary>
    private static bool IsOneValue(ReadOnlySpan<byte> envelope) =>
        AsnDecoder.TryReadEncodedValue(envelope, AsnEncodingRules.DER, out _, out _, out _, out var length)
        && length == envelope.Length;

    /// <summary>
    /// The trusted keys whose signatures verify. One of theirs that does not spoils the whole; those of strangers are
    /// passed over.
    /// </summary>
    private static bool Signers(
        SignerInfoCollection infos,
        IReadOnlyList<X509Certificate2> trusted,
        out HashSet<string> keys,
        [NotNullWhen(false)] out string? fault)
    {
        (keys, fault) = ([], null);
        foreach (var signer in infos)
        {
            var weakness = Algorithms.DigestFault(signer.DigestAlgorithm)
                ?? Algorithms.SignatureFault(signer.SignatureAlgorithm);
            if (weakness is not null)
            {
                fault = $"its signature is {weakness}";
                return false;
            }

            if (SignerCertificate.Find(signer, trusted) is not { } certificate) continue;
            if (Algorithms.KeyFault(certificate) is { } weakKey)
            {
                fault = $"its signer's key is {weakKey}";
                return false;
            }

            signer.CheckSignature([certificate], verifySignatureOnly: true);
            // By key: a publisher with two certificates is still one.
            keys.Add(Certificates.KeyPin(certificate));
        }

        return true;
    }

    internal static CmsSigner Signer(X509Certificate2 certificate, Oid digest) =>
        new(SubjectIdentifierType.IssuerAndSerialNumber, certificate)
        {
            IncludeOption = X509IncludeOption.None,
            DigestAlgorithm = digest,
        };

    private const string Cure = "the host keeps what it runs; contact the server's operator";
}

/// <summary>Which pinned certificate a signature names.</summary>
internal static class SignerCertificate
{
    private const int MaxText = 200;

    public static X509Certificate2? Find(SignerInfo signer, IReadOnlyList<X509Certificate2> trusted) =>
        trusted.FirstOrDefault(certificate => Names(signer.SignerIdentifier, certificate));

    /// <summary>For a message: anybody can write any name into an envelope.</summary>
    public static string Describe(SignerInfo signer)
    {
        var identifier = Identifier(signer);
        return PrintableText.Of(identifier.Length > MaxText ? identifier[..MaxText] + "…" : identifier);
    }

    private static string Identifier(SignerInfo signer) => signer.SignerIdentifier.Value switch
    {
        X509IssuerSerial id => $"signer: serial {id.SerialNumber} of {id.IssuerName}",
        string keyId => $"signer: key id {keyId}",
        _ => "signer unknown",
    };

    private static bool Names(SubjectIdentifier id, X509Certificate2 certificate) => id.Value switch
    {
        X509IssuerSerial named =>
            string.Equals(named.SerialNumber, certificate.SerialNumber, StringComparison.OrdinalIgnoreCase)
            && named.IssuerName == certificate.IssuerName.Name,
        string keyId => certificate.Extensions.OfType<X509SubjectKeyIdentifierExtension>()
            .Any(e => string.Equals(e.SubjectKeyIdentifier, keyId, StringComparison.OrdinalIgnoreCase)),
        _ => false,
    };
}
