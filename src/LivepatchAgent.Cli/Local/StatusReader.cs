using System.Text.Json;
using System.Text.Json.Nodes;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Cli.Local;

/// <summary>
/// Bytes → status. During an upgrade the daemon may be newer than this program: fields it added are ignored, and a word it
/// added to an enum is set aside and shown, rather than making the whole status unreadable.
/// </summary>
internal static class StatusReader
{
    public static Result<StatusReading> Read(ReadOnlySpan<byte> json)
    {
        try
        {
            var status = JsonSerializer.Deserialize(json, WireJson.Default.AgentStatus);
            return status is null ? Unreadable("it is null") : new StatusReading(status, UnknownWords.None);
        }
        catch (JsonException e)
        {
            return ReadLeniently(json, e);
        }
    }

    private static Result<StatusReading> ReadLeniently(ReadOnlySpan<byte> json, JsonException first)
    {
        try
        {
            if (JsonNode.Parse(json) is not JsonObject root) return Unreadable("it is not an object");
            var unknown = new UnknownWords(
                State: SetAside(root, "state", PatchState.NeedsCheck),
                Coverage: SetAside(root["kernel"], "coverage", CoverageState.Unknown),
                CheckIn: SetAside(root["checkIn"], "result", CheckInResult.Never),
                Activity: SetAside(root["activity"], "kind", ActivityKind.CheckingIn));
            if (unknown.Activity is not null) root.Remove("activity");
            SetAside(root["problem"], "code", ProblemCode.InternalError);
            SetAside(root["checkIn"]?["problem"], "code", ProblemCode.InternalError);
            var status = root.Deserialize(WireJson.Default.AgentStatus);
            return status is null ? Unreadable(first.Message) : new StatusReading(status, unknown);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or ArgumentException) // ArgumentException: a field twice
        {
            return Unreadable(first.Message);
        }
    }

    private static string? SetAside<T>(JsonNode? parent, string field, T instead)
        where T : struct, Enum
    {
        if (parent is not JsonObject holder || holder[field] is not JsonValue value || !value.TryGetValue<string>(out var word)) return null;
        foreach (var known in Enum.GetValues<T>())
            if (Kebab.Of(known) == word) return null;
        holder[field] = Kebab.Of(instead);
        return word;
    }

    private static Problem Unreadable(string why) =>
        new(ProblemCode.StateInvalid, $"cannot read the status: {why}", "restart the daemon with `sudo systemctl restart livepatch-agentd`");
}
