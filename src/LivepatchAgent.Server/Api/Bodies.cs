using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using LivepatchAgent.Core;
using Microsoft.AspNetCore.Http.Features;

namespace LivepatchAgent.Server.Api;

/// <summary>Reads what a caller sends, never more than it may.</summary>
internal static class Bodies
{
    public const int MaxJson = 64 * 1024;

    public static async Task<Result<T>> ReadJsonAsync<T>(this HttpContext call, JsonTypeInfo<T> type)
        where T : class
    {
        if (!(await call.ReadBytesAsync(MaxJson)).TryGet(out var bytes, out var problem)) return problem;
        try
        {
            return JsonSerializer.Deserialize(bytes, type) is { } value ? value : Invalid("its body is null");
        }
        catch (JsonException e)
        {
            return Invalid($"its body is not the JSON expected ({e.Path ?? "$"})");
        }
    }

    public static async Task<Result<byte[]>> ReadBytesAsync(this HttpContext call, int max)
    {
        Limit(call, max);
        try
        {
            // Nothing is set aside for what a caller only announces.
            using var buffer = new MemoryStream();
            await call.Request.Body.CopyToAsync(buffer, call.RequestAborted);
            return buffer.ToArray();
        }
        catch (BadHttpRequestException e)
        {
            return Broken(e, max);
        }
    }

    public static void Limit(HttpContext call, long max)
    {
        if (call.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit) limit.MaxRequestBodySize = max;
    }

    /// <summary>Too large, too slow or cut off.</summary>
    public static Problem Broken(BadHttpRequestException error, long max) => error.StatusCode == StatusCodes.Status413PayloadTooLarge
        ? new Problem(ProblemCode.RequestTooLarge, $"cannot take the request: its body is larger than {max} bytes", "send less")
        : Invalid("its body ended early or came too slowly");

    public static Problem Invalid(string why) => new(ProblemCode.RequestInvalid, $"cannot take the request: {why}", "see docs/openapi.yaml");
}
