using LivepatchAgent.Core;
using LivepatchAgent.Core.Trust;
using LivepatchAgent.Server.Rollout;
using LivepatchAgent.Server.Storage;
using LivepatchAgent.Server.Trust;
using Microsoft.Data.Sqlite;

namespace LivepatchAgent.Server.Api;

/// <summary>
/// How a patch gets here. Whoever has a manifest or a withdrawal that a known publisher signed may bring it: the
/// signature is the authorisation, and replaying it adds nothing. A module is taken only if such a manifest names its
/// digest, and never more bytes of it than the manifest says.
/// </summary>
internal sealed class PublishEndpoints(DataFolder folder, PinSets pins, BlobStore blobs, WriteQueue writes, Database database, Shelf shelf, TimeProvider time, ILogger log)
{
    /// <summary>A module may be large; strangers must not fill the disk or the connections with unfinished ones.</summary>
    private const int MaxUploads = 8;
    private int _uploads;

    public async Task ManifestAsync(HttpContext call)
    {
        if (!(await EnvelopeAsync(call)).TryGet(out var envelope, out var problem)
            || !ManifestVerifier.Verify(envelope.Bytes, envelope.Digest, envelope.Publishers).TryGet(out var verified, out problem))
        {
            await RefuseAsync(call, problem);
            return;
        }

        var (manifest, now) = (verified.Content, time.GetUtcNow());
        var there = blobs.Size(BlobKind.Module, manifest.Module.Sha256);
        if (there is not null && there != manifest.Module.Size)
        {
            await RefuseAsync(call, new Problem(ProblemCode.ManifestMismatch, $"cannot publish the manifest: its module has {there} bytes, not {manifest.Module.Size}", "make the manifest from the module file itself"));
            return;
        }

        blobs.Put(BlobKind.Manifest, verified.Digest, envelope.Bytes);
        if (!(await writes.RunAsync(db => Take(db, verified, now))).TryGet(out var taken, out problem))
        {
            await RefuseAsync(call, problem, StatusCodes.Status409Conflict);
            return;
        }

        shelf.Replace(taken.Changed);
        if (taken.New) log.LogInformation("Took manifest {Manifest}: {Version} ({Notice}) for {KernelRelease} {Architecture}", verified.Digest, manifest.Version, manifest.Notice, manifest.KernelRelease, manifest.Architecture);
        LogPublished(taken.Changed);
        call.Response.StatusCode = taken.New ? StatusCodes.Status201Created : StatusCodes.Status200OK;
    }

    public async Task ModuleAsync(HttpContext call)
    {
        var digest = FetchEndpoints.Route(call, "sha256");
        var sizes = Hex.IsSha256(digest) ? database.Read(db => PatchTable.ModuleSizes(db, digest)) : [];
        if (sizes.Count == 0)
        {
            await RefuseAsync(call, new Problem(ProblemCode.NotFound, "cannot take the module: no manifest here names its digest", "publish its manifest first"));
            return;
        }

        if (Interlocked.Increment(ref _uploads) > MaxUploads)
        {
            Interlocked.Decrement(ref _uploads);
            await RefuseAsync(call, new Problem(ProblemCode.TooManyRequests, $"cannot take the module: {MaxUploads} others are being uploaded", "try again in a moment"));
            return;
        }

        try
        {
            if (!(await StoreAsync(call, digest, sizes)).TryGet(out var stored, out var problem))
            {
                await RefuseAsync(call, problem);
                return;
            }

            var now = time.GetUtcNow();
            var changed = await writes.RunAsync(db => PatchTable.PublishModule(db, digest, stored.Size, now));
            shelf.Replace(changed);
            LogPublished(changed);
            call.Response.StatusCode = stored.New ? StatusCodes.Status201Created : StatusCodes.Status200OK;
        }
        finally
        {
            Interlocked.Decrement(ref _uploads);
        }
    }

