using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace LivepatchAgent.Core.Agent;

[JsonSourceGenerationOptions(
    GenerationMode = JsonSourceGenerationMode.Metadata,
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = true,
    MaxDepth = 24)]
[JsonSerializable(typeof(AgentState))]
[JsonSerializable(typeof(JsonObject))]
[JsonSerializable(typeof(StateVersion))]
internal sealed partial class StateJsonContext : JsonSerializerContext;

internal sealed record StateVersion(int Version);

/// <summary>The state file's text.</summary>
public static class StateJson
{
    public static byte[] Write(AgentState state) =>
        JsonSerializer.SerializeToUtf8Bytes(state, StateJsonContext.Default.AgentState);

    /// <summary>
    /// The state, or why the file is not one. A verified module cannot come from a file: that phase goes back a step.
    /// A whole file with a word that this agent does not know was written by a newer one, and is left alone.
    /// </summary>
    public static Result<AgentState> Read(ReadOnlySpan<byte> text, string file)
    {
        try
        {
            var version = JsonSerializer.Deserialize(text, StateJsonContext.Default.StateVersion)?.Version;
            if (version is > AgentState.CurrentVersion)
                return Newer(file, $"version {version}, this one knows {AgentState.CurrentVersion}");
            if (version is 1) text = FromVersion1(text);
            return ReadPresent(text, file);
        }
        catch (Exception e) when (IsFault(e))
        {
            return Invalid(file, text.IsEmpty ? "it is empty" : "it is damaged");
        }
    }

    private static Result<AgentState> ReadPresent(ReadOnlySpan<byte> text, string file)
    {
        try
        {
            var state = JsonSerializer.Deserialize(text, StateJsonContext.Default.AgentState);
            if (state is not { Version: AgentState.CurrentVersion }) return Invalid(file, "it has no version");
            if (!IsWhole(state)) return Invalid(file, "it is damaged");
            var isVerified = state.Phase is Phase.Verified or Phase.Cleared;
            return isVerified ? state.InPhase(new Phase.Downloaded(state.Phase.Target!)) : state;
        }
        catch (JsonException e) when (IsUnknownWord(text, e))
        {
            return Newer(file, $"this one does not know the value of {e.Path}");
        }
    }

    private static byte[] FromVersion1(ReadOnlySpan<byte> text)
    {
        var old = JsonSerializer.Deserialize(text, StateJsonContext.Default.JsonObject);
        var present = StateMigration.FromVersion1(old ?? throw new JsonException("no object"));
        return JsonSerializer.SerializeToUtf8Bytes(present, StateJsonContext.Default.JsonObject);
    }

    /// <summary>
    /// The text is whole, and the reader stopped right behind a string: it does not know that word. Of a phase's kind
    /// it stops elsewhere, so that one is looked up.
    /// </summary>
    private static bool IsUnknownWord(ReadOnlySpan<byte> text, JsonException e)
    {
        if (Whole(text) is not { } state) return false;
        var position = e.LineNumber == 0 ? e.BytePositionInLine ?? 0 : 0;
        var isBehindAString = position > 0 && position <= text.Length && text[(int)position - 1] == (byte)'"';
        return isBehindAString || HasUnknownPhase(state);
    }

    /// <summary>What the reader of JSON throws at a text; of a member that stands twice an ArgumentException.</summary>
    private static bool IsFault(Exception e) =>
        e is JsonException or NotSupportedException or InvalidOperationException or ArgumentException;

    private static bool HasUnknownPhase(JsonObject state)
    {
        if (Member(Member(state, "pursuit"), "phase") is not JsonObject phase) return false;
        if (Member(phase, "kind") is not JsonValue value || !value.TryGetValue(out string? kind)) return false;
        var known = StateJsonContext.Default.Phase.PolymorphismOptions!.DerivedTypes;
        return !known.Any(t => t.TypeDiscriminator is string name && name == kind);
    }

    private static JsonNode? Member(JsonNode? node, string name) =>
        node is JsonObject members && members.TryGetPropertyValue(name, out var member) ? member : null;

    private static JsonObject? Whole(ReadOnlySpan<byte> text)
    {
        try
        {
            return JsonSerializer.Deserialize(text, StateJsonContext.Default.JsonObject);
        }
        catch (Exception e) when (IsFault(e))
        {
            return null;
        }
    }

    /// <summary>JSON can have a null in any list, and no phase at all.</summary>
    private static bool IsWhole(AgentState state)
    {
        var conversation = state.Conversation;
        return state.Phase is not null
            && !conversation.Outcomes.Contains(null!)
            && !conversation.Withdrawals.Pending.Contains(null!)
            && !state.Kernel.Leftovers.Contains(null!)
            && !state.Kernel.LeftoverPatches.Contains(null!)
            && !state.Record.Quarantine.Contains(null!)
            && !state.Record.Floors.Values.Any(f => f is null || f.Patches.Contains(null!))
            && !state.History.Pending.Contains(null!);
    }

    private static Problem Newer(string file, string why) => new(
        ProblemCode.StateNewer,
        $"cannot use {file}: a newer agent wrote it ({why})",
        "install that version again, or move the file away and enrol again");

    private static Problem Invalid(string file, string why) => new(
        ProblemCode.StateInvalid,
        $"cannot use {file}: {why}",
        "the kernel keeps what it runs; it was moved aside, "
        + "and if the host shows as not enrolled run `livepatch-agent enable TOKEN`");
}
