using System.Text.Json;

namespace LivepatchAgent.Cli.Local;

/// <summary>The daemon's refusal. Its code stays a word: one that a newer daemon added is shown all the same.</summary>
internal sealed record ApiError(string Code, string Message, string Cure)
{
    /// <summary>Null when the body holds no error with a message.</summary>
    public static ApiError? Read(byte[] body)
    {
        try
        {
            using var document = JsonDocument.Parse(body);
            if (Member(document.RootElement, "error") is not { ValueKind: JsonValueKind.Object } error) return null;
            var message = Text(error, "message");
            return message.Length > 0 ? new ApiError(Text(error, "code"), message, Text(error, "cure")) : null;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return null;
        }
    }

    private static JsonElement? Member(JsonElement parent, string name)
    {
        if (parent.ValueKind != JsonValueKind.Object) return null;
        return parent.TryGetProperty(name, out var value) ? value : null;
    }

    private static string Text(JsonElement parent, string name) =>
        Member(parent, name) is { ValueKind: JsonValueKind.String } value ? value.GetString()! : "";
}
