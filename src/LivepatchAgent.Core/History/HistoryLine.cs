using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using LivepatchAgent.Core.Modules;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Core.History;

/// <summary>
/// One line of history.jsonl. <see cref="Hash"/> is the SHA-256 of the line as it stands before <c>,"hash"</c>, and
/// that text begins with number and hash of the line before: changing, dropping or moving a line changes every
/// hash after it. Words of a closed list are plain text here, so that an older agent can read what a newer one wrote.
/// </summary>
public sealed record HistoryLine
{
    /// <summary>No line of ours comes near it; a longer text is not a line.</summary>
    public const int MaxLength = 8 * 1024;

    private const int MaxText = 300;
    private static readonly byte[] HashField = ",\"hash\":\""u8.ToArray();
    private static readonly int EndLength = HashField.Length + 64 + 2;

    /// <summary>From 1, without a hole.</summary>
    [JsonPropertyName("n")]
    public required long Number { get; init; }

    /// <summary>Hash of the line before.</summary>
    [JsonPropertyName("prev")]
    public required string Previous { get; init; }

    /// <summary>By the host's clock, UTC.</summary>
    public required DateTimeOffset At { get; init; }

    /// <summary>/proc/sys/kernel/random/boot_id.</summary>
    public required string Boot { get; init; }

    /// <summary>A <see cref="HistoryKind"/>.</summary>
    public required string Kind { get; init; }

    public HistoryBy? By { get; init; }

    public HistoryPatch? Patch { get; init; }

    /// <summary>A <see cref="ProblemCode"/>.</summary>
    public string? Problem { get; init; }

    public string? Note { get; init; }

    public long? Missed { get; init; }

    public long? Kept { get; init; }

    public string? Hash { get; init; }

    /// <summary>
    /// The text of the entry that follows the line numbered <paramref name="number"/> - 1, without a line end.
    /// </summary>
    public static (string Text, string Hash) Write(
        long number,
        string previous,
        DateTimeOffset at,
        string boot,
        HistoryEvent e)
    {
        var line = new HistoryLine
        {
            Number = number,
            Previous = previous,
            At = at.ToUniversalTime(),
            Boot = Short(boot),
            Kind = Kebab.Of(e.Kind),
            By = e.By is { } by ? Short(by) : null,
            Patch = e.Patch is { } patch ? patch with { Version = ShortOrNull(patch.Version) } : null,
            Problem = e.Problem is { } problem ? Kebab.Of(problem.Code) : null,
            Note = ShortOrNull(e.Note ?? e.Problem?.Message),
            Missed = e.Missed,
            Kept = e.Kept,
        };
        var head = JsonSerializer.Serialize(line, HistoryJson.Readable.HistoryLine)[..^1];
        var hash = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(head)));
        return ($"{head},\"hash\":\"{hash}\"}}", hash);
    }

    /// <summary>The line, if it is one; <paramref name="fits"/> says whether its hash is that of its text.</summary>
    public static HistoryLine? Read(ReadOnlySpan<byte> text, out bool fits)
    {
        fits = false;
        if (text.Length > MaxLength || text.Length <= EndLength) return null;
        try
        {
            if (JsonSerializer.Deserialize(text, HistoryJson.Default.HistoryLine) is not { } line) return null;
            if (!Hex.IsSha256(line.Hash) || !Hex.IsSha256(line.Previous)) return null;
            // The hash is looked for where it was written, at the very end, not where JSON may have found another.
            var head = text[..^EndLength];
            var hash = Convert.ToHexStringLower(SHA256.HashData(head));
            Span<byte> end = [.. HashField, .. Encoding.ASCII.GetBytes(hash), (byte)'"', (byte)'}'];
            fits = text[^EndLength..].SequenceEqual(end);
            return line;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static HistoryBy Short(HistoryBy by) =>
        by with { Program = ShortOrNull(by.Program), Server = ShortOrNull(by.Server) };

    private static string? ShortOrNull(string? text) => text is null ? null : Short(text);

    private static string Short(string text)
    {
        var safe = PrintableText.Of(text.Length > MaxText ? text[..MaxText] : text);
        return safe.Length > MaxText ? safe[..MaxText] + "…" : safe;
    }
}

/// <summary>
/// Answer of the local API: entries as they stand in the file, oldest first, and the verdict if one was asked for.
/// </summary>
public sealed record HistoryAnswer
{
    public const string SchemaName = "livepatch-history/1";

    public required string Schema { get; init; }

    public required IReadOnlyList<HistoryLine> Entries { get; init; }

    public HistoryVerdict? Verification { get; init; }
}

[JsonSourceGenerationOptions(
    GenerationMode = JsonSourceGenerationMode.Metadata,
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = true,
    MaxDepth = 8)]
[JsonSerializable(typeof(HistoryLine))]
[JsonSerializable(typeof(HistoryVerdict))]
[JsonSerializable(typeof(HistoryAnswer))]
public sealed partial class HistoryJson : JsonSerializerContext
{
    /// <summary>For people to read: + and ` stay what they are.</summary>
    public static HistoryJson Readable => field ??= new(ReadableJson.Options(Default));
}
