using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.Pkcs;
using System.Security.Cryptography.X509Certificates;
using LivepatchAgent.Core.Modules;

namespace LivepatchAgent.Core.Trust;

/// <summary>
/// Whether a module's own signature is right, asked of any module and any certificates. It makes nothing believed: that is
/// <see cref="ModuleVerifier"/>'s alone.
/// </summary>
public static class ModuleProof
{
    /// <summary>Null when none of the certificates is a signer's, or the signature cannot be read or is of a kind that modules do not have.</summary>
    public static bool? SignatureHolds(ReadOnlySpan<byte> file, ModuleSignature signature, IReadOnlyList<X509Certificate2> certificates)
    {
        try
        {
            var cms = new SignedCms(new ContentInfo([]), detached: true);
            cms.Decode(file.Slice((int)signature.ContentLength, signature.Pkcs7Length));
            bool? holds = null;
            foreach (var signer in cms.SignerInfos)
            {
                if (SignerCertificate.Find(signer, certificates) is { } certificate && Holds(signer, certificate, file[..(int)signature.ContentLength]) is { } own) holds = holds == true || own;
            }

            return holds;
        }
        catch (Exception e) when (e is CryptographicException or AsnContentException)
        {
            return null;
        }
    }

    /// <summary>By the content's hash, so that a module need not be copied. Null for what modules are not signed with: attributes, weak algorithms.</summary>
    private static bool? Holds(SignerInfo signer, X509Certificate2 certificate, ReadOnlySpan<byte> content) =>
        signer.SignedAttributes.Count > 0 || Algorithms.SignatureFault(signer.SignatureAlgorithm, module: true) is not null || Algorithms.Digest(signer.DigestAlgorithm) is not { } digest
            ? null
            : Algorithms.Verifies(certificate, CryptographicOperations.HashData(digest, content), signer.GetSignature(), digest);
}
