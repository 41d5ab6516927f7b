using System.Globalization;
using System.Text.Json;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Cli.Local;

/// <summary>
/// Bytes → status, field by field: to set up JsonSerializer for these records takes longer than the rest of `status`.
/// During an upgrade the daemon may be newer than this program: fields it added are ignored, and a
/// word it added to an enum is set aside and shown, rather than making the whole status unreadable.
/// A test compares this with what WireJson writes.
/// </summary>
internal static class StatusReader
{
    private const string Cure = "restart the daemon with `sudo systemctl restart livepatch-agentd`";

    private static readonly JsonDocumentOptions Bounds = new() { MaxDepth = 16 };

    public static Result<StatusReading> Read(ReadOnlyMemory<byte> json)
    {
        try
        {
            using var document = JsonDocument.Parse(json, Bounds);
            return Reading(document.RootElement);
        }
        // The last: half a surrogate pair in a string; the one before: a number that fits no field.
        catch (Exception e)
            when (e is JsonException or KeyNotFoundException or FormatException or InvalidOperationException)
        {
            var why = e.Message.ReplaceLineEndings(" ");
            return new Problem(ProblemCode.StateInvalid, $"cannot read the status: {why}", Cure);
        }
    }

    private static StatusReading Reading(JsonElement root)
    {
        var (kernel, checkIn) = (Field(root, "kernel"), Field(root, "checkIn"));
        var state = WireWords.State(Text(root, "state"));
        var coverage = WireWords.Coverage(Text(kernel, "coverage"));
        var result = WireWords.CheckIn(Text(checkIn, "result"));
        var activity = Optional(root, "activity");
        var doing = activity is { } a ? WireWords.Activity(Text(a, "kind")) : null;
        var status = new AgentStatus
        {
            Schema = Text(root, "schema"),
            Revision = Field(root, "revision").GetInt64(),
            At = Field(root, "at").GetDateTimeOffset(),
            AgentVersion = Text(root, "agentVersion"),
            Settled = Field(root, "settled").GetBoolean(),
            Kernel = Kernel(kernel, coverage ?? CoverageState.Unknown),
            Enrolment = Optional(root, "enrolment") is { } e ? Enrolment(e) : null,
            CheckIn = CheckIn(checkIn, result ?? CheckInResult.Never),
            State = state ?? PatchState.NeedsCheck,
            Activity = doing is { } kind ? Activity(activity!.Value, kind) : null,
            Patch = Optional(root, "patch") is { } p ? Patch(p) : null,
            Loaded = List(Field(root, "loaded"), Loaded),
            Problem = Problem(root),
            Hold = Optional(root, "hold") is { } h ? Hold(h) : null,
            Quarantine = Optional(root, "quarantine") is { } q ? List(q, Quarantined) : [],
        };
        return new StatusReading(status, new UnknownWords(
            State: state is null ? Text(root, "state") : null,
            Coverage: coverage is null ? Text(kernel, "coverage") : null,
            CheckIn: result is null ? Text(checkIn, "result") : null,
            Activity: doing is null && activity is { } unknown ? Text(unknown, "kind") : null));
    }

    private static EnrolmentStatus Enrolment(JsonElement from) =>
        new(Text(from, "server"), Text(from, "machineId"), Field(from, "since").GetDateTimeOffset());

    private static KernelStatus Kernel(JsonElement from, CoverageState coverage) => new()
    {
        Release = Text(from, "release"),
        Architecture = Text(from, "architecture"),
        LivepatchSupported = Field(from, "livepatchSupported").GetBoolean(),
        Lockdown = OptionalText(from, "lockdown"),
        Taint = Field(from, "taint").GetInt64(),
        TaintFlags = Text(from, "taintFlags"),
        Coverage = coverage,
        CoveredUntil = OptionalText(from, "coveredUntil") is { } day ? Day(day) : null,
    };

    private static DateOnly Day(string text) => DateOnly.ParseExact(text, "yyyy-MM-dd", CultureInfo.InvariantCulture);

