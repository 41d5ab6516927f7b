using System.Text;
using System.Text.Json;
using LivepatchAgent.Core.Agent;
using LivepatchAgent.Core.History;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Core.Tests.Agent;

public class StateJsonTests
{
    private static readonly PatchRef One = Given.Patch(1);
    private static readonly PatchRef Two = Given.Patch(2);

    public static TheoryData<string> PhaseNames() => [.. typeof(Phase).GetNestedTypes().Select(t => t.Name)];

    [Theory]
    [MemberData(nameof(PhaseNames))]
    public void Read_OfWhatWasWritten_IsTheSame(string phase)
    {
        var state = new AgentState
        {
            Phase = Example(phase),
            Enrolment = Given.Enrolment,
            Assignment = new AssignmentRef("t", null, false, 900),
            Talk = new TalkState { Told = new MachineReport { State = PatchState.Applied } },
            Running = new RunningPatch(One, "b", Given.Now, null),
            Quarantine = [new Quarantined(Two.Manifest, "2", "why", Given.Now)],
            Outcomes = [new Happening("id", Given.Now, HappeningKind.Loaded, One.Manifest, null)],
            Floors = new Dictionary<string, Floor> { [Given.Release] = new(3, 2) },
        };
        var text = StateJson.Write(state);
        var back = StateJson.Read(text, "journal.json");
        Assert.Null(back.Problem);
        if (phase is nameof(Phase.Verified) or nameof(Phase.Cleared))
            Assert.IsType<Phase.Downloaded>(back.Value.Phase); // only Trust can say "verified"
        else
            Assert.Equal(Encoding.UTF8.GetString(text), Encoding.UTF8.GetString(StateJson.Write(back.Value)));
    }

    /// <summary>What an agent of before has not written has its value of before, not null or nothing.</summary>
    [Fact]
    public void Read_OfAStateWithoutTheFieldsOfLater_HasTheirDefaults()
    {
        var state = new AgentState { Phase = new Phase.Loading(One, "b"), Enrolment = Given.Enrolment };
        var old = System.Text.Json.Nodes.JsonNode.Parse(StateJson.Write(state))!;
        foreach (var field in new[] { "history", "signedTime" }) Assert.True(old.AsObject().Remove(field), field);
        Assert.True(old["enrolment"]!.AsObject().Remove("threshold") && old["enrolment"]!.AsObject().Remove("pinsVersion"));
        var read = StateJson.Read(Encoding.UTF8.GetBytes(old.ToJsonString()), "f").Value;
        Assert.Equal((0, HistoryMark.Origin, 1, 0), (read.History.Count, read.History.Hash, read.Enrolment!.Threshold, read.Enrolment.PinsVersion));
        Assert.Empty(read.History.Pending);
        Assert.Equal(Retry.Now, read.Talk.PinsRetry);
        Assert.Equal(Encoding.UTF8.GetString(StateJson.Write(state)), Encoding.UTF8.GetString(StateJson.Write(read)));
        old = System.Text.Json.Nodes.JsonNode.Parse(StateJson.Write(state))!;
        foreach (var field in new[] { "pinsRetry", "pinsOffered" }) Assert.True(old["talk"]!.AsObject().Remove(field), field);
        foreach (var field in new[] { "hash", "pending", "missed" }) Assert.True(old["history"]!.AsObject().Remove(field), field);
        Assert.Equal(Encoding.UTF8.GetString(StateJson.Write(state)), Encoding.UTF8.GetString(StateJson.Write(StateJson.Read(Encoding.UTF8.GetBytes(old.ToJsonString()), "f").Value)));
    }

