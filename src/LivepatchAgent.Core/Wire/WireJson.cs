using System.Text.Json;
using System.Text.Json.Serialization;

namespace LivepatchAgent.Core.Wire;

/// <summary>
/// JSON of everything that leaves a process. Unknown fields are ignored, missing required ones refused.
/// </summary>
[JsonSourceGenerationOptions(
    GenerationMode = JsonSourceGenerationMode.Metadata,
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = true,
    MaxDepth = 16)]
[JsonSerializable(typeof(PatchManifest))]
[JsonSerializable(typeof(PatchWithdrawal))]
[JsonSerializable(typeof(Catalogue))]
[JsonSerializable(typeof(PinSet))]
[JsonSerializable(typeof(EnrolmentRequest))]
[JsonSerializable(typeof(EnrolmentAnswer))]
[JsonSerializable(typeof(CheckInRequest))]
[JsonSerializable(typeof(Assignment))]
[JsonSerializable(typeof(ErrorAnswer))]
[JsonSerializable(typeof(UntrustedErrorAnswer))]
[JsonSerializable(typeof(AgentStatus))]
[JsonSerializable(typeof(EnableRequest))]
[JsonSerializable(typeof(ReleaseRequest))]
[JsonSerializable(typeof(ChangeAnswer))]
[JsonSerializable(typeof(TokenContent))]
public sealed partial class WireJson : JsonSerializerContext
{
    /// <summary>For JSON that people read and no HTML page holds: + and ` stay what they are.</summary>
    public static WireJson Readable => field ??= new(ReadableJson.Options(Default));
}
