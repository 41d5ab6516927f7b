using System.Security.Cryptography;
using System.Security.Cryptography.Pkcs;
using System.Security.Cryptography.X509Certificates;
using LivepatchAgent.Core.Modules;

namespace LivepatchAgent.Core.Trust;

/// <summary>
/// Signs a module as the kernel's scripts/sign-file does: detached PKCS#7, no attributes, no certificates.
/// </summary>
public static class ModuleSigner
{
    /// <param name="digest">SHA-256 when null: who verifies takes it of the file in any case.</param>
    public static byte[] Sign(ReadOnlySpan<byte> module, X509Certificate2 signerWithKey, Oid? digest = null)
    {
        var cms = new SignedCms(new ContentInfo(module.ToArray()), detached: true);
        cms.ComputeSignature(CmsEnvelope.Signer(signerWithKey, digest ?? Algorithms.Sha256), silent: true);
        return ModuleSignature.Append(module, cms.Encode());
    }
}
