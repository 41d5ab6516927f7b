using System.IO.Compression;
using System.Text;
using System.Text.Json;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.EndToEnd.Tests.Harness;

/// <summary>What a stolen server can answer to a call.</summary>
internal static class BadAnswers
{
    public static Func<StolenCall, Task> With(byte[] body) => call => call.AnswerAsync(200, body);

    /// <param name="body">Made for each call.</param>
    public static Func<StolenCall, Task> With(Func<byte[]> body, string headers = "") =>
        call => call.AnswerAsync(200, body(), headers: headers);

    public static Func<StolenCall, Task> Redirect(int status, string url) =>
        call => call.AnswerAsync(status, [], headers: $"Location: {url}\r\n");

    /// <summary>Another tag each time, so that each assignment is news to the host.</summary>
    public static byte[] Assigning(string manifest)
    {
        var assignment = new Assignment
        {
            Tag = "stolen-" + Guid.NewGuid(),
            ManifestDigest = manifest,
            CheckInSeconds = 900,
            Now = DateTimeOffset.UtcNow,
        };
        return JsonSerializer.SerializeToUtf8Bytes(assignment, WireJson.Default.Assignment);
    }

    /// <summary>100 MiB of zeros, packed.</summary>
    public static byte[] Bomb()
    {
        using var packed = new MemoryStream();
        using (var gzip = new GZipStream(packed, CompressionLevel.SmallestSize)) gzip.Write(new byte[100 << 20]);
        return packed.ToArray();
    }

    public static async Task EndlessAsync(StolenCall call)
    {
        await call.RawAsync("HTTP/1.1 200 X\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n");
        var block = Encoding.ASCII.GetBytes(new string(' ', 64 * 1024));
        while (true) await call.RawAsync(block);
    }

    public static async Task HeadersAsync(StolenCall call)
    {
        await call.RawAsync("HTTP/1.1 200 X\r\n");
        for (var i = 0; ; i++) await call.RawAsync($"X-Header-{i}: {new string('x', 500)}\r\n");
    }

    public static Task DripAsync(StolenCall call) =>
        DripAsync(call, Encoding.ASCII.GetBytes(new string(' ', 1000)));

    public static async Task DripAsync(StolenCall call, byte[] body)
    {
        await call.RawAsync(
            $"HTTP/1.1 200 X\r\nContent-Type: application/json\r\nContent-Length: {body.Length}\r\n\r\n");
        for (var i = 0; i < 900; i++)
        {
            await call.RawAsync(body[i..(i + 1)]);
            await Task.Delay(500, call.Closing);
        }
    }

    /// <summary>These bytes of the module, whatever the host asked for.</summary>
    public static Task RangeAsync(StolenCall call, byte[] module, Range range)
    {
        var (from, length) = range.GetOffsetAndLength(module.Length);
        var header = $"Content-Range: bytes {from}-{from + length - 1}/{module.Length}\r\n";
        return call.AnswerAsync(206, module[range], headers: header);
    }

    /// <summary>
    /// So many bytes from where the host goes on, of all that are announced; the line is then closed.
    /// </summary>
    public static async Task PieceAsync(StolenCall call, byte[] module, int bytes)
    {
        var from = call.RangeFrom ?? 0;
        var status = call.RangeFrom is null ? 200 : 206;
        var range = call.RangeFrom is null
            ? ""
            : $"Content-Range: bytes {from}-{module.Length - 1}/{module.Length}\r\n";
        var length = $"Content-Length: {module.Length - from}\r\n";
        await call.RawAsync($"HTTP/1.1 {status} X\r\nContent-Type: application/octet-stream\r\n{length}{range}\r\n");
        await call.RawAsync(module[from..Math.Min(module.Length, from + bytes)]);
    }

    /// <summary>The start of the module, and once the host goes on from there, the rest of another one.</summary>
    public static Task ChangedAsync(StolenCall call, byte[] module, byte[] other) => call.RangeFrom is null
        ? PieceAsync(call, module, 1000)
        : PieceAsync(call, other, other.Length);
}
