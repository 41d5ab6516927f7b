using System.Text.Json.Serialization;

namespace LivepatchAgent.Server.Storage;

/// <summary>Lists that are one column of a row.</summary>
[JsonSerializable(typeof(IReadOnlyList<string>))]
internal sealed partial class ColumnJson : JsonSerializerContext;
