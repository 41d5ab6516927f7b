using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using LivepatchAgent.Core.Agent;
using LivepatchAgent.Core.History;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Core.Tests.Agent;

public class StateJsonTests
{
    private static readonly PatchRef One = Given.Patch(1);
    private static readonly PatchRef Two = Given.Patch(2);

    public static TheoryData<string> PhaseNames() =>
        [.. typeof(Phase).GetNestedTypes().Where(t => !t.IsAbstract).Select(t => t.Name)];

    [Theory]
    [MemberData(nameof(PhaseNames))]
    public void Read_OfWhatWasWritten_IsTheSame(string phase)
    {
        var state = new AgentState().With(
            conversation: c => c with
            {
                Enrolment = Given.Enrolment,
                Assignment = new AssignmentRef("t", null, false, 900),
                Outcomes = [new Outcome("id", Given.Now, OutcomeKind.Loaded, One.ManifestDigest, null)],
            },
            checkIn: c => c with { LastReport = new MachineReport { State = PatchState.Applied } },
            pursuit: p => p with { Phase = Example(phase) },
            kernel: k => k with { Running = new RunningPatch(One, "b", Given.Now, null) },
            record: r => r with
            {
                Hold = new Hold(null, Given.Now) { Available = Two },
                Quarantine = [new Quarantined(Two.ManifestDigest, "2", "why", Given.Now)],
                Floors = new Dictionary<string, Floor> { [Given.Release] = new(3, 2) },
            });
        var text = StateJson.Write(state);
        var back = StateJson.Read(text, "journal.json");
        Assert.Null(back.Problem);
        if (phase is nameof(Phase.Verified) or nameof(Phase.Cleared))
            Assert.IsType<Phase.Downloaded>(back.Value.Phase); // only Trust can say "verified"
        else
            Assert.Equal(Encoding.UTF8.GetString(text), Encoding.UTF8.GetString(StateJson.Write(back.Value)));
    }

    /// <summary>What an older agent did not write has its default, not null or nothing.</summary>
    [Theory]
    [InlineData("history")]
    [InlineData("conversation/enrolment/threshold")]
    [InlineData("conversation/enrolment/pinsVersion")]
    [InlineData("conversation/pins")]
    [InlineData("conversation/pins/retry")]
    [InlineData("conversation/withdrawals/pending")]
    [InlineData("conversation/askedBy")]
    [InlineData("history/hash")]
    [InlineData("history/pending")]
    [InlineData("history/missed")]
    [InlineData("kernel/leftoverPatches")]
    [InlineData("pursuit/wantedBy")]
    [InlineData("record/signedTime")]
    [InlineData("record/hold")]
    public void Read_WithoutAMember_HasItsDefault(string path)
    {
        var state = new AgentState
        {
            Conversation = new Conversation { Enrolment = Given.Enrolment },
            Pursuit = new Pursuit(new Phase.Loading(One, "b")),
        };
        var json = Json(state);
        Remove(json, path);
        Assert.Equal(Text(state), Text(Read(json).Value));
    }