    private static CheckInStatus CheckIn(JsonElement from, CheckInResult result) => new()
    {
        Result = result,
        LastAttempt = OptionalTime(from, "lastAttempt"),
        LastSuccess = OptionalTime(from, "lastSuccess"),
        Next = OptionalTime(from, "next"),
        Listening = Optional(from, "listening") is { } listening && listening.GetBoolean(),
        CatalogueExpires = OptionalTime(from, "catalogueExpires"),
        Problem = Problem(from),
    };

    private static ActivityStatus Activity(JsonElement from, ActivityKind kind) => new()
    {
        Kind = kind,
        Since = Field(from, "since").GetDateTimeOffset(),
        Bytes = Optional(from, "bytes")?.GetInt64(),
        TotalBytes = Optional(from, "totalBytes")?.GetInt64(),
        Tasks = Optional(from, "tasks") is { } tasks ? List(tasks, Task) : null,
        TaskCount = Optional(from, "taskCount")?.GetInt32(),
    };

    private static BlockingTask Task(JsonElement from) => new(
        Field(from, "tid").GetInt32(),
        Field(from, "pid").GetInt32(),
        Text(from, "comm"),
        OptionalText(from, "unit"),
        List(Field(from, "stack"), Text));

    private static PatchStatus Patch(JsonElement from) => new()
    {
        Name = Text(from, "name"),
        Version = Text(from, "version"),
        Notice = Text(from, "notice"),
        Fixes = List(Field(from, "fixes"), Text),
        ManifestDigest = Text(from, "manifest"),
        Sequence = Field(from, "sequence").GetInt64(),
        AppliedAt = OptionalTime(from, "appliedAt"),
        Withdrawn = OptionalText(from, "withdrawn"),
    };

    private static HoldStatus Hold(JsonElement from) => new()
    {
        Since = Field(from, "since").GetDateTimeOffset(),
        By = Optional(from, "by") is { } by ? Asker(by) : null,
        Available = Optional(from, "available") is { } p ? Patch(p) : null,
    };

    private static QuarantinedPatch Quarantined(JsonElement from) => new()
    {
        Name = OptionalText(from, "name"),
        Version = Text(from, "version"),
        ManifestDigest = Text(from, "manifest"),
        Reason = Text(from, "reason"),
        At = Field(from, "at").GetDateTimeOffset(),
    };

    private static HoldAsker Asker(JsonElement from) => new()
    {
        Uid = Optional(from, "uid")?.GetUInt32(),
        Program = OptionalText(from, "program"),
    };

    private static LoadedPatch Loaded(JsonElement from) => new(
        Text(from, "name"),
        Field(from, "enabled").GetBoolean(),
        Field(from, "transition").GetBoolean(),
        Optional(from, "replace")?.GetBoolean(),
        List(Field(from, "functions"), Function));

    private static PatchedFunction Function(JsonElement from) =>
        new(Text(from, "object"), Text(from, "name"), Optional(from, "position")?.GetInt64() ?? 0);

    private static Problem? Problem(JsonElement parent)
    {
        if (Optional(parent, "problem") is not { } from) return null;
        return new Problem(Code(Text(from, "code")), Text(from, "message"), Text(from, "cure"));
    }

    /// <summary>A code that is new is still a problem; its message says which.</summary>
    private static ProblemCode Code(string word)
    {
        var name = word.Replace("-", "", StringComparison.Ordinal);
        return Enum.TryParse<ProblemCode>(name, ignoreCase: true, out var code) ? code : ProblemCode.InternalError;
    }

    private static List<T> List<T>(JsonElement from, Func<JsonElement, T> read)
    {
        var list = new List<T>(from.GetArrayLength());
        foreach (var item in from.EnumerateArray()) list.Add(read(item));
        return list;
    }

    private static JsonElement Field(JsonElement from, string name) =>
        from.TryGetProperty(name, out var value) ? value : throw new KeyNotFoundException($"it has no \"{name}\"");

    private static JsonElement? Optional(JsonElement from, string name) =>
        from.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null ? value : null;

    private static string Text(JsonElement value) => value.GetString() ?? throw new FormatException("a text is null");

    private static string Text(JsonElement from, string name) => Text(Field(from, name));

    private static string? OptionalText(JsonElement from, string name) => Optional(from, name)?.GetString();

    private static DateTimeOffset? OptionalTime(JsonElement from, string name) =>
        Optional(from, name)?.GetDateTimeOffset();
}
