using System.Text;
using System.Text.Json;
using LivepatchAgent.Cli.Local;
using LivepatchAgent.Cli.Views;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Cli.Tests;

/// <summary>The reader that is written by hand is held to the contract that WireJson writes.</summary>
public sealed class StatusReaderTests
{
    public static TheoryData<string> Names => new(Samples.All.Keys);

    private static readonly AgentStatus Full = Samples.Applied with
    {
        Activity = new ActivityStatus
        {
            Kind = ActivityKind.WaitingForTasks,
            Since = Samples.Now,
            Bytes = 1,
            TotalBytes = 2,
            Tasks = [new(1, 2, "c", "u", ["f", "g"]), new(3, 4, "d", null, [])],
            TaskCount = 9,
        },
        CheckIn = new CheckInStatus
        {
            Result = CheckInResult.Failed,
            LastAttempt = Samples.Now,
            LastSuccess = Samples.Now,
            Next = Samples.Now,
            Listening = true,
            CatalogueExpires = Samples.Now,
            Problem = new(ProblemCode.ClockWrong, "m", "c"),
        },
        Patch = Samples.Patch with { Withdrawn = "w" },
        Loaded = [Samples.Loaded, Samples.Loaded with { Replace = null, Functions = [] }],
        Problem = new(ProblemCode.KernelBusy, "m", "c"),
        Quarantine = [.. Samples.Quarantine],
        Hold = new HoldStatus
        {
            Since = Samples.Now, By = new HoldAsker { Uid = uint.MaxValue, Program = "p" }, Available = Samples.Patch,
        },
    };

    [Theory, MemberData(nameof(Names))]
    public void Read_OfWhatWireJsonWrote_IsTheSameStatus(string name) => Same(Samples.All[name].Status);

    [Fact]
    public void Read_OfEveryField_IsTheSameStatus()
    {
        Same(Full);
        var json = JsonSerializer.SerializeToNode(Full, WireJson.Default.AgentStatus)!.AsObject();
        var names = typeof(AgentStatus).GetProperties().Select(p => JsonNamingPolicy.CamelCase.ConvertName(p.Name));
        Assert.All(names, name => Assert.True(json.ContainsKey(name), $"the sample leaves {name} out"));
    }

    /// <summary>A status or its head with any change, as in a torn file or from a daemon of another version.</summary>
    [Fact]
    public void Read_OfChangedAnswers_NeverThrows()
    {
        var error = "{\"error\":{\"code\":\"not-found\",\"message\":\"m\",\"cure\":\"c\"}}"u8.ToArray();
        var type = "Content-Type: application/json\r\n"u8;
        byte[] answer = [.. "HTTP/1.1 200 OK\r\n"u8, .. type, .. "Content-Length: 60\r\n\r\n"u8, .. error];
        var chunks = "HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n3c\r\n"u8;
        byte[] chunked = [.. chunks, .. error, .. "\r\n0\r\n\r\n"u8];
        byte[][] seeds = [Json(Full), Json(Samples.Applied), error, answer, chunked];
        var mutator = new Fuzz.Mutator(seeds, seed: 1, maxLength: 8192);
        for (var i = 0; i < 50_000; i++)
        {
            var input = mutator.Next().ToArray();
            if (StatusReader.Read(input).TryGet(out var reading, out _))
                Assert.NotEmpty(StatusView.Render(reading, Samples.Now, Style.Plain));
            _ = ApiError.Read(input);
            var http = new HttpAnswer();
            var length = Math.Min(input.Length, http.Room().Length);
            input.AsSpan(0, length).CopyTo(http.Room());
            if (http.Take(length) is null) Assert.NotNull(http.Take(0));
        }
    }

    [Fact]
    public void Read_OfEveryWord_KnowsIt()
    {
        AssertEvery(WireWords.State);
        AssertEvery(WireWords.Coverage);
        AssertEvery(WireWords.CheckIn);
        AssertEvery(WireWords.Activity);
        Assert.All(Enum.GetValues<ProblemCode>(), code => Same(Full with { Problem = new(code, "m", "c") }));
    }

    [Fact]
    public void Read_WithAnyFieldGoneOrOfAnotherKind_NeverThrows()
    {
        var text = JsonSerializer.Serialize(Full, WireJson.Default.AgentStatus);
        string[] tokens =
        [
            "null", "true", "[]", "{}", "[null]",
            "1", "1.5", "99999999999999999999",
            "\"x\"", "\"\\ud800\"",
        ];
        using var document = JsonDocument.Parse(text);
        foreach (var path in Paths(document.RootElement))
            foreach (var token in tokens)
                _ = StatusReader.Read(Encoding.UTF8.GetBytes($"{text[..path.Start]}{token}{text[path.End..]}"));
    }

    /// <summary>Every word that the wire has, and one that a newer daemon may add.</summary>
    private static void AssertEvery<T>(Func<string, T?> read)
        where T : struct, Enum
    {
        Assert.All(Enum.GetValues<T>(), value => Assert.Equal(value, read(Kebab.Of(value))));
        Assert.Null(read("moon-phase"));
        Assert.Null(read(""));
    }

    private static byte[] Json(AgentStatus status) =>
        JsonSerializer.SerializeToUtf8Bytes(status, WireJson.Default.AgentStatus);

    private static void Same(AgentStatus status)
    {
        Assert.True(StatusReader.Read(Json(status)).TryGet(out var reading, out var problem), problem?.Message);
        Assert.Equal(UnknownWords.None, reading.Unknown);
        // Records compare lists by reference, so their JSON is compared.
        Assert.Equal(Encoding.UTF8.GetString(Json(status)), Encoding.UTF8.GetString(Json(reading.Status)));
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
            foreach (var inner in Children(value)) Walk(inner, start + 1);
        }
    }

    private static IEnumerable<JsonElement> Children(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Object => value.EnumerateObject().Select(property => property.Value),
        JsonValueKind.Array => value.EnumerateArray(),
        _ => [],
    };
}
