using System.Buffers;
using System.Text;
using System.Text.Json;

namespace LivepatchAgent.Cli.Views;

/// <summary>The wire record for programs.</summary>
internal static class Documents
{
    /// <summary>What the daemon said, byte for byte, ended by a line end.</summary>
    public static string Json(ReadOnlySpan<byte> json)
    {
        var text = Encoding.UTF8.GetString(json);
        return text.EndsWith('\n') ? text : text + "\n";
    }

    public static string Yaml(ReadOnlyMemory<byte> json)
    {
        using var document = JsonDocument.Parse(json);
        return YamlWriter.Write(document.RootElement);
    }

    /// <summary>The part of a status that `patches` shows, its values untouched.</summary>
    public static byte[] Patches(ReadOnlyMemory<byte> status) =>
        Part(status, field => field is "schema" or "revision" or "at" or "patch" or "loaded");

    /// <summary>The part of a status that `quarantine list` shows, its values untouched.</summary>
    public static byte[] Quarantine(ReadOnlyMemory<byte> status) =>
        Part(status, field => field is "schema" or "revision" or "at" or "quarantine");

    private static byte[] Part(ReadOnlyMemory<byte> status, Func<string, bool> isShown)
    {
        using var document = JsonDocument.Parse(status);
        var buffer = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(buffer))
        {
            writer.WriteStartObject();
            foreach (var field in document.RootElement.EnumerateObject())
            {
                if (!isShown(field.Name)) continue;
                writer.WritePropertyName(field.Name);
                writer.WriteRawValue(field.Value.GetRawText(), skipInputValidation: true);
            }
            writer.WriteEndObject();
        }
        return buffer.WrittenSpan.ToArray();
    }
}
