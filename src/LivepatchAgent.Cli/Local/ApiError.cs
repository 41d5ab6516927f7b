using System.Text.Json;

namespace LivepatchAgent.Cli.Local;

/// <summary>The daemon's no. Its code stays a word, so that one which a newer daemon added is still told.</summary>
internal sealed record ApiError(string Code, string Message, string Cure)
{
    public static ApiError? Read(byte[] body)
    {
        try
        {
            using var document = JsonDocument.Parse(body);
            if (document.RootElement.ValueKind != JsonValueKind.Object || !document.RootElement.TryGetProperty("error", out var error)) return null;
            return error.ValueKind == JsonValueKind.Object && Text(error, "message") is { Length: > 0 } message
                ? new ApiError(Text(error, "code"), message, Text(error, "cure"))
                : null;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return null;
        }
    }

    private static string Text(JsonElement parent, string name) =>
        parent.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString()! : "";
}
