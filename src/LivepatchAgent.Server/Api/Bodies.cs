using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Trust;

namespace LivepatchAgent.Server.Api;

/// <summary>
/// Reads what a caller sends: never more than it may, never for longer than it needs, and never all that strangers
/// could send at a time.
/// </summary>
internal sealed class Bodies(TimeProvider time)
{
    public const int MaxJson = 64 * 1024;

    /// <summary>
    /// Bytes of a call that are kept in memory without asking. A larger body needs one of <see cref="MaxLarge"/>
    /// places: halves of large bodies on every connection would fill the memory.
    /// </summary>
    public const int Small = 8 * 1024;
    public const int MaxLarge = 16;

    /// <summary>The HTTP layer's data rate is an average of 240 bytes/s, by which a body could take hours.</summary>
    public static readonly TimeSpan Within = TimeSpan.FromSeconds(30);
    public static readonly TimeSpan WithinOfStrangers = TimeSpan.FromSeconds(10);
    private int _large;

    /// <summary>Of a machine that has shown its credential.</summary>
    public Task<Result<T>> ReadJsonAsync<T>(HttpContext call, JsonTypeInfo<T> type)
        where T : class => ReadJsonAsync(call, type, Within, known: true);

    public Task<Result<T>> ReadJsonOfStrangerAsync<T>(HttpContext call, JsonTypeInfo<T> type)
        where T : class => ReadJsonAsync(call, type, WithinOfStrangers, known: false);

    /// <summary>A signed document; who signed it is known only once it is here.</summary>
    public Task<Result<byte[]>> ReadEnvelopeAsync(HttpContext call) =>
        ReadBytesAsync(call, CmsEnvelope.MaxSize, Within, known: false);

    /// <summary>
    /// Passes the body on in pieces; false when it is larger than <paramref name="max"/>. The HTTP layer then reads and
    /// discards the rest for a few seconds, so that the caller reads the answer instead of meeting a broken pipe.
    /// </summary>
    /// <param name="take">Says why it takes no more, or null.</param>
    public async Task<Result<bool>> ReadAsync(
        HttpContext call, long max, TimeSpan within, Func<ReadOnlyMemory<byte>, ValueTask<Problem?>> take)
    {
        if (call.Request.ContentLength > max) return false;
        var body = call.Request.BodyReader;
        using var late = new CancellationTokenSource(within, time);

        // A read that a token ends leaves the HTTP layer with a reader that it takes for broken.
        await using var ending = late.Token.Register(body.CancelPendingRead);
        try
        {
            long total = 0;
            while (true)
            {
                // The pipe's own memory, and none while nothing comes: a waiting call costs no buffer.
                var read = await body.ReadAsync(call.RequestAborted);
                try
                {
                    if (read.IsCanceled) return Late($"its body took longer than {within.TotalSeconds:0} seconds");
                    if ((total += read.Buffer.Length) > max) return false;
                    foreach (var piece in read.Buffer)
                    {
                        if (await take(piece) is { } problem) return problem;
                    }
                }
                finally
                {
                    body.AdvanceTo(read.Buffer.End);
                }

                if (read.IsCompleted) return true;
            }
        }
        catch (BadHttpRequestException e)
        {
            return e.StatusCode == StatusCodes.Status408RequestTimeout
                ? Late("its body came too slowly")
                : Invalid("its body ended early");
        }
    }

    public static Problem Invalid(string why) => new(
        ProblemCode.RequestInvalid,
        $"cannot take the request: {why}",
        "see docs/openapi.yaml");

    /// <summary>Not the caller's fault for good: a host tries again.</summary>
    private static Problem Late(string why) => new(
        ProblemCode.ServerTimeout,
        $"cannot take the request: {why}",
        "try again, and check the network in between");

    private async Task<Result<T>> ReadJsonAsync<T>(HttpContext call, JsonTypeInfo<T> type, TimeSpan within, bool known)
        where T : class
    {
        if (!(await ReadBytesAsync(call, MaxJson, within, known)).TryGet(out var bytes, out var problem))
            return problem;
        try
        {
            return JsonSerializer.Deserialize(bytes, type) is { } value ? value : Invalid("its body is null");
        }
        catch (JsonException e)
        {
            return Invalid($"its body is not the JSON expected ({e.Path ?? "$"})");
        }
    }

    private async Task<Result<byte[]>> ReadBytesAsync(HttpContext call, int max, TimeSpan within, bool known)
    {
        var placed = known;
        try
        {
            // Nothing is set aside for what a caller only announces.
            using var all = new MemoryStream();
            var read = await ReadAsync(call, max, within, piece =>
            {
                if (!placed && all.Length + piece.Length > Small && !(placed = TryPlace())) return new(NoPlace);
                all.Write(piece.Span);
                return default;
            });
            if (!read.TryGet(out var whole, out var problem)) return problem;
            return whole ? all.ToArray() : TooLarge(max);
        }
        finally
        {
            if (placed && !known) Interlocked.Decrement(ref _large);
        }
    }

    private static Problem TooLarge(int max) => new(
        ProblemCode.RequestTooLarge,
        $"cannot take the request: its body is larger than {max} bytes",
        "send less");

    private static Problem NoPlace => new(
        ProblemCode.TooManyRequests,
        $"cannot take the request: {MaxLarge} others of more than {Small} bytes are being sent",
        "try again in a moment");

    private bool TryPlace()
    {
        if (Interlocked.Increment(ref _large) <= MaxLarge) return true;
        Interlocked.Decrement(ref _large);
        return false;
    }
}