    /// <summary>Journals that the first version wrote, in the shape that it had.</summary>
    [Theory]
    [InlineData("transitioning")]
    [InlineData("refused")]
    [InlineData("offered")]
    [InlineData("verified")]
    [InlineData("fresh")]
    public void Read_OfAJournalOfVersion1_LosesNothing(string name)
    {
        var text = File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "Agent/journals/1", name + ".json"));
        var expected = name == "fresh" ? new AgentState() : OfVersion1(name);
        // Its history's mark has a hash that only the file knows.
        var read = StateJson.Read(text, "journal.json").Value;
        Assert.Equal(Text(expected with { History = read.History }), Text(read));
        Assert.Equal(name == "fresh" ? 0 : 1, read.History.Count);
    }

    /// <summary>
    /// Another agent, newer than this one, knows words that this one does not: its journal is not damaged.
    /// </summary>
    [Theory]
    [InlineData("pursuit/phase/kind", "held")]
    [InlineData("conversation/checkIn/problem/code", "brand-new")]
    [InlineData("conversation/outcomes/0/kind", "celebrated")]
    [InlineData("conversation/checkIn/lastReport/state", "glorious")]
    public void Read_OfAnUnknownWord_SaysThatANewerAgentWroteIt(string path, string word)
    {
        var json = Json(OfVersion1("transitioning"));
        var (parent, name) = Parent(json, path);
        parent![name] = word;
        Assert.Equal(ProblemCode.StateNewer, Read(json).Problem?.Code);
    }

    private static AgentState OfVersion1(string name)
    {
        var (three, away) = (Given.Patch(3), Away);
        var floor = new Floor(17, 0).With(One).With(Two);
        Phase phase = name switch
        {
            "refused" => Given.Refused(
                Two.ManifestDigest,
                Two,
                new Problem(ProblemCode.KernelKeyRejected, "cannot load", "enrol the key, then reboot"),
                boot: ""),
            "offered" => new Phase.Offered(
                Two.ManifestDigest, Retry.Now, Given.Refused(One.ManifestDigest, null, away, boot: "")),
            "verified" => new Phase.Downloaded(Two),
            _ => new Phase.Transitioning(Two, "boot-1", Given.Now.AddSeconds(-30), true, TimeSpan.FromHours(1)),
        };
        return new AgentState
        {
            Conversation = new Conversation
            {
                Enrolment = new Enrolment
                {
                    Server = "https://patches.example",
                    MachineId = "m1",
                    Credential = "secret",
                    TlsPins = [new string('0', 64)],
                    CatalogueCertificates = ["AAAA"],
                    PublisherCertificates = ["BBBB", "CCCC"],
                    Threshold = 2,
                    PinsVersion = 3,
                    Since = Given.Now.AddDays(-40),
                },
                Assignment = new AssignmentRef("tag-9", Two.ManifestDigest, true, 900),
                AskedBy = new HistoryBy(0, 18, "livepatch-agent"),
                Outcomes = [new Outcome("stalled-1", Given.Now, OutcomeKind.Stalled, Two.ManifestDigest, away)],
                CheckIn = new CheckInRecord
                {
                    LastAttempt = Given.Now.AddMinutes(-1),
                    LastSuccess = Given.Now.AddMinutes(-9),
                    Failures = 2,
                    Problem = away,
                    Next = Given.Now.AddMinutes(3),
                    LastReport = new MachineReport { State = PatchState.Applying, Taint = 36864 },
                    NewsNotBefore = Given.Now.AddMinutes(-6),
                    Reassignments = 4,
                },
                HeldCall = new HeldCall
                {
                    Since = Given.Now.AddMinutes(-8),
                    ShortCalls = 1,
                    NotBefore = Given.Now.AddMinutes(-7),
                },
                Pins = new PinsRecord { Newest = 5, Retry = new Retry(3, Given.Now.AddMinutes(5), away) },
                Withdrawals = new WithdrawalsRecord
                {
                    Pending = [new PendingWithdrawal(new string('d', 64), One.ManifestDigest)],
                    Retry = new Retry(1, Given.Now.AddMinutes(4), away),
                },
                Catalogue = new CatalogueRecord { VerifiedAt = Given.Now.AddHours(-2), Expires = Given.Now.AddDays(6) },
            },
            Pursuit = new Pursuit(phase)
            {
                WantedBy = new HistoryBy(1000, 17, "livepatch-agent"),
                LoadAttempts = 1,
                BusyAnswers = 3,
                Untidy = true,
            },
            Kernel = new KernelBelief
            {
                Running = new RunningPatch(
                    One, "boot-1", Given.Now.AddHours(-1), "it leaks", TimeSpan.FromMinutes(2), true),
                Leftovers = ["livepatch_0"],
                LeftoverPatches = [new HistoryPatch(
                    new string('9', 64), "livepatch_0", "0.9", new string('8', 64), null)],
                Strikes = new Strikes(One.ManifestDigest, 2),
                StoppedCleanly = false,
            },
            Record = new HostRecord
            {
                LastGood = One,
                Quarantine = [new Quarantined(
                    three.ManifestDigest,
                    "3.0",
                    "the host went down while the patch was in its probation",
                    Given.Now.AddDays(-3))],
                Floors = new Dictionary<string, Floor> { [Given.Release] = floor, ["6.1.0"] = new(3, 2) },
                SignedTime = Given.Now.AddHours(-3),
            },
        };
    }

    private static readonly Problem Away = new(
        ProblemCode.ServerUnreachable,
        "cannot reach patch server https://patches.example: connection refused",
        "check that it runs and that the network lets through; it is tried again");

    private static JsonObject Json(AgentState state) => JsonNode.Parse(StateJson.Write(state))!.AsObject();

    private static string Text(AgentState state) => Encoding.UTF8.GetString(StateJson.Write(state));

    private static Result<AgentState> Read(JsonObject json) =>
        StateJson.Read(Encoding.UTF8.GetBytes(json.ToJsonString()), "f");

    private static void Remove(JsonObject json, string path)
    {
        var (parent, name) = Parent(json, path);
        Assert.True(parent!.Remove(name), path);
    }

    /// <summary>
    /// The object that has the last member of the path, and that member's name; null when it is not there.
    /// </summary>
    private static (JsonObject? Parent, string Name) Parent(JsonObject json, string path)
    {
        var parts = path.Split('/');
        JsonNode? node = json;
        foreach (var part in parts[..^1])
            node = int.TryParse(part, out var index) ? node?.AsArray()[index] : node?[part];
        return node is JsonObject o && o.ContainsKey(parts[^1]) ? (o, parts[^1]) : (null, parts[^1]);
    }

    /// <summary>A token of a server of before pins with a threshold of 1.</summary>
    [Fact]
    public void Token_WithoutAThreshold_HasOne()
    {
        var content = new TokenContent
        {
            Server = "https://s",
            Secret = new string('s', 43),
            Tls = [],
            Catalogue = [One.ManifestDigest],
            Publishers = [One.ManifestDigest],
        };
        var json = JsonNode.Parse(JsonSerializer.SerializeToUtf8Bytes(content, WireJson.Default.TokenContent))!;
        Assert.True(json.AsObject().Remove("threshold") && json.AsObject().Remove("pinsVersion"));
        var head = "lpa1." + System.Buffers.Text.Base64Url.EncodeToString(Encoding.UTF8.GetBytes(json.ToJsonString()));
        var check = Convert.ToHexStringLower(
            System.Security.Cryptography.SHA256.HashData(Encoding.UTF8.GetBytes(head)).AsSpan(0, 4));
        var read = EnrolmentToken.Read($"{head}.{check}").Value;
        Assert.Equal((1, 0), (read.Threshold, read.PinsVersion));
        TokenContent[] malformed =
        [
            content with { Threshold = 2 },
            content with { Threshold = -1 },
            content with { PinsVersion = -1 },
        ];
        foreach (var wrong in malformed)
            Assert.Equal(ProblemCode.TokenMalformed, EnrolmentToken.Read(EnrolmentToken.Write(wrong)).Problem?.Code);
    }

    [Fact]
    public void Read_OfAFreshState_IsTheSame() =>
        Assert.Null(StateJson.Read(StateJson.Write(new AgentState()), "f").Problem);

    [Theory]
    [InlineData("", "empty")]
    [InlineData("garbage", "damaged")]
    [InlineData("{}", "damaged")]
    [InlineData("null", "no version")]
    [InlineData("{\"version\":2}", "damaged")]
    [InlineData("{\"version\":1}", "damaged")]
    public void Read_OfWhatIsNoState_SaysSo(string text, string why)
    {
        var problem = StateJson.Read(Encoding.UTF8.GetBytes(text), "/var/lib/x/journal.json").Problem;
        Assert.Equal(ProblemCode.StateInvalid, problem!.Code);
        Assert.Contains(why, problem.Message, StringComparison.Ordinal);
    }

    /// <summary>An older agent's file lacks what a newer one keeps; a damaged one may lack anything.</summary>
    [Fact]
    public void Read_OfAFileThatLacksAField_TakesItsDefaultOrSaysSo()
    {
        var whole = JsonNode.Parse(
            StateJson.Write(
                new AgentState().With(
                    conversation: c => c with
                    {
                        Enrolment = Given.Enrolment,
                        Outcomes = [new Outcome("id", Given.Now, OutcomeKind.Loaded, One.ManifestDigest, null)],
                    },
                    pursuit: p => p with { Phase = new Phase.Downloaded(One) },
                    kernel: k => k with { Running = new RunningPatch(One, "b", Given.Now, null) })))!.AsObject();
        foreach (var name in whole.Select(p => p.Key).ToList())
        {
            var lacking = whole.DeepClone().AsObject();
            lacking.Remove(name);
            var read = StateJson.Read(Encoding.UTF8.GetBytes(lacking.ToJsonString()), "f");
            if (name is not "history") Assert.Equal(ProblemCode.StateInvalid, read.Problem?.Code);
            else Assert.NotEmpty(StateJson.Write(read.Value));
            if (whole[name] is not JsonObject part) continue;
            foreach (var inner in part.Select(p => p.Key))
            {
                lacking = whole.DeepClone().AsObject();
                lacking[name]!.AsObject().Remove(inner);
                if (StateJson.Read(Encoding.UTF8.GetBytes(lacking.ToJsonString()), "f").TryGet(out var state, out _))
                    Assert.NotEmpty(StateJson.Write(state));
            }
        }
    }

    /// <summary>What an agent or a server of before thresholds wrote: one publisher is enough, none never is.</summary>
    [Fact]
    public void Read_OfAnEnrolmentAndATokenOfBeforeThresholds_WantsOnePublisher()
    {
        var state = JsonNode.Parse(
            StateJson.Write(
                new AgentState().With(
                    conversation: c => c with
                    {
                        Enrolment = new Enrolment
                        {
                            Server = "https://s",
                            MachineId = "m",
                            Credential = "c",
                            TlsPins = [],
                            CatalogueCertificates = [],
                            PublisherCertificates = [],
                            Since = Given.Now,
                        },
                    })))!.AsObject();
        state["conversation"]!["enrolment"]!.AsObject().Remove("threshold");
        Assert.Equal(1, StateJson.Read(Encoding.UTF8.GetBytes(state.ToJsonString()), "f").Value.Enrolment!.Threshold);

        var pin = new string('a', 64);
        var pins = $"\"tls\":[],\"catalogue\":[\"{pin}\"],\"publishers\":[\"{pin}\"]";
        var content = $$"""{"server":"https://s","secret":"0123456789abcdef",{{pins}}}""";
        var head = "lpa1." + System.Buffers.Text.Base64Url.EncodeToString(Encoding.UTF8.GetBytes(content));
        var check = Convert.ToHexStringLower(
            System.Security.Cryptography.SHA256.HashData(Encoding.UTF8.GetBytes(head)).AsSpan(0, 4));
        Assert.Equal(1, Core.Wire.EnrolmentToken.Read($"{head}.{check}").Value.Threshold);
    }

    [Theory]
    [InlineData("conversation/outcomes", "[null]")]
    [InlineData("record/quarantine", "[null]")]
    [InlineData("kernel/leftovers", "[null]")]
    [InlineData("record/floors", "{\"6.12\":null}")]
    [InlineData("history", "{\"pending\":[null]}")]
    public void Read_OfANullWhereNoneBelongs_IsAProblem(string name, string value)
    {
        var state = Json(new AgentState());
        var (parent, member) = Parent(state, name);
        parent![member] = JsonNode.Parse(value);
        Assert.Equal(ProblemCode.StateInvalid, Read(state).Problem?.Code);
    }

    [Fact]
    public void Read_OfANewerVersion_SaysWhichAgentIsNeeded() =>
        Assert.Equal(ProblemCode.StateNewer, StateJson.Read("{\"version\":3,\"whatever\":true}"u8, "f").Problem!.Code);

    [Fact]
    public void Read_OfEveryTruncation_IsAProblemAndNoException()
    {
        var text = StateJson.Write(
            new AgentState().With(
                conversation: c => c with { Enrolment = Given.Enrolment },
                pursuit: p => p with { Phase = new Phase.Loading(One, "b") }));
        for (var length = 0; length < text.Length; length++) Assert.NotNull(
            StateJson.Read(text.AsSpan(0, length), "f").Problem);
    }

    private static Phase Example(string name)
    {
        var token = new TokenContent { Server = "https://s", Secret = "s", Tls = [], Catalogue = [], Publishers = [] };
        return name switch
        {
            nameof(Phase.NotEnrolled) => new Phase.NotEnrolled(null),
            nameof(Phase.Enrolling) => new Phase.Enrolling(new EnrolmentIntent("e", token, "c"), Retry.Now),
            nameof(Phase.Resting) => new Phase.Resting(),
            nameof(Phase.Offered) => new Phase.Offered(null, Retry.Now),
            nameof(Phase.Listed) => new Phase.Listed(
                One.ManifestDigest, new Retry(2, Given.Now, new Problem(ProblemCode.DiskFull, "cannot", "cure"))),
            nameof(Phase.Downloading) => new Phase.Downloading(Two, Retry.Now),
            nameof(Phase.Downloaded) => new Phase.Downloaded(Two),
            nameof(Phase.Verified) => new Phase.Verified(Two, null),
            nameof(Phase.Cleared) => new Phase.Cleared(Two, null),
            nameof(Phase.Loading) => new Phase.Loading(Two, "b"),
            nameof(Phase.Transitioning) => new Phase.Transitioning(Two, "b", Given.Now, true),
            nameof(Phase.Refused) => Given.Refused(
                Two.ManifestDigest, null, new Problem(ProblemCode.ModuleUnsigned, "cannot", "cure")),
            _ => throw new JsonException(name),
        };
    }
}
