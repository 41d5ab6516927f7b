using System.Security.Cryptography.X509Certificates;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Trust;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Daemon.Kernel;
using LivepatchAgent.Daemon.Tests.Surroundings;

namespace LivepatchAgent.Daemon.Tests;

/// <summary>
/// A module so large that two different hashes are taken at the same time, by two readings of the file; and one that is
/// signed by the hash of the manifest.
/// </summary>
public sealed class LargeModuleTests
{
    private const int Padding = 5 << 20;

    [Theory]
    [InlineData("sha256")]
    [InlineData("sha512")]
    public void Open_Good_IsVerified(string digest)
    {
        var patch = Large(digest);
        Assert.Equal(patch.Name, Open(patch, patch.Module, manifest => manifest).Value);
    }

    /// <summary>Far from the beginning, so that a hash which stops early would not see it.</summary>
    [Theory]
    [InlineData("sha256")]
    [InlineData("sha512")]
    public void Open_BitChanged_BothHashesCatchIt(string digest)
    {
        var patch = Large(digest);
        var changed = (byte[])patch.Module.Clone();
        changed[Padding + 8000] ^= 1;

        Assert.Equal(ProblemCode.ModuleDigestMismatch, Open(patch, changed, manifest => manifest).Problem?.Code);
        Assert.Equal(ProblemCode.ModuleSignatureInvalid, Open(patch, changed, Lying).Problem?.Code);

        PatchManifest Lying(PatchManifest manifest) =>
            manifest with { Module = manifest.Module with { Sha256 = Workshop.Sha256(changed) } };
    }

    [Theory]
    [InlineData("sha256")]
    [InlineData("sha512")]
    public void Open_SignedByAStranger_IsRefused(string digest)
    {
        var patch = Large(digest, Workshop.Stranger);
        Assert.Equal(ProblemCode.ModuleSignerUnknown, Open(patch, patch.Module, manifest => manifest).Problem?.Code);
    }

    private static Published Large(string digest, X509Certificate2? signer = null)
    {
        byte[] module = [.. Corpus.Module(Corpus.Cmdline), .. new byte[Padding]];
        var algorithm = digest == "sha256" ? Algorithms.Sha256 : Algorithms.Sha512;
        return Workshop.Patch(1, module: ModuleSigner.Sign(module, signer ?? Workshop.Publisher, algorithm));
    }

    private static Result<string> Open(Published patch, byte[] file, Func<PatchManifest, PatchManifest> change)
    {
        using var root = new FakeRoot();
        var path = root.Path("module.ko");
        File.WriteAllBytes(path, file);
        var envelope = Workshop.Patch(1, module: patch.Module, change: change).Envelope;
        var manifest = ManifestVerifier.Verify(envelope, null, [Workshop.Publisher]).Value;
        X509Certificate2[] publishers = [Workshop.Publisher];
        var opened = VerifiedModuleFile.Open(path, manifest, publishers, Workshop.Release, "x86_64");
        if (!opened.TryGet(out var verified, out var problem)) return problem;
        using (verified) return verified.Module.Facts.Name;
    }
}
