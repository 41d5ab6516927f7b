using System.Globalization;
using System.Net.Security;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Daemon.Tests.Surroundings;

/// <summary>One request as the server got it, and the line to answer on.</summary>
internal sealed record Call(
    SslStream Line,
    string Method,
    string Path,
    IReadOnlyDictionary<string, string> Headers,
    byte[] Body,
    CancellationToken Closing)
{
    public bool IsHeld => Headers.ContainsKey("prefer");

    public long? RangeFrom => Headers.TryGetValue("range", out var range)
        ? long.Parse(range["bytes=".Length..].TrimEnd('-'), CultureInfo.InvariantCulture)
        : null;

    /// <summary>Null at the end of the line.</summary>
    public static async Task<Call?> ReadAsync(SslStream line, CancellationToken closing)
    {
        var head = new List<byte>();
        var one = new byte[1];
        while (!(head.Count >= 4 && head[^4..] is [13, 10, 13, 10]))
        {
            if (await line.ReadAsync(one, closing) == 0) return null;
            head.Add(one[0]);
        }

        var lines = Encoding.ASCII.GetString([.. head]).Split("\r\n", StringSplitOptions.RemoveEmptyEntries);
        var headers = lines.Skip(1).Select(l => l.Split(':', 2))
            .ToDictionary(p => p[0].ToLowerInvariant(), p => p[1].Trim());
        var length = headers.TryGetValue("content-length", out var given) ? given : "0";
        var body = new byte[int.Parse(length, CultureInfo.InvariantCulture)];
        await line.ReadExactlyAsync(body, closing);
        var words = lines[0].Split(' ');
        return new Call(line, words[0], words[1], headers, body, closing);
    }

    public Task RawAsync(string text) => RawAsync(Encoding.Latin1.GetBytes(text));

    public async Task RawAsync(byte[] bytes)
    {
        await Line.WriteAsync(bytes, Closing);
        await Line.FlushAsync(Closing);
    }

    public async Task AnswerAsync(int status, byte[] body, string type = "application/json", string headers = "")
    {
        var head = $"HTTP/1.1 {status} X\r\nContent-Type: {type}\r\nContent-Length: {body.Length}\r\n";
        await RawAsync($"{head}{headers}\r\n");
        await RawAsync(body);
    }

    public Task AnswerAsync(int status, string body, string type = "application/json", string headers = "") =>
        AnswerAsync(status, Encoding.UTF8.GetBytes(body), type, headers);

    public Task AnswerAsync<T>(int status, T answer, JsonTypeInfo<T> type) =>
        AnswerAsync(status, JsonSerializer.SerializeToUtf8Bytes(answer, type));

    public Task AnswerAsync(int status, Problem problem) =>
        AnswerAsync(status, new ErrorAnswer(problem), WireJson.Default.ErrorAnswer);

    /// <summary>Says nothing more until the server closes or the other side hangs up.</summary>
    public async Task HangAsync()
    {
        while (await Line.ReadAsync(new byte[1], Closing) > 0)
        {
        }
    }
}
