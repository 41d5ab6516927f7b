using System.Text.Json;
using System.Text.Json.Serialization;
using LivepatchAgent.Server.Model;

namespace LivepatchAgent.Server.Commands;

/// <summary>Lists for scripts.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    WriteIndented = true)]
[JsonSerializable(typeof(IReadOnlyList<MachineRow>))]
[JsonSerializable(typeof(IReadOnlyList<PatchRow>))]
[JsonSerializable(typeof(IReadOnlyList<TokenRow>))]
internal sealed partial class ListJson : JsonSerializerContext;
