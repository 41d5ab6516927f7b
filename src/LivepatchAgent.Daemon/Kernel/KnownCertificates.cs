using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using LivepatchAgent.Core.Agent;
using LivepatchAgent.Core.Kernel;
using LivepatchAgent.Core.Trust;
using LivepatchAgent.Daemon.Store;

namespace LivepatchAgent.Daemon.Kernel;

/// <summary>
/// Certificates whose public keys this host has in a file: the firmware's machine owner keys, those that the agent pins. The
/// kernel gives nobody its keys, so that of a signer beyond these it alone can tell whether a signature is right.
/// </summary>
internal sealed class KnownCertificates(HostPaths paths)
{
    private const int AttributesSize = 4;

    /// <summary>Those of the publishers that this host pins, and an administrator's own.</summary>
    public IReadOnlyList<X509Certificate2> Publishers(AgentState state)
    {
        var enrolment = state.Enrolment ?? new Enrolment { Server = "", MachineId = "", Credential = "", TlsPins = [], CatalogueCertificates = [], PublisherCertificates = [], Since = default };
        return new HostCertificates(paths).Of(enrolment).Publishers;
    }

    /// <summary>The firmware's. The kernel takes weaker keys than this agent does; here it is the kernel's answer that is asked for.</summary>
    public IReadOnlyList<X509Certificate2> MachineOwners() => SmallFile.ReadBytes(paths.MachineOwnerKeys) is { Length: > AttributesSize } variable
        ? [.. EfiSignatureLists.Certificates(variable.AsSpan(AttributesSize)).Select(Load).OfType<X509Certificate2>()]
        : [];

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
