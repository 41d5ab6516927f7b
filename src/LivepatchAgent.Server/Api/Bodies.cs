using System.Buffers;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using LivepatchAgent.Core;

namespace LivepatchAgent.Server.Api;

/// <summary>Reads what a caller sends, never more than it may.</summary>
internal static class Bodies
{
    public const int MaxJson = 64 * 1024;
    private const int Chunk = 64 * 1024;

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
        // Nothing is set aside for what a caller only announces.
        using var all = new MemoryStream();
        var read = await call.ReadAsync(max, chunk =>
        {
            all.Write(chunk.Span);
            return ValueTask.CompletedTask;
        });
        if (!read.TryGet(out var whole, out var problem)) return problem;
        return whole ? all.ToArray() : new Problem(ProblemCode.RequestTooLarge, $"cannot take the request: its body is larger than {max} bytes", "send less");
    }

    /// <summary>
    /// Gives the body away in chunks; false when it is larger than <paramref name="max"/>. What is then left of it the HTTP
    /// layer takes in and throws away for a few seconds, so that the caller gets to read the answer and not a broken pipe.
    /// </summary>
    public static async Task<Result<bool>> ReadAsync(this HttpContext call, long max, Func<ReadOnlyMemory<byte>, ValueTask> take)
    {
        if (call.Request.ContentLength > max) return false;
        var buffer = ArrayPool<byte>.Shared.Rent(Chunk);
        try
        {
            long total = 0;
            int read;
            while ((read = await call.Request.Body.ReadAsync(buffer, call.RequestAborted)) > 0)
            {
                if ((total += read) > max) return false;
                await take(buffer.AsMemory(0, read));
            }

            return true;
        }
        catch (BadHttpRequestException)
        {
            return Invalid("its body ended early or came too slowly");
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    public static Problem Invalid(string why) => new(ProblemCode.RequestInvalid, $"cannot take the request: {why}", "see docs/openapi.yaml");
}
