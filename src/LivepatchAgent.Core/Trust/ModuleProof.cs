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
    /// <summary>Null when none of the certificates is a signer's, or the signature cannot be read.</summary>
    public static bool? SignatureHolds(ReadOnlySpan<byte> file, ModuleSignature signature, IReadOnlyList<X509Certificate2> certificates)
    {
        try
        {
            var content = file[..(int)signature.ContentLength].ToArray();
            var cms = new SignedCms(new ContentInfo(content), detached: true);
            cms.Decode(file.Slice((int)signature.ContentLength, signature.Pkcs7Length));
            bool? holds = null;
            foreach (var signer in cms.SignerInfos)
            {
                if (SignerCertificate.Find(signer, certificates) is { } certificate) holds = holds == true || Holds(signer, certificate);
            }

            return holds;
        }
        catch (Exception e) when (e is CryptographicException or AsnContentException)
        {
            return null;
        }
    }

    private static bool Holds(SignerInfo signer, X509Certificate2 certificate)
    {
        try
        {
            signer.CheckSignature([certificate], verifySignatureOnly: true);
            return true;
        }
        catch (CryptographicException)
        {
            return false;
        }
    }
}
