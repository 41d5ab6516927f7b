using System.Text.Json;
using System.Text.Json.Serialization;

namespace LivepatchAgent.Core.Agent;

[JsonSourceGenerationOptions(GenerationMode = JsonSourceGenerationMode.Metadata, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, RespectNullableAnnotations = true, RespectRequiredConstructorParameters = true, MaxDepth = 24)]
[JsonSerializable(typeof(AgentState))]
[JsonSerializable(typeof(StateVersion))]
internal sealed partial class StateJsonContext : JsonSerializerContext;

internal sealed record StateVersion(int Version);

/// <summary>The state file's text.</summary>
public static class StateJson
{
    public static byte[] Write(AgentState state) => JsonSerializer.SerializeToUtf8Bytes(state, StateJsonContext.Default.AgentState);

    /// <summary>The state, or why this is none. A verified module cannot come from a file: that phase goes back a step.</summary>
    public static Result<AgentState> Read(ReadOnlySpan<byte> text, string file)
    {
        try
        {
            if (JsonSerializer.Deserialize(text, StateJsonContext.Default.StateVersion) is { Version: > AgentState.CurrentVersion } newer)
                return new Problem(ProblemCode.StateNewer, $"cannot use {file}: a newer agent wrote it (version {newer.Version}, this one knows {AgentState.CurrentVersion})", "install that version again, or move the file away and enrol anew");
            if (JsonSerializer.Deserialize(text, StateJsonContext.Default.AgentState) is { Version: AgentState.CurrentVersion } state)
            {
                if (!IsWhole(state)) return Invalid(file, "it is damaged");
                return state.Phase is Phase.Verified or Phase.Cleared ? state with { Phase = new Phase.Downloaded(state.Phase.Target!) } : state;
            }

            return Invalid(file, "it has no version");
        }
        catch (Exception e) when (e is JsonException or NotSupportedException)
        {
            return Invalid(file, text.IsEmpty ? "it is empty" : "it is damaged");
        }
    }

    /// <summary>JSON can have a null in any list, and no phase at all.</summary>
    private static bool IsWhole(AgentState state) => state.Phase is not null && !state.Quarantine.Contains(null!) && !state.Leftovers.Contains(null!)
        && !state.Outcomes.Contains(null!) && !state.Floors.Values.Any(f => f is null || f.Ran.Contains(null!)) && !state.PendingWithdrawals.Contains(null!) && !state.LeftoverPatches.Contains(null!) && !state.History.Pending.Contains(null!);

    private static Problem Invalid(string file, string why) =>
        new(ProblemCode.StateInvalid, $"cannot use {file}: {why}", "the kernel keeps what it runs; it was moved aside, and if the host shows as not enrolled run `livepatch-agent enable TOKEN`");
}
