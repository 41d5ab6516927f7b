using System.Text.Json;
using System.Text.Json.Serialization;

namespace LivepatchAgent.Core.Modules;

/// <summary><c>inspect --format json</c>.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true)]
[JsonSerializable(typeof(ModuleFacts))]
public sealed partial class ModuleJson : JsonSerializerContext
{
    /// <summary>For a terminal or a file, not for HTML: a + stays a +.</summary>
    public static ModuleJson Readable => new(new JsonSerializerOptions(Default.Options!) { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping });
}
