using System.Security.Cryptography.X509Certificates;
using LivepatchAgent.Core.Trust;
using LivepatchAgent.Daemon.Kernel;

// verify MODULE MANIFEST CERTIFICATE: what the daemon does with a downloaded patch before it is loaded, once; then the
// process's peak memory in KiB.
if (args is not [var module, var manifest, var certificate]) return 64;
X509Certificate2[] publishers = [X509CertificateLoader.LoadCertificateFromFile(certificate)];
if (!ManifestVerifier.Verify(File.ReadAllBytes(manifest), null, publishers).TryGet(out var verified, out var problem)
    || !VerifiedModuleFile.Open(
        module,
        verified,
        publishers,
        verified.Content.KernelRelease,
        verified.Content.Architecture).TryGet(out var file, out problem))
{
    Console.Error.WriteLine(problem);
    return 1;
}

using (file)
    Console.WriteLine(
        File.ReadLines("/proc/self/status").First(line => line.StartsWith("VmHWM:", StringComparison.Ordinal)).Split(
            ' ', StringSplitOptions.RemoveEmptyEntries)[1]);
return 0;
