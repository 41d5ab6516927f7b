using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace LivepatchAgent.Core.Wire;

/// <summary>JSON that people read too.</summary>
internal static class ReadableJson
{
    /// <summary>
    /// A context's options with quotes and letters of all scripts as they are, not as \u escapes. Not for JSON inside
    /// of HTML.
    /// </summary>
    public static JsonSerializerOptions Options(JsonSerializerContext context) =>
        new(context.Options) { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
}