    public async Task WithdrawalAsync(HttpContext call)
    {
        if (!(await EnvelopeAsync(call)).TryGet(out var envelope, out var problem)
            || !ManifestVerifier.VerifyWithdrawal(envelope.Bytes, envelope.Digest, envelope.Publishers).TryGet(out var withdrawal, out problem))
        {
            await RefuseAsync(call, problem);
            return;
        }

        if (database.Read(db => PatchTable.CanWithdraw(db, withdrawal.Manifest)) is not { } can)
        {
            await RefuseAsync(call, new Problem(ProblemCode.NotFound, $"cannot take the withdrawal: manifest {withdrawal.Manifest} is not here", "withdraw it on the server that it was published to"));
            return;
        }

        if (can)
        {
            blobs.Put(BlobKind.Withdrawal, envelope.Digest, envelope.Bytes);
            var changed = await writes.RunAsync(db => PatchTable.Withdraw(db, envelope.Digest, withdrawal));
            shelf.Replace(changed);
            log.LogInformation("Withdrew manifest {Manifest}: {Reason}", withdrawal.Manifest, withdrawal.Reason);
        }

        call.Response.StatusCode = can ? StatusCodes.Status201Created : StatusCodes.Status200OK;
    }

    private sealed record Envelope(byte[] Bytes, string Digest, IReadOnlyList<System.Security.Cryptography.X509Certificates.X509Certificate2> Publishers);

    private sealed record Taken(bool New, List<KernelPatches> Changed);

    private sealed record Stored(bool New, long Size);

    private async Task<Result<Envelope>> EnvelopeAsync(HttpContext call)
    {
        var digest = FetchEndpoints.Route(call, "sha256");
        if (!Hex.IsSha256(digest)) return Bodies.Invalid("its address does not end in a SHA-256 in lower-case hex");
        if (!(await call.ReadBytesAsync(CmsEnvelope.MaxSize)).TryGet(out var bytes, out var problem)) return problem;
        return PublisherCertificates.InForce(folder, pins.Newest).TryGet(out var publishers, out problem) ? new Envelope(bytes, digest, publishers) : problem;
    }

    private Result<Taken> Take(SqliteConnection db, VerifiedManifest verified, DateTimeOffset now)
    {
        var isNew = !PatchTable.Exists(db, verified.Digest);
        if (isNew && PatchTable.Insert(db, verified, now) is { } problem) return problem;

        // Looked at inside the transaction: a module that arrives meanwhile publishes in the next one.
        var module = verified.Content.Module;
        return new Taken(isNew, blobs.Size(BlobKind.Module, module.Sha256) == module.Size ? PatchTable.PublishModule(db, module.Sha256, module.Size, now) : []);
    }

    /// <summary>Takes the bytes in, whether the module is here already or not: an answer must say the truth about them.</summary>
    private async Task<Result<Stored>> StoreAsync(HttpContext call, string digest, List<long> sizes)
    {
        var max = sizes.Max();
        await using var upload = blobs.StartUpload();
        if (!(await call.ReadAsync(max, chunk => upload.AppendAsync(chunk, call.RequestAborted))).TryGet(out var whole, out var problem)) return problem;
        if (!whole) return new Problem(ProblemCode.ModuleTooLarge, $"cannot take the module: it is larger than the {max} bytes that its manifest says", "publish the file that the manifest was made from");
        if (!sizes.Contains(upload.Length) || upload.Digest() != digest)
            return new Problem(ProblemCode.ModuleDigestMismatch, $"cannot take the module: {upload.Length} bytes with SHA-256 {upload.Digest()[..12]}… are not the {max} bytes with {digest[..12]}… that its manifest names", "publish the file that the manifest was made from");
        var isNew = blobs.Find(BlobKind.Module, digest) is null;
        if (isNew) upload.Commit(BlobKind.Module, digest);
        return new Stored(isNew, upload.Length);
    }

    private Task RefuseAsync(HttpContext call, Problem problem, int? status = null)
    {
        log.LogWarning("Refused {Method} {Path} from {Address}: {Problem}", call.Request.Method, call.Request.Path.ToUriComponent(), call.Connection.RemoteIpAddress, problem.Message);
        return call.RefuseAsync(problem, status);
    }

    private void LogPublished(List<KernelPatches> changed)
    {
        foreach (var kernel in changed)
            log.LogInformation("Published {Version} for {KernelRelease} {Architecture}: catalogue {Sequence}", kernel.Entries[^1].Version, kernel.Kernel.Release, kernel.Kernel.Architecture, kernel.Sequence);
    }
}
