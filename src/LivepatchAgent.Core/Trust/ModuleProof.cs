using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using LivepatchAgent.Core.Modules;

namespace LivepatchAgent.Core.Trust;

/// <summary>
/// Whether a module's own signature is right, asked of any module and any certificates. It makes nothing believed: that
/// is <see cref="ModuleVerifier"/>'s alone. So it reads the signature as preflight does, by
/// <see cref="SignatureReader"/>, and need not load the platform's reader of CMS.
/// </summary>
public static class ModuleProof
{
    /// <summary>
    /// Null when none of the certificates is a signer's, or the signature cannot be read or is of a kind that modules
    /// do not have.
    /// </summary>
    public static bool? SignatureHolds(
        ReadOnlySpan<byte> file,
        ModuleSignature signature,
        IReadOnlyList<X509Certificate2> certificates)
    {
        if (certificates.Count == 0) return null;
        try
        {
            bool? holds = null;
            var content = file[..(int)signature.ContentLength];
            var infos = SignatureReader.SignerInfos(file.Slice(content.Length, signature.Pkcs7Length));
            for (var count = 0; !infos.IsEmpty; count++)
            {
                if (count == SignatureReader.MaxSigners) return null;
                var signer = SignerFields.Of(infos.Sequence());
                if (Find(signer, certificates) is not { } certificate) continue;
                if (Holds(signer, certificate, content) is { } own) holds = holds == true || own;
            }

            return holds;
        }
        catch (Exception e) when (e is CryptographicException or AsnContentException)
        {
            return null;
        }
    }

    /// <summary>By the very bytes, as a kernel goes by them.</summary>
    private static X509Certificate2? Find(scoped SignerFields signer, IReadOnlyList<X509Certificate2> certificates)
    {
        foreach (var certificate in certificates)
        {
            var isSigner = signer.IsByKeyId ? HasKeyId(certificate, signer.KeyId) : IsNamed(certificate, signer);
            if (isSigner) return certificate;
        }

        return null;
    }

    private static bool IsNamed(X509Certificate2 certificate, scoped SignerFields signer) =>
        certificate.SerialNumberBytes.Span.TrimStart((byte)0).SequenceEqual(signer.Serial.TrimStart((byte)0))
        && new BerReader(certificate.IssuerName.RawData).Sequence().Rest.SequenceEqual(signer.Issuer);

    private static bool HasKeyId(X509Certificate2 certificate, ReadOnlySpan<byte> id)
    {
        foreach (var extension in certificate.Extensions)
        {
            if (extension is not X509SubjectKeyIdentifierExtension key) continue;
            if (key.SubjectKeyIdentifierBytes.Span.SequenceEqual(id)) return true;
        }

        return false;
    }

    /// <summary>Null for what modules are not signed with: attributes, weak algorithms.</summary>
    private static bool? Holds(scoped SignerFields signer, X509Certificate2 certificate, ReadOnlySpan<byte> content)
    {
        if (signer.HasSignedAttributes) return null;
        if (Algorithms.SignatureFault(new Oid(signer.Algorithm), module: true) is not null) return null;
        if (Algorithms.Digest(new Oid(signer.Digest)) is not { } digest) return null;
        using var check = Algorithms.Check(certificate, digest);
        check.Append(content);
        return check.Holds(signer.Signature());
    }
}