    /// <summary>Names of modules without their patches, a floor without those it is made of, a withdrawal without its patch, a time without its uptime.</summary>
    [Fact]
    public void Read_OfAStateOfBeforeTheHistoryNamedWhatWentOut_IsUsedAsItIs()
    {
        var state = new AgentState
        {
            Phase = new Phase.Transitioning(Two, Given.Boot, Given.Now, false, TimeSpan.FromHours(1)),
            Enrolment = Given.Enrolment,
            Running = new RunningPatch(One, Given.Boot, Given.Now, null, TimeSpan.FromMinutes(1)),
            Leftovers = [One.Name],
            LeftoverPatches = [Chronicle.Of(One)],
            Floors = new Dictionary<string, Floor> { [Given.Release] = new Floor(3, 0).With(Two) },
            PendingWithdrawals = [new PendingWithdrawal(new string('d', 64), One.Manifest)],
            WantedBy = new HistoryBy(1000, 1, "sh"),
            AskedBy = new HistoryBy(Server: "https://s"),
        };
        Assert.Equal(Encoding.UTF8.GetString(StateJson.Write(state)), Encoding.UTF8.GetString(StateJson.Write(StateJson.Read(StateJson.Write(state), "f").Value)));
        var old = System.Text.Json.Nodes.JsonNode.Parse(StateJson.Write(state))!.AsObject();
        foreach (var field in new[] { "leftoverPatches", "pendingWithdrawals", "wantedBy", "askedBy" }) Assert.True(old.Remove(field), field);
        old["pendingWithdrawal"] = new string('d', 64);
        old["floors"]![Given.Release] = System.Text.Json.Nodes.JsonNode.Parse("""{"catalogue":3,"patch":2}""");
        Assert.True(old["phase"]!.AsObject().Remove("uptime") && old["running"]!.AsObject().Remove("uptime") && old["talk"]!.AsObject().Remove("withdrawalRetry"));
        var read = StateJson.Read(Encoding.UTF8.GetBytes(old.ToJsonString()), "f").Value;
        Assert.Equal([One.Name], read.Leftovers);
        Assert.Equal((2, Retry.Now), (read.FloorFor(Given.Release).Lowest, read.Talk.WithdrawalRetry));
        Assert.Empty(read.LeftoverPatches);
        Assert.Null(read.Running!.Uptime);
        Assert.NotNull(Decider.Next(read, Given.Host((Two.Name, PatchSighting.Switching, "a2")), Given.Policy, Given.Now));
    }

