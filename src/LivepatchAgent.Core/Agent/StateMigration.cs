using System.Text.Json.Nodes;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Core.Agent;

/// <summary>Journals of older versions, brought to the present one member by member.</summary>
internal static class StateMigration
{
    /// <summary>Version 1 had all members in one level; version 2 has four parts. Where each member went.</summary>
    private static readonly (string Old, string[] New)[] Members =
    [
        ("enrolment", ["conversation", "enrolment"]),
        ("assignment", ["conversation", "assignment"]),
        ("askedBy", ["conversation", "askedBy"]),
        ("outcomes", ["conversation", "outcomes"]),
        ("pendingWithdrawals", ["conversation", "withdrawals", "pending"]),
        ("phase", ["pursuit", "phase"]),
        ("wantedBy", ["pursuit", "wantedBy"]),
        ("loadAttempts", ["pursuit", "loadAttempts"]),
        ("busyAnswers", ["pursuit", "busyAnswers"]),
        ("untidy", ["pursuit", "untidy"]),
        ("running", ["kernel", "running"]),
        ("leftovers", ["kernel", "leftovers"]),
        ("leftoverPatches", ["kernel", "leftoverPatches"]),
        ("stoppedCleanly", ["kernel", "stoppedCleanly"]),
        ("lastGood", ["record", "lastGood"]),
        ("quarantine", ["record", "quarantine"]),
        ("floors", ["record", "floors"]),
        ("signedTime", ["record", "signedTime"]),
        ("history", ["history"]),
    ];

    /// <summary>The same for the members of "talk".</summary>
    private static readonly (string Old, string[] New)[] Talk =
    [
        ("lastAttempt", ["conversation", "checkIn", "lastAttempt"]),
        ("lastSuccess", ["conversation", "checkIn", "lastSuccess"]),
        ("failures", ["conversation", "checkIn", "failures"]),
        ("problem", ["conversation", "checkIn", "problem"]),
        ("next", ["conversation", "checkIn", "next"]),
        ("told", ["conversation", "checkIn", "lastReport"]),
        ("newsNotBefore", ["conversation", "checkIn", "newsNotBefore"]),
        ("reassigned", ["conversation", "checkIn", "reassignments"]),
        ("heldSince", ["conversation", "heldCall", "since"]),
        ("shortHolds", ["conversation", "heldCall", "shortCalls"]),
        ("holdNotBefore", ["conversation", "heldCall", "notBefore"]),
        ("pinsOffered", ["conversation", "pins", "newest"]),
        ("pinsRetry", ["conversation", "pins", "retry"]),
        ("withdrawalRetry", ["conversation", "withdrawals", "retry"]),
        ("catalogueAt", ["conversation", "catalogue", "verifiedAt"]),
        ("catalogueExpires", ["conversation", "catalogue", "expires"]),
    ];

    public static JsonObject FromVersion1(JsonObject old)
    {
        var state = new JsonObject { ["version"] = 2 };
        // Parts that version 1 always had, though one of them may have had nothing in it.
        foreach (var part in new[] { "conversation", "pursuit", "kernel", "record" }) state[part] = new JsonObject();
        Move(old, Members, state);
        if (old["talk"] is JsonObject talk) Move(talk, Talk, state);
        Rename(state["pursuit"]?["phase"], "stallTold", "stallReported");
        Rename(state["kernel"]?["running"], "withdrawn", "withdrawalReason");
        Rename(state["kernel"]?["running"], "stood", "survivedProbation");
        Strikes(old, state);
        Refusal(state["pursuit"]?["phase"]);
        Refusal(state["pursuit"]?["phase"]?["before"]);
        if (state["record"]?["floors"] is JsonObject floors)
        {
            foreach (var (_, floor) in floors) Rename(floor, "ran", "patches");
        }

        return state;
    }

    /// <summary>Version 1 counted crashes of the last good patch without naming it.</summary>
    private static void Strikes(JsonObject old, JsonObject state)
    {
        if (old["crashes"] is not JsonValue value || !value.TryGetValue(out int count) || count <= 0) return;
        if (state["record"]?["lastGood"]?["manifest"]?.DeepClone() is not { } manifest) return;
        Part(state, "kernel")["strikes"] = new JsonObject { ["manifest"] = manifest, ["count"] = count };
    }

    /// <summary>
    /// Version 1 knew neither who refused nor in which boot: the code says who, and no boot has an empty id, so that
    /// what another boot can mend is tried once more.
    /// </summary>
    private static void Refusal(JsonNode? phase)
    {
        if (phase is not JsonObject refused || refused["problem"]?["code"] is not JsonValue value) return;
        // A refusal that stands while the catalogue is looked at has no kind of its own.
        if (refused["kind"] is JsonValue kind && kind.ToString() != "refused") return;
        var origin = value.TryGetValue(out string? word) && Kebab.TryRead<ProblemCode>(word, out var code)
            ? RefusalOrigins.OfVersion1(code)
            : RefusalOrigin.Host;
        refused["origin"] = Kebab.Of(origin);
        refused["bootId"] = "";
    }

    private static void Move(JsonObject from, (string Old, string[] New)[] members, JsonObject to)
    {
        foreach (var (old, path) in members)
        {
            if (!from.Remove(old, out var value)) continue;
            var place = to;
            foreach (var part in path[..^1]) place = Part(place, part);
            place[path[^1]] = value;
        }
    }

    private static JsonObject Part(JsonObject parent, string name)
    {
        if (parent[name] is JsonObject part) return part;
        var made = new JsonObject();
        parent[name] = made;
        return made;
    }

    private static void Rename(JsonNode? node, string old, string name)
    {
        if (node is JsonObject members && members.Remove(old, out var value)) members[name] = value;
    }
}
