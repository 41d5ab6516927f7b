using System.Diagnostics.CodeAnalysis;
using LivepatchAgent.Core;
using LivepatchAgent.Server.Files;

namespace LivepatchAgent.Server.Api;

/// <summary>What can be asked of the server; docs/openapi.yaml says the same, and a test compares the two.</summary>
internal static class Routes
{
    public static void Map(
        WebApplication app,
        EnrolmentEndpoint enrolments,
        CheckInEndpoint checkIns,
        FetchEndpoints fetch,
        PublishEndpoints publish,
        ModuleEndpoint modules,
        PinsEndpoints pins)
    {
        app.MapPost("/v1/enrolments", enrolments.HandleAsync);
        app.MapPost("/v1/check-ins", checkIns.HandleAsync);
        Get(app, "/v1/catalogues/{arch}/{release}", fetch.CatalogueAsync);
        Get(app, "/v1/manifests/{sha256}", call => fetch.BlobAsync(call, BlobKind.Manifest));
        Get(app, "/v1/modules/{sha256}", call => fetch.BlobAsync(call, BlobKind.Module));
        Get(app, "/v1/withdrawals/{sha256}", call => fetch.BlobAsync(call, BlobKind.Withdrawal));
        Put(app, "/v1/manifests/{sha256}", publish.ManifestAsync);
        Put(app, "/v1/modules/{sha256}", modules.PutAsync);
        Put(app, "/v1/withdrawals/{sha256}", publish.WithdrawalAsync);
        Get(app, "/v1/pins/{version}", pins.GetAsync);
        Put(app, "/v1/pins/{version}", pins.PutAsync);
        Get(app, "/healthz", call => TypedResults.Text("ok\n").ExecuteAsync(call));
    }

    /// <summary>
    /// Around every route: whatever goes wrong ends as one JSON answer that tells nothing of the inside.
    /// </summary>
    public static async Task GuardAsync(HttpContext call, RequestDelegate next, ILogger log)
    {
#pragma warning disable CA1031 // edge: any exception becomes an answer
        try
        {
            await next(call);
            if (call.Response.HasStarted || call.Response.ContentLength is not null) return;
            if (call.Response.StatusCode == StatusCodes.Status404NotFound)
                await call.RefuseAsync(new Problem(
                    ProblemCode.NotFound,
                    "cannot answer: there is nothing at this address",
                    "see docs/openapi.yaml"));
            else if (call.Response.StatusCode == StatusCodes.Status405MethodNotAllowed)
                await call.RefuseAsync(
                    Bodies.Invalid("this address does not take its method"), StatusCodes.Status405MethodNotAllowed);
        }
        catch (Exception) when (call.RequestAborted.IsCancellationRequested)
        {
            // The caller is gone; there is nobody to answer.
        }
        catch (Exception e)
        {
            log.LogError(e, "Cannot answer {Method} {Path}", call.Request.Method, call.Request.Path.ToUriComponent());
            if (call.Response.HasStarted) call.Abort();
            else await call.RefuseAsync(Explain(e));
        }
#pragma warning restore CA1031
    }

    private static Problem Explain(Exception e)
    {
        const int ENOSPC = 28;
        return e is IOException && (e.HResult & 0xffff) == ENOSPC
            ? new Problem(
                ProblemCode.DiskFull,
                "cannot answer: the server's disk is full",
                "make room on the server and try again")
            : new Problem(
                ProblemCode.InternalError,
                "cannot answer: something went wrong in the server",
                "see the server's log");
    }

    private static void Get(WebApplication app, [StringSyntax("Route")] string pattern, RequestDelegate handler) =>
        app.MapMethods(pattern, [HttpMethods.Get, HttpMethods.Head], handler);

    private static void Put(WebApplication app, [StringSyntax("Route")] string pattern, RequestDelegate handler) =>
        app.MapMethods(pattern, [HttpMethods.Put], handler);
}
