using LivepatchAgent.Core;
using LivepatchAgent.Core.Trust;
using LivepatchAgent.Daemon.Kernel;
using LivepatchAgent.Daemon.Tests.Surroundings;

namespace LivepatchAgent.Daemon.Tests;

/// <summary>A module so large that its two hashes are taken at the same time, by two readings of the file.</summary>
public sealed class LargeModuleTests
{
    private const int Padding = 5 << 20;

    [Fact]
    public void Open_Good_IsVerified()
    {
        var patch = Workshop.Patch(1, padding: Padding);
        Assert.Equal(patch.Name, Open(patch, patch.Module, manifest => manifest).Value);
    }

    /// <summary>Far from the beginning, so that a hash which stops early would not see it.</summary>
    [Fact]
    public void Open_BitChanged_BothHashesCatchIt()
    {
        var patch = Workshop.Patch(1, padding: Padding);
        var changed = (byte[])patch.Module.Clone();
        changed[Padding + 8000] ^= 1;

        Assert.Equal(ProblemCode.ModuleDigestMismatch, Open(patch, changed, manifest => manifest).Problem?.Code);
        Assert.Equal(ProblemCode.ModuleSignatureInvalid, Open(patch, changed, manifest => manifest with { Module = manifest.Module with { Sha256 = Workshop.Sha256(changed) } }).Problem?.Code);
    }

    [Fact]
    public void Open_SignedByAStranger_IsRefused()
    {
        var patch = Workshop.Patch(1, padding: Padding, moduleSigner: Workshop.Stranger);
        Assert.Equal(ProblemCode.ModuleSignerUnknown, Open(patch, patch.Module, manifest => manifest).Problem?.Code);
    }

    private static Result<string> Open(Published patch, byte[] file, Func<Core.Wire.PatchManifest, Core.Wire.PatchManifest> change)
    {
        using var root = new FakeRoot();
        var path = root.Path("module.ko");
        File.WriteAllBytes(path, file);
        var envelope = Workshop.Patch(1, module: patch.Module, change: change).Envelope;
        var manifest = ManifestVerifier.Verify(envelope, null, [Workshop.Publisher]).Value;
        if (!VerifiedModuleFile.Open(path, manifest, [Workshop.Publisher], Workshop.Release, "x86_64").TryGet(out var verified, out var problem)) return problem;
        using (verified) return verified.Module.Facts.Name;
    }
}
