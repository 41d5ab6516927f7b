using LivepatchAgent.Core.Wire;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Trust;
using LivepatchAgent.Server.Files;
using LivepatchAgent.Server.Model;
using LivepatchAgent.Server.Rollout;
using Microsoft.Net.Http.Headers;

namespace LivepatchAgent.Server.Api;

/// <summary>
/// What hosts and caches fetch. Open to all: every byte of it is signed, and a signature is what hosts believe.
/// </summary>
internal sealed class FetchEndpoints(BlobStore blobs, SignedCatalogues catalogues)
{
    public const string EnvelopeType = "application/pkcs7-mime";

    public async Task CatalogueAsync(HttpContext call)
    {
        var kernel = new KernelKey(Route(call, "arch"), Route(call, "release"));
        if (!ManifestRules.IsWord(kernel.Architecture) || !ManifestRules.IsWord(kernel.Release))
        {
            await call.RefuseAsync(Bodies.Invalid("its architecture or kernel release is not a plain word"));
            return;
        }

        if (catalogues.For(kernel) is not { } catalogue)
        {
            await call.RefuseAsync(new Problem(
                ProblemCode.TooManyRequests,
                "cannot sign the catalogue: too many calls ask for kernels without patches",
                "try again in a second"));
            return;
        }

        call.Response.Headers.CacheControl = "no-cache";
        await TypedResults.Bytes(catalogue.Envelope, EnvelopeType, entityTag: Tag(catalogue.Digest)).ExecuteAsync(call);
    }

    public async Task BlobAsync(HttpContext call, BlobKind kind)
    {
        var sha256 = Route(call, "sha256");
        if (!Hex.IsSha256(sha256) || blobs.Find(kind, sha256) is not { } path)
        {
            await call.RefuseAsync(new Problem(
                ProblemCode.NotFound,
                $"cannot find the {Word(kind)}: nothing here has this digest",
                "ask for one that the catalogue or a manifest names"));
            return;
        }

        // The name is the content's digest, so a cached copy is right for ever; a cached error would not be.
        call.Response.OnStarting(() =>
        {
            if (call.Response.StatusCode is 200 or 206 or 304)
                call.Response.Headers.CacheControl = "public, max-age=31536000, immutable";
            return Task.CompletedTask;
        });
        var type = kind == BlobKind.Module ? "application/octet-stream" : EnvelopeType;
        var file = TypedResults.PhysicalFile(path, type, entityTag: Tag(sha256), enableRangeProcessing: true);
        await file.ExecuteAsync(call);
    }

    public static string Word(BlobKind kind) => kind switch
    {
        BlobKind.Manifest => "manifest",
        BlobKind.Module => "module",
        _ => "withdrawal",
    };

    public static string Route(HttpContext call, string name) => call.Request.RouteValues[name] as string ?? "";

    private static EntityTagHeaderValue Tag(string digest) => new($"\"{digest}\"");
}
