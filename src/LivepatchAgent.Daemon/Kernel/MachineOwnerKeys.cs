using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using LivepatchAgent.Core.Kernel;
using LivepatchAgent.Daemon.Host;

namespace LivepatchAgent.Daemon.Kernel;

/// <summary>
/// The certificates of the firmware's machine owner keys. The kernel shows nobody its keys: beyond these and the pinned
/// ones, only the kernel knows whether a signature is right.
/// </summary>
internal static class MachineOwnerKeys
{
    private const int AttributesSize = 4;

    /// <summary>The kernel takes weaker keys than this agent does; here the kernel's answer matters.</summary>
    public static IReadOnlyList<X509Certificate2> Read(HostPaths paths)
    {
        if (SmallFile.ReadBytes(paths.MachineOwnerKeys) is not { Length: > AttributesSize } variable) return [];
        var certificates = EfiSignatureLists.Certificates(variable.AsSpan(AttributesSize));
        return [.. certificates.Select(Load).OfType<X509Certificate2>()];
    }

    private static X509Certificate2? Load(byte[] der)
    {
        try
        {
            return X509CertificateLoader.LoadCertificate(der);
        }
        catch (CryptographicException)
        {
            return null;
        }
    }
}
