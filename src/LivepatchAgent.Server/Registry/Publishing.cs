using LivepatchAgent.Core;
using LivepatchAgent.Core.Trust;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Server.Files;
using LivepatchAgent.Server.Model;
using LivepatchAgent.Server.Rollout;
using LivepatchAgent.Server.Storage;
using LivepatchAgent.Server.Trust;

namespace LivepatchAgent.Server.Registry;

/// <summary>A signed document as it came, and its SHA-256 by which its address names it.</summary>
internal sealed record SignedDocument(byte[] Envelope, string Digest);

/// <summary>
/// How a patch gets here, and how it is taken back: what enough known publishers signed. Each change is one
/// transaction; only when it is on the disk do hosts see it.
/// </summary>
internal sealed class Publishing(
    Database database,
    BlobStore blobs,
    Publishers publishers,
    PublishedPatches published,
    TimeProvider time,
    ILogger log)
{
    /// <summary>
    /// True when it is new. The problem is <c>request-invalid</c> when another patch has its sequence.
    /// </summary>
    public async Task<Result<bool>> ManifestAsync(SignedDocument document)
    {
        var (envelope, digest) = (document.Envelope, document.Digest);
        if (!publishers.InForce().TryGet(out var signers, out var problem)) return problem;
        var verification = ManifestVerifier.Verify(envelope, digest, signers.Certificates, signers.Threshold);
        if (!verification.TryGet(out var verified, out problem)) return problem;
        if (SizeFault(verified.Content.Module) is { } fault) return fault;

        blobs.Put(BlobKind.Manifest, digest, envelope);
        var now = time.GetUtcNow();
        if (!(await database.WriteAsync(db => Take(db, verified, now))).TryGet(out var taken, out problem))
            return problem;
        if (taken.New) LogManifest(verified);
        Show(taken.Changed);
        return taken.New;
    }

    /// <summary>True when it is new or takes the place of one that hosts do not believe (any more).</summary>
    public async Task<Result<bool>> WithdrawalAsync(SignedDocument document)
    {
        var (envelope, digest) = (document.Envelope, document.Digest);
        if (!publishers.InForce().TryGet(out var signers, out var problem)) return problem;
        if (!Verify(envelope, digest, signers).TryGet(out var withdrawal, out problem)) return problem;
        if (database.Read(db => PatchTable.FindWithdrawal(db, withdrawal.ManifestDigest)) is not [var older])
        {
            return new Problem(
                ProblemCode.NotFound,
                $"cannot take the withdrawal: manifest {withdrawal.ManifestDigest} is not here",
                "withdraw it on the server that it was published to");
        }

        if (older is not null && IsGood(older, signers)) return false;
        blobs.Put(BlobKind.Withdrawal, digest, envelope);
        published.Replace(await database.WriteAsync(db => PatchTable.Withdraw(db, digest, withdrawal, older)));
        log.LogInformation("Withdrew manifest {Manifest}: {Reason}", withdrawal.ManifestDigest, withdrawal.Reason);
        return true;
    }

    /// <summary>The sizes that manifests give for a module; an empty list when no manifest names it.</summary>
    public List<long> ModuleSizes(string digest) => database.Read(db => PatchTable.ModuleSizes(db, digest));

    /// <summary>Publishes what waited for this module, which is now whole on the disk.</summary>
    public async Task ModuleAsync(string digest, long size)
    {
        var now = time.GetUtcNow();
        Show(await database.WriteAsync(db => PatchTable.PublishModule(db, digest, size, now)));
    }

    private sealed record Taken(bool New, List<KernelPatches> Changed);

    private Result<Taken> Take(Session db, VerifiedManifest verified, DateTimeOffset now)
    {
        var isNew = !PatchTable.Exists(db, verified.Digest);
        if (isNew && PatchTable.Insert(db, verified, now) is { } problem) return problem;

        // Looked at inside the transaction: a module that arrives meanwhile publishes in the next one.
        var module = verified.Content.Module;
        var isHere = blobs.Size(BlobKind.Module, module.Sha256) == module.Size;
        return new Taken(isNew, isHere ? PatchTable.PublishModule(db, module.Sha256, module.Size, now) : []);
    }

    /// <summary>A digest has one size. A manifest that says another one was not made from the module.</summary>
    private Problem? SizeFault(ManifestModule module)
    {
        var sizes = database.Read(db => PatchTable.PublishedSizes(db, module.Sha256));
        return sizes.Count == 0 || sizes.Contains(module.Size)
            ? null
            : new Problem(
                ProblemCode.ManifestMismatch,
                $"cannot publish the manifest: its module has {sizes[0]} bytes, not {module.Size}",
                "make the manifest from the module file itself");
    }

    private bool IsGood(string withdrawal, Signers signers) =>
        blobs.Find(BlobKind.Withdrawal, withdrawal) is { } path
        && Verify(File.ReadAllBytes(path), withdrawal, signers).Problem is null;

    private static Result<PatchWithdrawal> Verify(byte[] withdrawal, string digest, Signers signers) =>
        ManifestVerifier.VerifyWithdrawal(withdrawal, digest, signers.Certificates, signers.Threshold);

    private void LogManifest(VerifiedManifest verified)
    {
        var manifest = verified.Content;
        log.LogInformation(
            "Took manifest {Manifest}: {Version} ({Notice}) for {KernelRelease} {Architecture}",
            verified.Digest, manifest.Version, manifest.Notice, manifest.KernelRelease, manifest.Architecture);
    }

    private void Show(List<KernelPatches> changed)
    {
        published.Replace(changed);
        foreach (var (kernel, sequence, entries) in changed)
        {
            log.LogInformation(
                "Published {Version} for {KernelRelease} {Architecture}: catalogue {Sequence}",
                entries[^1].Version, kernel.Release, kernel.Architecture, sequence);
        }
    }
}
