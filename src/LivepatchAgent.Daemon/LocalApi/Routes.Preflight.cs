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
        var names = context.Request.Query["object"].OfType<string>();
        var objects = names.Select(o => o.Replace('-', '_')).Distinct().ToList();
        if (objects.Count > MaxObjects)
        {
            var message = $"cannot describe this host: {objects.Count} objects are named";
            var problem = new Problem(ProblemCode.RequestInvalid, message, $"name {MaxObjects} at most");
            await RefuseAsync(context, 400, problem);
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
            // A module is larger than all other requests; those who may change the host may send one.
            var size = context.Features.Get<IHttpMaxRequestBodySizeFeature>();
            if (size is { IsReadOnly: false }) size.MaxRequestBodySize = MaxModule;
            var length = context.Request.ContentLength ?? 0;
            if (length > MaxModule) await RefuseAsync(context, 413, TooLarge(length));
            else if (length == 0) await CheckVersionAsync(context);
            else await CheckFileAsync(context, length);
        }
        catch (EndOfStreamException)
        {
            const string message = "cannot check the module: it is cut off";
            await RefuseAsync(context, 400, new Problem(ProblemCode.RequestInvalid, message, "send all of it"));
        }
        finally
        {
            Looking.Release();
        }
    }

    private async Task CheckVersionAsync(HttpContext context)
    {
        var version = context.Request.Query["version"].FirstOrDefault();
        if (preflight.OfVersion(version).TryGet(out var report, out var problem)) await ReportAsync(context, report);
        else await RefuseAsync(context, 404, problem);
    }

    private async Task CheckFileAsync(HttpContext context, long length)
    {
        var file = new byte[length];
        await context.Request.Body.ReadExactlyAsync(file, context.RequestAborted);
        await ReportAsync(context, preflight.OfFile(file, "the module"));
    }

    private static Task ReportAsync(HttpContext context, PreflightReport report) =>
        AnswerAsync(context, 200, report, PreflightJson.Readable.PreflightReport);
}
