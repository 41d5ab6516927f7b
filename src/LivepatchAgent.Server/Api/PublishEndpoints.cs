using LivepatchAgent.Core;
using LivepatchAgent.Core.Trust;
using LivepatchAgent.Server.Rollout;
using LivepatchAgent.Server.Storage;
using LivepatchAgent.Server.Trust;
using Microsoft.Data.Sqlite;

namespace LivepatchAgent.Server.Api;

/// <summary>
/// How a patch gets here, and how it is taken back. Whoever has a manifest or a withdrawal that enough known publishers
/// signed may bring it: the signatures are the authorisation, and replaying it adds nothing.
/// </summary>
internal sealed class PublishEndpoints(Bodies bodies, Publishers publishers, BlobStore blobs, WriteQueue writes, Database database, Shelf shelf, TimeProvider time, ILogger log)
{
    public async Task ManifestAsync(HttpContext call)
    {
        if (!(await EnvelopeAsync(call)).TryGet(out var envelope, out var problem)
            || !ManifestVerifier.Verify(envelope.Bytes, envelope.Digest, envelope.Signers.Certificates, envelope.Signers.Threshold).TryGet(out var verified, out problem))
        {
            await call.RefuseAsync(log, problem);
            return;
        }

        var (manifest, now) = (verified.Content, time.GetUtcNow());
        var sizes = database.Read(db => PatchTable.PublishedSizes(db, manifest.Module.Sha256));
        if (sizes.Count > 0 && !sizes.Contains(manifest.Module.Size))
        {
            await call.RefuseAsync(log, new Problem(ProblemCode.ManifestMismatch, $"cannot publish the manifest: its module has {sizes[0]} bytes, not {manifest.Module.Size}", "make the manifest from the module file itself"));
            return;
        }

        blobs.Put(BlobKind.Manifest, verified.Digest, envelope.Bytes);
        if (!(await writes.RunAsync(db => Take(db, verified, now))).TryGet(out var taken, out problem))
        {
            await call.RefuseAsync(log, problem, StatusCodes.Status409Conflict);
            return;
        }

        shelf.Replace(taken.Changed);
        if (taken.New) log.LogInformation("Took manifest {Manifest}: {Version} ({Notice}) for {KernelRelease} {Architecture}", verified.Digest, manifest.Version, manifest.Notice, manifest.KernelRelease, manifest.Architecture);
        LogPublished(log, taken.Changed);
        call.Response.StatusCode = taken.New ? StatusCodes.Status201Created : StatusCodes.Status200OK;
    }

    public async Task WithdrawalAsync(HttpContext call)
    {
        if (!(await EnvelopeAsync(call)).TryGet(out var envelope, out var problem)
            || !ManifestVerifier.VerifyWithdrawal(envelope.Bytes, envelope.Digest, envelope.Signers.Certificates, envelope.Signers.Threshold).TryGet(out var withdrawal, out problem))
        {
            await call.RefuseAsync(log, problem);
            return;
        }

        if (database.Read(db => PatchTable.FindWithdrawal(db, withdrawal.Manifest)) is not [var there])
        {
            await call.RefuseAsync(log, new Problem(ProblemCode.NotFound, $"cannot take the withdrawal: manifest {withdrawal.Manifest} is not here", "withdraw it on the server that it was published to"));
            return;
        }

        // One that hosts do not believe (any more) must not stand in the way of one that they do.
        var stands = there is not null && IsGood(there, envelope.Signers);
        if (!stands)
        {
            blobs.Put(BlobKind.Withdrawal, envelope.Digest, envelope.Bytes);
            var changed = await writes.RunAsync(db => PatchTable.Withdraw(db, envelope.Digest, withdrawal, there));
            shelf.Replace(changed);
            log.LogInformation("Withdrew manifest {Manifest}: {Reason}", withdrawal.Manifest, withdrawal.Reason);
        }

        call.Response.StatusCode = stands ? StatusCodes.Status200OK : StatusCodes.Status201Created;
    }

    internal static void LogPublished(ILogger log, List<KernelPatches> changed)
    {
        foreach (var kernel in changed)
            log.LogInformation("Published {Version} for {KernelRelease} {Architecture}: catalogue {Sequence}", kernel.Entries[^1].Version, kernel.Kernel.Release, kernel.Kernel.Architecture, kernel.Sequence);
    }

    private sealed record Envelope(byte[] Bytes, string Digest, Signers Signers);

    private sealed record Taken(bool New, List<KernelPatches> Changed);

    private async Task<Result<Envelope>> EnvelopeAsync(HttpContext call)
    {
        var digest = FetchEndpoints.Route(call, "sha256");
        if (!Hex.IsSha256(digest)) return Bodies.Invalid("its address does not end in a SHA-256 in lower-case hex");
        if (!(await bodies.ReadEnvelopeAsync(call)).TryGet(out var bytes, out var problem)) return problem;
        return publishers.InForce().TryGet(out var signers, out problem) ? new Envelope(bytes, digest, signers) : problem;
    }

    private bool IsGood(string withdrawal, Signers signers) =>
        blobs.Find(BlobKind.Withdrawal, withdrawal) is { } path
        && ManifestVerifier.VerifyWithdrawal(File.ReadAllBytes(path), withdrawal, signers.Certificates, signers.Threshold).TryGet(out _, out _);

    private Result<Taken> Take(SqliteConnection db, VerifiedManifest verified, DateTimeOffset now)
    {
        var isNew = !PatchTable.Exists(db, verified.Digest);
        if (isNew && PatchTable.Insert(db, verified, now) is { } problem) return problem;

        // Looked at inside the transaction: a module that arrives meanwhile publishes in the next one.
        var module = verified.Content.Module;
        return new Taken(isNew, blobs.Size(BlobKind.Module, module.Sha256) == module.Size ? PatchTable.PublishModule(db, module.Sha256, module.Size, now) : []);
    }
}
