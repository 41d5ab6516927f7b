using LivepatchAgent.Core;
using LivepatchAgent.Core.Agent;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace LivepatchAgent.Daemon.LocalApi;

internal sealed partial class Routes
{
    /// <summary>A livepatch has some hundred KiB; the daemon may use 256 MiB in all.</summary>
    private const long MaxModule = 64 << 20;

    /// <summary>One at a time: each reads 150,000 symbols, and may hold a module.</summary>
    private static readonly SemaphoreSlim Looking = new(1);

    /// <summary>Each object's file is unpacked and read.</summary>
    private const int MaxObjects = 64;

    private async Task FactsAsync(HttpContext context)
    {
        var objects = context.Request.Query["object"].OfType<string>().Select(o => o.Replace('-', '_')).Distinct().ToList();
        if (objects.Count > MaxObjects)
        {
            await RefuseAsync(context, 400, new Problem(ProblemCode.RequestInvalid, $"cannot describe this host: {objects.Count} objects are named", $"name {MaxObjects} at most"));
            return;
        }

        await Looking.WaitAsync(context.RequestAborted);
        try
        {
            await WriteAsync(context, 200, preflight.Facts(objects));
        }
        finally
        {
            Looking.Release();
        }
    }

    private async Task CheckAsync(HttpContext context)
    {
        await Looking.WaitAsync(context.RequestAborted);
        try
        {
            // A module is larger than all other requests; whoever may change the host may send one.
            if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit) limit.MaxRequestBodySize = MaxModule;
            var length = context.Request.ContentLength ?? 0;
            if (length > MaxModule)
            {
                await RefuseAsync(context, 413, new Problem(ProblemCode.RequestTooLarge, $"cannot check the module: it has {length} bytes", $"at most {MaxModule} are taken here"));
            }
            else if (length == 0)
            {
                if (preflight.OfVersion(context.Request.Query["version"].FirstOrDefault()).TryGet(out var report, out var problem)) await AnswerAsync(context, 200, report, PreflightJson.Readable.PreflightReport);
                else await RefuseAsync(context, 404, problem);
            }
            else
            {
                var file = new byte[length];
                await context.Request.Body.ReadExactlyAsync(file, context.RequestAborted);
                await AnswerAsync(context, 200, preflight.OfFile(file, "the module"), PreflightJson.Readable.PreflightReport);
            }
        }
        catch (EndOfStreamException)
        {
            await RefuseAsync(context, 400, new Problem(ProblemCode.RequestInvalid, "cannot check the module: it is cut off", "send all of it"));
        }
        finally
        {
            Looking.Release();
        }
    }
}
