using System.Security.Cryptography;
using LivepatchAgent.Core;
using LivepatchAgent.Server.Files;
using LivepatchAgent.Server.Registry;

namespace LivepatchAgent.Server.Api;

/// <summary>
/// <c>PUT /v1/modules/SHA256</c>: taken only if a signed manifest names its digest, and never more bytes of it than the
/// manifest says. A place and a file are for modules that are not here yet: the digests of those that are here are
/// known to all, and strangers must not take the places of the one that hosts wait for.
/// </summary>
internal sealed class ModuleEndpoint(Bodies bodies, BlobStore blobs, Publishing publishing, ILogger log)
{
    /// <summary>A module may be large; unfinished ones must not fill the disk.</summary>
    public const int MaxUploads = 8;

    /// <summary>Bytes a second on a slow line; a caller that sends less is cut off in the end.</summary>
    private const int SlowestLine = 16 * 1024;
    private int _uploads;

    public async Task PutAsync(HttpContext call)
    {
        var digest = FetchEndpoints.Route(call, "sha256");
        var sizes = Hex.IsSha256(digest) ? publishing.ModuleSizes(digest) : [];
        if (sizes.Count == 0)
        {
            await call.RefuseAsync(log, new Problem(
                ProblemCode.NotFound,
                "cannot take the module: no manifest here names its digest",
                "publish its manifest first"));
            return;
        }

        // One of another size is damaged, and as good as none.
        var stored = blobs.Size(BlobKind.Module, digest) is { } size && sizes.Contains(size)
            ? await CompareAsync(call, digest, sizes)
            : await StoreInPlaceAsync(call, digest, sizes);
        if (!stored.TryGet(out var taken, out var problem))
        {
            await call.RefuseAsync(log, problem);
            return;
        }

        await publishing.ModuleAsync(digest, taken.Size);
        call.Response.StatusCode = taken.New ? StatusCodes.Status201Created : StatusCodes.Status200OK;
    }

    private sealed record Stored(bool New, long Size);

    private async Task<Result<Stored>> StoreInPlaceAsync(HttpContext call, string digest, List<long> sizes)
    {
        try
        {
            return Interlocked.Increment(ref _uploads) <= MaxUploads
                ? await StoreAsync(call, digest, sizes)
                : new Problem(
                    ProblemCode.TooManyRequests,
                    $"cannot take the module: {MaxUploads} others are being uploaded",
                    "try again in a moment");
        }
        finally
        {
            Interlocked.Decrement(ref _uploads);
        }
    }

    private async Task<Result<Stored>> StoreAsync(HttpContext call, string digest, List<long> sizes)
    {
        await using var upload = blobs.StartUpload();
        var fault = await ReadAsync(call, digest, sizes, upload.Hash, Append);
        if (fault is not null) return fault;
        var isNew = blobs.Find(BlobKind.Module, digest) is null;
        upload.Commit(BlobKind.Module, digest);
        return new Stored(isNew, upload.Length);

        ValueTask Append(ReadOnlyMemory<byte> bytes) => upload.AppendAsync(bytes, call.RequestAborted);
    }

    /// <summary>The bytes are taken in here too: an answer must say the truth about them.</summary>
    private async Task<Result<Stored>> CompareAsync(HttpContext call, string digest, List<long> sizes)
    {
        long length = 0;
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        if (await ReadAsync(call, digest, sizes, hash, Count) is { } problem) return problem;
        if (await blobs.IsSoundAsync(BlobKind.Module, digest, call.RequestAborted))
            return new Stored(New: false, length);

        // Hosts refuse a damaged one; without it the next upload takes its place.
        blobs.Remove(BlobKind.Module, digest);
        return new Problem(
            ProblemCode.DiskError,
            $"cannot take the module: the copy of {digest[..12]}… that the server had was damaged, and was removed",
            "publish it again; then look at the server's disk");

        ValueTask Count(ReadOnlyMemory<byte> bytes)
        {
            hash.AppendData(bytes.Span);
            length += bytes.Length;
            return ValueTask.CompletedTask;
        }
    }

    /// <summary>Null when all of it came and is what a manifest names.</summary>
    private async Task<Problem?> ReadAsync(
        HttpContext call,
        string digest,
        List<long> sizes,
        IncrementalHash hash,
        Func<ReadOnlyMemory<byte>, ValueTask> take)
    {
        var (max, length) = (sizes.Max(), 0L);
        var patience = Bodies.Within + TimeSpan.FromSeconds(max / SlowestLine);
        var read = await bodies.ReadAsync(call, max, patience, async bytes =>
        {
            length += bytes.Length;
            await take(bytes);
            return null;
        });
        if (!read.TryGet(out var whole, out var problem)) return problem;
        if (!whole)
            return new Problem(
                ProblemCode.ModuleTooLarge,
                $"cannot take the module: it is larger than the {max} bytes that its manifest says",
                "publish the file that the manifest was made from");
        var found = Convert.ToHexStringLower(hash.GetCurrentHash());
        if (sizes.Contains(length) && found == digest) return null;
        var (sent, wanted) = (Described(length, found), Described(max, digest));
        return new Problem(
            ProblemCode.ModuleDigestMismatch,
            $"cannot take the module: {sent} is not the module that its manifest names, {wanted}",
            "publish the file that the manifest was made from");
    }

    private static string Described(long length, string digest) => $"{length} bytes with SHA-256 {digest[..12]}…";
}
