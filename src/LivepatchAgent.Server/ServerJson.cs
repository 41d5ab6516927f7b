using System.Text.Json;
using System.Text.Json.Serialization;
using LivepatchAgent.Server.Storage;

namespace LivepatchAgent.Server;

/// <summary>JSON that stays on the server: lists for people's scripts, and columns.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    WriteIndented = true)]
[JsonSerializable(typeof(IReadOnlyList<string>))]
[JsonSerializable(typeof(IReadOnlyList<MachineRow>))]
[JsonSerializable(typeof(IReadOnlyList<PatchRow>))]
[JsonSerializable(typeof(IReadOnlyList<TokenRow>))]
internal sealed partial class ServerJson : JsonSerializerContext;
