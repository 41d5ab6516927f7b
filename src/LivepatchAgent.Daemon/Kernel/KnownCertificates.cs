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

    public List<X509Certificate2> Read(AgentState state)
    {
        var known = new List<X509Certificate2>();
        var enrolment = state.Enrolment ?? new Enrolment { Server = "", MachineId = "", Credential = "", TlsPins = [], CatalogueCertificates = [], PublisherCertificates = [], Since = default };
        if (new HostCertificates(paths).Of(enrolment).TryGet(out var trust, out _)) known.AddRange(trust.Publishers);
        if (SmallFile.ReadBytes(paths.MachineOwnerKeys) is { Length: > AttributesSize } variable)
        {
            foreach (var der in EfiSignatureLists.Certificates(variable.AsSpan(AttributesSize)))
            {
                // The kernel takes weaker keys than this agent does; here it is the kernel's answer that is asked for.
                if (Load(der) is { } certificate) known.Add(certificate);
            }
        }

        return known;
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
