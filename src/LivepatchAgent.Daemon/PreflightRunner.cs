using System.Security.Cryptography;
using System.Text.Json;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Agent;
using LivepatchAgent.Core.Modules;
using LivepatchAgent.Core.Trust;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Daemon.Kernel;
using LivepatchAgent.Daemon.Store;

namespace LivepatchAgent.Daemon;

/// <summary>Preflight on this host: of the patch on its way, of a file that somebody asks about, of a version that is stored.</summary>
internal sealed class PreflightRunner(HostPaths paths, HostObserver observer)
{
    private readonly HostFactsCollector _collector = new(paths, observer);

    public PreflightReport Of(VerifiedModule module) => Run(module.Facts with { FileDigest = module.Manifest.Content.Module.Sha256 }, true);

    /// <summary>Of a file that nobody verified: whether its signature is right is asked too, where that can be known.</summary>
    public PreflightReport OfFile(ReadOnlySpan<byte> file, string name)
    {
        if (!ModuleReader.Read(file).TryGet(out var module, out var problem)) return Preflight.Unreadable(name, problem);
        return Run(module with { FileDigest = Convert.ToHexStringLower(SHA256.HashData(file)) }, SignatureHolds(file, module.Signature));
    }

    /// <param name="version">Null for the patch on its way, else for the one that runs.</param>
    public Result<PreflightReport> OfVersion(string? version)
    {
        var state = new StateStore(paths.StateFolder).Peek();
        PatchRef?[] known = [state.Phase.Target, state.Kernel.Running?.Patch, state.Record.LastGood];
        if (known.FirstOrDefault(p => p is not null && (version is null || p.Version == version)) is not { } patch)
        {
            return new Problem(
                ProblemCode.NotFound,
                version is null ? "cannot check: no patch is assigned to this host" : $"cannot check patch {version}: this host does not hold it",
                "name a module's file, or run `livepatch-agent refresh` first");
        }

        var path = new PatchStore(paths.StateFolder).Module(patch.ModuleSha256);
        if (!File.Exists(path)) return new Problem(ProblemCode.NotFound, $"cannot check patch {patch.Version}: its module is not on this host yet", "wait for its download, or name a module's file");
        using var file = File.OpenHandle(path);
        try
        {
            MappedFile.ReadThrough(file);
        }
        catch (IOException e)
        {
            return DiskFault.Explain(e, $"read {path}");
        }

        return MappedFile.Read(file, bytes => OfFile(bytes, patch.Name));
    }

    private bool? SignatureHolds(ReadOnlySpan<byte> file, ModuleSignature? found)
    {
        if (found is not { } signature) return null;
        // A host's own patches are its publishers': the firmware is asked about strangers' alone.
        var known = new KnownCertificates(paths);
        return ModuleProof.SignatureHolds(file, signature, known.Publishers(new StateStore(paths.StateFolder).Peek())) ?? ModuleProof.SignatureHolds(file, signature, known.MachineOwners());
    }

    private PreflightReport Run(ModuleFacts module, bool? signatureHolds)
    {
        var host = _collector.Collect(HostQuestions.Of(module));
        return Preflight.Run(module, host.Keys is { } keys ? host with { Keys = keys with { SignatureHolds = signatureHolds } } : host);
    }

    /// <summary>All that preflight could ask of this host, for any module that patches what is loaded or one of these objects.</summary>
    public byte[] Facts(IReadOnlyCollection<string> objects) => JsonSerializer.SerializeToUtf8Bytes(_collector.Collect(null, objects), PreflightJson.Readable.HostFacts);
}
