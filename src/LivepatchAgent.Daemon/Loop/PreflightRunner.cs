using System.Security.Cryptography;
using System.Text.Json;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Agent;
using LivepatchAgent.Core.Modules;
using LivepatchAgent.Core.Trust;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Daemon.Host;
using LivepatchAgent.Daemon.Kernel;
using LivepatchAgent.Daemon.Store;

namespace LivepatchAgent.Daemon.Loop;

/// <summary>
/// Preflight on this host: of the patch on its way, of a file that a person asks about, of a version that is stored.
/// </summary>
/// <param name="paths">Of the host.</param>
/// <param name="collector">Reads the host's facts.</param>
/// <param name="store">Where modules are kept.</param>
/// <param name="believed">What the agent believes now.</param>
internal sealed class PreflightRunner(
    HostPaths paths, HostFactsCollector collector, PatchStore store, Func<AgentState> believed)
{
    private readonly HostCertificates _certificates = new(paths);

    public PreflightReport Of(VerifiedModule module)
    {
        var facts = module.Facts with { FileDigest = module.Manifest.Content.Module.Sha256 };
        return Run(facts, signatureHolds: true);
    }

    /// <summary>
    /// Of a file that was not verified: whether its signature is right is checked too, where that can be known.
    /// </summary>
    public PreflightReport OfFile(ReadOnlySpan<byte> file, string name)
    {
        if (!ModuleReader.Read(file).TryGet(out var module, out var problem))
            return Preflight.Unreadable(name, problem);
        var digest = Convert.ToHexStringLower(SHA256.HashData(file));
        return Run(module with { FileDigest = digest }, SignatureHolds(file, module.Signature));
    }

    /// <param name="version">Null for the patch on its way, else for the one that runs.</param>
    public Result<PreflightReport> OfVersion(string? version)
    {
        var patch = Held().FirstOrDefault(p => version is null || p.Version == version);
        if (patch is null) return NotHeld(version);
        var path = store.Module(patch.ModuleSha256);
        if (!File.Exists(path))
        {
            return new Problem(
                ProblemCode.NotFound,
                $"cannot check patch {patch.Version}: its module is not on this host yet",
                "wait for its download, or name a module's file");
        }

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

    /// <summary>All that preflight could ask of this host.</summary>
    /// <param name="objects">Modules that are not loaded, whose installed files are of interest.</param>
    /// <returns><see cref="HostFacts"/> as JSON.</returns>
    public byte[] Facts(IReadOnlyCollection<string> objects)
    {
        var facts = collector.Collect(null, objects, Stored());
        return JsonSerializer.SerializeToUtf8Bytes(facts, PreflightJson.Readable.HostFacts);
    }

    private PreflightReport Run(ModuleFacts module, bool? signatureHolds)
    {
        var host = collector.Collect(HostQuestions.Of(module), stored: Stored());
        if (host.Keys is { } keys) host = host with { Keys = keys with { SignatureHolds = signatureHolds } };
        return Preflight.Run(module, host);
    }

    /// <summary>The firmware's keys come last: they are for modules of others than this host's publishers.</summary>
    private bool? SignatureHolds(ReadOnlySpan<byte> file, ModuleSignature? found)
    {
        if (found is not { } signature) return null;
        return ModuleProof.SignatureHolds(file, signature, _certificates.Publishers(believed().Enrolment))
            ?? ModuleProof.SignatureHolds(file, signature, MachineOwnerKeys.Read(paths));
    }

    private IReadOnlyList<PatchRef> Held()
    {
        var state = believed();
        PatchRef?[] held = [state.Phase.Target, state.Kernel.Running?.Patch, state.Record.LastGood];
        return [.. held.OfType<PatchRef>()];
    }

    private IReadOnlyList<StoredModule> Stored() =>
        [.. Held().Select(patch => new StoredModule(patch.Name, store.Module(patch.ModuleSha256)))];

    private static Problem NotHeld(string? version)
    {
        var message = version is null
            ? "cannot check: no patch is assigned to this host"
            : $"cannot check patch {version}: this host does not hold it";
        return new(ProblemCode.NotFound, message, "name a module's file, or run `livepatch-agent refresh` first");
    }
}
