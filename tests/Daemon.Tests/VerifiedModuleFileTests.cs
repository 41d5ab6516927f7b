using System.Security.Cryptography.X509Certificates;
using LivepatchAgent.Core.Trust;
using LivepatchAgent.Daemon.Kernel;
using LivepatchAgent.Daemon.Tests.Surroundings;

namespace LivepatchAgent.Daemon.Tests;

public sealed class VerifiedModuleFileTests
{
    [Theory]
    [InlineData("renamed over")]
    [InlineData("deleted and written again")]
    [InlineData("a link to elsewhere")]
    public void Handle_IsOfWhatWasVerifiedWhateverTakesItsPlace(string how)
    {
        var (patch, other) = (Workshop.Patch(1), Workshop.Patch(2, moduleSigner: Workshop.Stranger));
        using var root = new FakeRoot();
        var (path, elsewhere) = (root.Path("module.ko"), root.Path("other.ko"));
        File.WriteAllBytes(path, patch.Module);
        File.WriteAllBytes(elsewhere, other.Module);
        var manifest = ManifestVerifier.Verify(patch.Envelope, patch.Digest, [Workshop.Publisher]).Value;
        X509Certificate2[] publishers = [Workshop.Publisher];
        using var verified = VerifiedModuleFile.Open(path, manifest, publishers, Workshop.Release, "x86_64").Value;
        switch (how)
        {
            case "renamed over":
                File.Move(elsewhere, path, overwrite: true);
                break;
            case "deleted and written again":
                File.Delete(path);
                File.WriteAllBytes(path, other.Module);
                break;
            default:
                File.Delete(path);
                File.CreateSymbolicLink(path, elsewhere);
                break;
        }

        // What finit_module is given is this handle; by the name there is something else by now.
        var seen = new byte[RandomAccess.GetLength(verified.Handle)];
        Assert.Equal(seen.Length, RandomAccess.Read(verified.Handle, seen, 0));
        Assert.Equal(patch.Module, seen);
        Assert.Equal(other.Module, File.ReadAllBytes(path));
    }
}
