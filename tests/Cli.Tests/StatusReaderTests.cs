using System.Text.Json;
using LivepatchAgent.Cli.Local;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Cli.Tests;

/// <summary>The reader that is written by hand is held to the contract that WireJson writes.</summary>
public sealed class StatusReaderTests
{
    public static TheoryData<string> Names => new(Samples.All.Keys);

    private static readonly AgentStatus Full = Samples.Applied with
    {
        Activity = new ActivityStatus { Kind = ActivityKind.WaitingForTasks, Since = Samples.Now, Bytes = 1, TotalBytes = 2, Tasks = [new(1, 2, "c", "u", ["f", "g"]), new(3, 4, "d", null, [])], TaskCount = 9 },
        CheckIn = new CheckInStatus { Result = CheckInResult.Failed, LastAttempt = Samples.Now, LastSuccess = Samples.Now, Next = Samples.Now, Listening = true, CatalogueExpires = Samples.Now, Problem = new(ProblemCode.ClockWrong, "m", "c") },
        Patch = Samples.Patch with { Withdrawn = "w" },
        Loaded = [Samples.Loaded, Samples.Loaded with { Replace = null, Functions = [] }],
        Problem = new(ProblemCode.KernelBusy, "m", "c"),
    };

    [Theory, MemberData(nameof(Names))]
    public void Read_OfWhatWireJsonWrote_IsTheSameStatus(string name) => Same(Samples.All[name].Status);

    [Fact]
    public void Read_OfEveryField_IsTheSameStatus()
    {
        Same(Full);
        var json = JsonSerializer.SerializeToNode(Full, WireJson.Default.AgentStatus)!.AsObject();
        foreach (var property in typeof(AgentStatus).GetProperties())
            Assert.True(json.ContainsKey(JsonNamingPolicy.CamelCase.ConvertName(property.Name)), $"the sample leaves {property.Name} out");
    }

    /// <summary>A status or its head changed anywhere, as a daemon of another version or a torn file could have it.</summary>
    [Fact]
    public void Read_OfChangedAnswers_NeverThrows()
    {
        var json = JsonSerializer.SerializeToUtf8Bytes(Full, WireJson.Default.AgentStatus);
        var error = "{\"error\":{\"code\":\"not-found\",\"message\":\"m\",\"cure\":\"c\"}}"u8.ToArray();
        byte[] answer = [.. "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 60\r\n\r\n"u8, .. error];
        byte[] chunked = [.. "HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n3c\r\n"u8, .. error, .. "\r\n0\r\n\r\n"u8];
        var mutator = new Fuzz.Mutator([json, JsonSerializer.SerializeToUtf8Bytes(Samples.Applied, WireJson.Default.AgentStatus), error, answer, chunked], seed: 1, maxLength: 8192);
        for (var i = 0; i < 50_000; i++)
        {
            var input = mutator.Next().ToArray();
            if (StatusReader.Read(input).TryGet(out var reading, out _)) Assert.NotEmpty(Views.StatusView.Render(reading, Samples.Now, Style.Plain));
            _ = ApiError.Read(input);
            var http = new HttpAnswer();
            input.AsSpan(0, Math.Min(input.Length, http.Room().Length)).CopyTo(http.Room());
            if (http.Take(Math.Min(input.Length, http.Room().Length)) is null) Assert.NotNull(http.Take(0));
        }
    }

    [Fact]
    public void Read_OfEveryWord_KnowsIt()
    {
        Assert.All(Enum.GetValues<PatchState>(), value => Assert.Equal(value, WireWords.State(Kebab.Of(value))));
        Assert.All(Enum.GetValues<CoverageState>(), value => Assert.Equal(value, WireWords.Coverage(Kebab.Of(value))));
        Assert.All(Enum.GetValues<CheckInResult>(), value => Assert.Equal(value, WireWords.CheckIn(Kebab.Of(value))));
        Assert.All(Enum.GetValues<ActivityKind>(), value => Assert.Equal(value, WireWords.Activity(Kebab.Of(value))));
        Assert.All(Enum.GetValues<ProblemCode>(), code => Same(Full with { Problem = new(code, "m", "c") }));
    }

    [Fact]
    public void Read_WithAnyFieldGoneOrOfAnotherKind_NeverThrows()
    {
        var text = JsonSerializer.Serialize(Full, WireJson.Default.AgentStatus);
        foreach (var token in new[] { "null", "1", "1.5", "99999999999999999999", "true", "\"x\"", "\"\\ud800\"", "[]", "{}", "[null]" })
        {
            using var document = JsonDocument.Parse(text);
            foreach (var path in Paths(document.RootElement))
                _ = StatusReader.Read(System.Text.Encoding.UTF8.GetBytes(text[..path.Start] + token + text[path.End..]));
        }
    }

    private static void Same(AgentStatus status)
    {
        Assert.True(StatusReader.Read(JsonSerializer.SerializeToUtf8Bytes(status, WireJson.Default.AgentStatus)).TryGet(out var reading, out var problem), problem?.Message);
        Assert.Equal(UnknownWords.None, reading.Unknown);
        // Records compare lists by reference: their JSON tells whether all is the same.
        Assert.Equal(JsonSerializer.Serialize(status, WireJson.Default.AgentStatus), JsonSerializer.Serialize(reading.Status, WireJson.Default.AgentStatus));
    }

    /// <summary>Where each value of the (compact) text stands.</summary>
    private static List<(int Start, int End)> Paths(JsonElement element)
    {
        var found = new List<(int, int)>();
        var whole = element.GetRawText();
        Walk(element, 0);
        return found;

        void Walk(JsonElement value, int from)
        {
            var raw = value.GetRawText();
            var start = whole.IndexOf(raw, from, StringComparison.Ordinal);
            found.Add((start, start + raw.Length));
            if (value.ValueKind == JsonValueKind.Object) foreach (var property in value.EnumerateObject()) Walk(property.Value, start + 1);
            if (value.ValueKind == JsonValueKind.Array) foreach (var item in value.EnumerateArray()) Walk(item, start + 1);
        }
    }
}
