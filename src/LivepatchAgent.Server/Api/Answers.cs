using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Server.Api;

/// <summary>
/// How the server speaks: JSON with its length, never cached; every refusal is an <see cref="ErrorAnswer"/>.
/// </summary>
internal static class Answers
{
    public static async Task SayAsync<T>(this HttpContext call, int status, T value, JsonTypeInfo<T> type)
    {
        var body = JsonSerializer.SerializeToUtf8Bytes(value, type);
        var response = call.Response;
        response.StatusCode = status;
        response.ContentType = "application/json";
        response.ContentLength = body.Length;
        response.Headers.CacheControl = "no-store";
        if (!HttpMethods.IsHead(call.Request.Method)) await response.Body.WriteAsync(body, call.RequestAborted);
    }

    public static Task RefuseAsync(this HttpContext call, Problem problem, int? status = null)
    {
        var code = status ?? StatusOf(problem.Code);
        if (code == StatusCodes.Status401Unauthorized) call.Response.Headers.WWWAuthenticate = "Bearer";
        if (code == StatusCodes.Status429TooManyRequests) call.Response.Headers.RetryAfter = "1";
        return call.SayAsync(code, new ErrorAnswer(problem), WireJson.Default.ErrorAnswer);
    }

    /// <summary>The same, and a line in the log.</summary>
    public static Task RefuseAsync(this HttpContext call, ILogger log, Problem problem, int? status = null)
    {
        log.LogWarning(
            "Refused {Method} {Path} from {Address}: {Problem}",
            call.Request.Method, call.Request.Path.ToUriComponent(), call.Connection.RemoteIpAddress, problem.Message);
        return call.RefuseAsync(problem, status);
    }

    public static int StatusOf(ProblemCode code) => code switch
    {
        ProblemCode.TokenUnknown or ProblemCode.MachineUnknown => StatusCodes.Status401Unauthorized,
        ProblemCode.TokenExpired or ProblemCode.TokenUsedUp or ProblemCode.TokenRevoked
            or ProblemCode.ManifestSignatureInvalid or ProblemCode.PinsInvalid
            or ProblemCode.NotPermitted => StatusCodes.Status403Forbidden,
        ProblemCode.NotFound => StatusCodes.Status404NotFound,
        ProblemCode.ServerTimeout => StatusCodes.Status408RequestTimeout,
        ProblemCode.RequestTooLarge or ProblemCode.ModuleTooLarge => StatusCodes.Status413PayloadTooLarge,
        ProblemCode.TooManyRequests => StatusCodes.Status429TooManyRequests,
        ProblemCode.DiskFull => StatusCodes.Status507InsufficientStorage,
        ProblemCode.InternalError or ProblemCode.ServerError
            or ProblemCode.DiskError => StatusCodes.Status500InternalServerError,
        _ => StatusCodes.Status400BadRequest,
    };
}