    /// <summary>A token of a server of before pins with a threshold of 1.</summary>
    [Fact]
    public void Token_WithoutAThreshold_HasOne()
    {
        var content = new TokenContent { Server = "https://s", Secret = new string('s', 43), Tls = [], Catalogue = [One.Manifest], Publishers = [One.Manifest] };
        var json = System.Text.Json.Nodes.JsonNode.Parse(JsonSerializer.SerializeToUtf8Bytes(content, WireJson.Default.TokenContent))!;
        Assert.True(json.AsObject().Remove("threshold") && json.AsObject().Remove("pinsVersion"));
        var head = "lpa1." + System.Buffers.Text.Base64Url.EncodeToString(Encoding.UTF8.GetBytes(json.ToJsonString()));
        var check = Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(Encoding.UTF8.GetBytes(head)).AsSpan(0, 4));
        Assert.Equal((1, 0), (EnrolmentToken.Read($"{head}.{check}").Value.Threshold, EnrolmentToken.Read($"{head}.{check}").Value.PinsVersion));
        foreach (var wrong in new[] { content with { Threshold = 2 }, content with { Threshold = -1 }, content with { PinsVersion = -1 } })
            Assert.Equal(ProblemCode.TokenMalformed, EnrolmentToken.Read(EnrolmentToken.Write(wrong)).Problem?.Code);
    }

    [Fact]
    public void Read_OfAFreshState_IsTheSame() => Assert.Null(StateJson.Read(StateJson.Write(new AgentState()), "f").Problem);

    [Theory]
    [InlineData("", "empty")]
    [InlineData("garbage", "damaged")]
    [InlineData("{}", "damaged")]
    [InlineData("null", "no version")]
    [InlineData("{\"version\":1,\"phase\":{\"kind\":\"no-such\"}}", "damaged")]
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
        var whole = System.Text.Json.Nodes.JsonNode.Parse(StateJson.Write(new AgentState
        {
            Phase = new Phase.Downloaded(One),
            Enrolment = Given.Enrolment,
            Running = new RunningPatch(One, "b", Given.Now, null),
            Outcomes = [new Happening("id", Given.Now, HappeningKind.Loaded, One.Manifest, null)],
        }))!.AsObject();
        foreach (var name in whole.Select(p => p.Key).ToList())
        {
            var lacking = whole.DeepClone().AsObject();
            lacking.Remove(name);
            var read = StateJson.Read(Encoding.UTF8.GetBytes(lacking.ToJsonString()), "f");
            if (name is "version" or "phase") Assert.Equal(ProblemCode.StateInvalid, read.Problem?.Code);
            else Assert.NotEmpty(StateJson.Write(read.Value));
            if (whole[name] is not System.Text.Json.Nodes.JsonObject part) continue;
            foreach (var inner in part.Select(p => p.Key))
            {
                lacking = whole.DeepClone().AsObject();
                lacking[name]!.AsObject().Remove(inner);
                if (StateJson.Read(Encoding.UTF8.GetBytes(lacking.ToJsonString()), "f").TryGet(out var state, out _)) Assert.NotEmpty(StateJson.Write(state));
            }
        }
    }

    /// <summary>What an agent or a server of before thresholds wrote: one publisher is enough, none never is.</summary>
    [Fact]
    public void Read_OfAnEnrolmentAndATokenOfBeforeThresholds_WantsOnePublisher()
    {
        var state = System.Text.Json.Nodes.JsonNode.Parse(StateJson.Write(new AgentState
        {
            Enrolment = new Enrolment { Server = "https://s", MachineId = "m", Credential = "c", TlsPins = [], CatalogueCertificates = [], PublisherCertificates = [], Since = Given.Now },
        }))!.AsObject();
        state["enrolment"]!.AsObject().Remove("threshold");
        Assert.Equal(1, StateJson.Read(Encoding.UTF8.GetBytes(state.ToJsonString()), "f").Value.Enrolment!.Threshold);

        var pin = new string('a', 64);
        var head = "lpa1." + System.Buffers.Text.Base64Url.EncodeToString(Encoding.UTF8.GetBytes($$"""{"server":"https://s","secret":"0123456789abcdef","tls":[],"catalogue":["{{pin}}"],"publishers":["{{pin}}"]}"""));
        var check = Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(Encoding.UTF8.GetBytes(head)).AsSpan(0, 4));
        Assert.Equal(1, Core.Wire.EnrolmentToken.Read($"{head}.{check}").Value.Threshold);
    }

    [Theory]
    [InlineData("outcomes", "[null]")]
    [InlineData("quarantine", "[null]")]
    [InlineData("leftovers", "[null]")]
    [InlineData("floors", "{\"6.12\":null}")]
    [InlineData("history", "{\"pending\":[null]}")]
    public void Read_OfANullWhereNoneBelongs_IsAProblem(string name, string value)
    {
        var state = System.Text.Json.Nodes.JsonNode.Parse(StateJson.Write(new AgentState()))!.AsObject();
        state[name] = System.Text.Json.Nodes.JsonNode.Parse(value);
        Assert.Equal(ProblemCode.StateInvalid, StateJson.Read(Encoding.UTF8.GetBytes(state.ToJsonString()), "f").Problem?.Code);
    }

    [Fact]
    public void Read_OfANewerVersion_SaysWhichAgentIsNeeded() =>
        Assert.Equal(ProblemCode.StateNewer, StateJson.Read("{\"version\":2,\"whatever\":true}"u8, "f").Problem!.Code);

    [Fact]
    public void Read_OfEveryTruncation_IsAProblemAndNoException()
    {
        var text = StateJson.Write(new AgentState { Phase = new Phase.Loading(One, "b"), Enrolment = Given.Enrolment });
        for (var length = 0; length < text.Length; length++) Assert.NotNull(StateJson.Read(text.AsSpan(0, length), "f").Problem);
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
            nameof(Phase.Listed) => new Phase.Listed(One.Manifest, new Retry(2, Given.Now, new Problem(ProblemCode.DiskFull, "cannot", "cure"))),
            nameof(Phase.Downloading) => new Phase.Downloading(Two, Retry.Now),
            nameof(Phase.Downloaded) => new Phase.Downloaded(Two),
            nameof(Phase.Verified) => new Phase.Verified(Two, null),
            nameof(Phase.Cleared) => new Phase.Cleared(Two, null),
            nameof(Phase.Loading) => new Phase.Loading(Two, "b"),
            nameof(Phase.Transitioning) => new Phase.Transitioning(Two, "b", Given.Now, true),
            nameof(Phase.Refused) => new Phase.Refused(Two.Manifest, null, new Problem(ProblemCode.ModuleUnsigned, "cannot", "cure")),
            _ => throw new JsonException(name),
        };
    }
}
