using LivepatchAgent.Core.Agent;
using LivepatchAgent.Core.History;
using LivepatchAgent.Core.Tests.Agent;
using LivepatchAgent.Core.Trust;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Core.Tests.History;

/// <summary>What the history says of each change of belief.</summary>
public sealed class ChronicleTests
{
    private static readonly PatchRef One = Given.Patch(1);
    private static readonly PatchRef Two = Given.Patch(2) with { Signer = new string('5', 64) };
    private static readonly AgentState Rest = Given.Enrolled(new Phase.Resting(), null);
    private static readonly AgentState Held = Rest.With(record: r => r with { Hold = new Hold(null, Given.Now) });
    private static readonly Problem Unsigned = new(ProblemCode.ModuleUnsigned, "cannot load", "cure");
    private static readonly Problem Away = new(ProblemCode.ServerUnreachable, "cannot reach", "cure");
    private static readonly Problem Expired = new(ProblemCode.CatalogueExpired, "cannot accept", "cure");
    private static readonly TokenContent Token = new()
    {
        Server = "https://s",
        Secret = "hunter2",
        Tls = [],
        Catalogue = [],
        Publishers = [],
    };
    private static readonly HistoryBy Carol = new(1000, 4711, "curl");

    private static readonly PinSet Pins = new()
    {
        Schema = PinSet.SchemaName,
        Version = 1,
        Threshold = 1,
        Publishers = [Convert.ToBase64String(TestKeys.Publisher.RawData)],
        Catalogue = [],
        Tls = [],
    };

    private static readonly Dictionary<string, (
        AgentState Before, AgentState After, Cause Cause, string Kinds)> Table = new()
    {
        ["nothing"] = (Rest, Rest, Did(new Step.Tidy([], [])), ""),
        ["started"] = (Rest, Rest, new Cause.Started("0.1.0", Given.Release), "started"),
        ["stopped"] = (Rest, Rest.With(kernel: k => k with { StoppedCleanly = true }), new Cause.Stopped(), "stopped"),
        ["enable"] = (
            new(),
            At(new(), new Phase.Enrolling(new EnrolmentIntent("e", Token, "c"), Retry.Now)),
            new Cause.Asked(new Command.Enable(new EnrolmentIntent("e", Token, "c")), Carol),
            "enable-asked"),
        ["enrolled"] = (
            At(new(), new Phase.Enrolling(new EnrolmentIntent("e", Token, "c"), Retry.Now)), Rest, Did(), "enrolled"),
        ["enrolling failed"] = (
            At(new(), new Phase.Enrolling(new EnrolmentIntent("e", Token, "c"), Retry.Now)),
            At(new(), new Phase.NotEnrolled(Away)),
            Did(),
            "enrol-failed"),
        ["disable"] = (Rest, new(), new Cause.Asked(new Command.Disable(), Carol), "disabled"),
        ["refresh"] = (Rest, Rest, new Cause.Asked(new Command.Refresh(), Carol), "refresh-asked"),
        ["hold"] = (Rest, Held, new Cause.Asked(new Command.Hold(Carol), Carol), "hold-asked"),
        ["unhold"] = (Held, Rest, new Cause.Asked(new Command.Unhold(), Carol), "unhold-asked"),
        ["released from the quarantine"] = (
            Rest.With(record: r => r with { Quarantine = [Bad(One), Bad(Two)] }),
            Rest.With(record: r => r with { Quarantine = [Bad(One)] }),
            new Cause.Asked(new Command.ReleaseQuarantine("2.0"), Carol),
            "quarantine-released"),
        ["network up"] = (Rest, Rest, new Cause.Asked(new Command.NetworkUp(), null), ""),
        ["offered"] = (
            Rest,
            Rest.With(
                conversation: c => c with { Assignment = new AssignmentRef("t2", Two.ManifestDigest, false, 900) }),
            Did(),
            "offered"),
        ["the same again"] = (
            Rest.With(
                conversation: c => c with { Assignment = new AssignmentRef("t1", Two.ManifestDigest, true, 900) }),
            Rest.With(
                conversation: c => c with { Assignment = new AssignmentRef("t2", Two.ManifestDigest, false, 900) }),
            Did(),
            ""),
        ["an outage"] = (Rest, Rest.With(checkIn: c => c with { Problem = Away, Failures = 1 }), Did(), ""),
        ["another server answers"] = (
            Rest,
            Rest.With(
                checkIn: c => c with
                {
                    Problem = Away with { Code = ProblemCode.ServerCertificateMismatch },
                    Failures = 1,
                }),
            Did(),
            "server-distrusted"),
        ["catalogue expired"] = (
            At(Rest, new Phase.Offered(null, Retry.Now)),
            Rest,
            Did(new Step.FetchCatalogue(0), new StepResult.Failed(Expired, true)),
            "catalogue-refused"),
        ["still expired"] = (
            At(Rest, new Phase.Offered(null, new Retry(1, Given.Now, Expired))),
            Rest,
            Did(new Step.FetchCatalogue(0), new StepResult.Failed(Expired, true)),
            ""),
        ["catalogue not to be had"] = (
            At(Rest, new Phase.Offered(null, Retry.Now)),
            Rest,
            Did(new Step.FetchCatalogue(0), new StepResult.Failed(Away, true)),
            ""),
        ["refused"] = (
            At(Rest, new Phase.Downloaded(Two)),
            At(Rest, Given.Refused(Two.ManifestDigest, Two, Unsigned)),
            Did(),
            "refused"),
        ["looked at again"] = (
            At(Rest, Given.Refused(Two.ManifestDigest, Two, Unsigned)),
            At(
                Rest,
                new Phase.Offered(Two.ManifestDigest, Retry.Now, Given.Refused(Two.ManifestDigest, Two, Unsigned))),
            Did(),
            ""),
        ["still refused"] = (
            At(
                Rest,
                new Phase.Offered(Two.ManifestDigest, Retry.Now, Given.Refused(Two.ManifestDigest, Two, Unsigned))),
            At(Rest, Given.Refused(Two.ManifestDigest, Two, Unsigned)),
            Did(),
            ""),
        ["refused by the kernel"] = (
            At(Rest, new Phase.Loading(Two, "b")),
            At(Rest, Given.Refused(Two.ManifestDigest, Two, Unsigned with { Code = ProblemCode.KernelKeyRejected })),
            Did(),
            "load-failed"),
        ["verified"] = (
            At(Rest, new Phase.Downloaded(Two)), At(Rest, new Phase.Verified(Two, null)), Did(), "verified"),
        ["loading"] = (
            At(Rest, new Phase.Verified(Two, null)),
            At(Rest, new Phase.Loading(Two, "b")),
            new Cause.Begun(new Step.Load(Two)),
            "loading"),
        ["loaded"] = (
            At(Rest, new Phase.Loading(Two, "b")),
            At(Rest, new Phase.Transitioning(Two, "b", Given.Now, false)),
            Did(),
            "loaded"),
        ["adopted"] = (
            At(Rest, new Phase.Verified(Two, null)),
            At(Rest, new Phase.Transitioning(Two, "b", Given.Now, false)),
            Did(),
            "adopted"),
        ["adopted after preflight"] = (
            At(Rest, new Phase.Cleared(Two, null)),
            At(Rest, new Phase.Transitioning(Two, "b", Given.Now, false)),
            Did(),
            "adopted"),
        ["replaced"] = (
            At(
                Rest.With(kernel: k => k with { Running = Runs(One) }),
                new Phase.Transitioning(Two, "b", Given.Now, false)),
            Rest.With(
                kernel: k => k with
                {
                    Running = Runs(Two),
                    Leftovers = [One.Name],
                    LeftoverPatches = [Chronicle.Of(One)],
                }),
            Did(),
            "applied replaced"),
        ["applied beside another"] = (
            At(
                Rest.With(kernel: k => k with { Running = Runs(One) }),
                new Phase.Transitioning(Two, "b", Given.Now, false)),
            Rest.With(kernel: k => k with { Running = Runs(Two) }),
            Did(),
            "applied"),
        ["stalled"] = (
            At(Rest, new Phase.Transitioning(Two, "b", Given.Now, false)),
            At(Rest, new Phase.Transitioning(Two, "b", Given.Now, true)),
            Did(),
            "stalled"),
        ["reversing"] = (Rest, Rest, Did(new Step.Reverse(Two.Name)), "reversing"),
        ["reversed"] = (
            At(Rest, new Phase.Transitioning(Two, "b", Given.Now, true)),
            At(Rest, Given.Refused(Two.ManifestDigest, Two, Unsigned with { Code = ProblemCode.TransitionReversed })),
            Did(),
            "reversed"),
        ["applied"] = (
            At(Rest, new Phase.Transitioning(Two, "b", Given.Now, false)),
            Rest.With(kernel: k => k with { Running = Runs(Two) }),
            Did(),
            "applied"),
        ["loaded again after a reboot"] = (
            Rest.With(kernel: k => k with { Running = Runs(Two) }),
            Rest.With(kernel: k => k with { Running = Runs(Two) with { BootId = "b2" } }),
            Did(),
            "applied"),
        ["gone by a reboot"] = (
            Rest.With(kernel: k => k with { Running = Runs(Two) }), At(Rest, new Phase.Downloaded(Two)), Did(), ""),
        ["switched off by hand"] = (
            Rest.With(kernel: k => k with { Running = Runs(Two) }),
            At(
                Rest,
                Given.Refused(Two.ManifestDigest, Two, Unsigned with { Code = ProblemCode.PatchRemovedByHand })).With(
                kernel: k => k with { Leftovers = [Two.Name] }),
            Did(),
            "removed-by-hand"),
        ["switched off by hand, not enrolled"] = (
            new AgentState().With(kernel: k => k with { Running = Runs(Two) }),
            new AgentState().With(kernel: k => k with { Leftovers = [Two.Name] }),
            Did(),
            "removed-by-hand"),
        ["quarantined, nothing to fall back to"] = (
            Rest.With(kernel: k => k with { Running = Runs(Two) }),
            At(
                Rest,
                Given.Refused(Two.ManifestDigest, Two, Unsigned with { Code = ProblemCode.PatchQuarantined })).With(
                record: r => r with { Quarantine = [Bad(Two)] }),
            Did(),
            "quarantined"),
        ["quarantined, back to the last good one"] = (
            Rest.With(kernel: k => k with { Running = Runs(Two) }),
            At(Rest, new Phase.Downloaded(One)).With(record: r => r with { Quarantine = [Bad(Two)] }),
            Did(),
            "quarantined"),
        ["what is quarantined is offered again"] = (
            Rest.With(record: r => r with { Quarantine = [Bad(Two)] }),
            At(
                Rest,
                Given.Refused(Two.ManifestDigest, null, Unsigned with { Code = ProblemCode.PatchQuarantined })).With(
                record: r => r with { Quarantine = [Bad(Two)] }),
            Did(),
            "refused"),
        ["withdrawn"] = (
            Rest.With(kernel: k => k with { Running = Runs(Two) }),
            Rest.With(kernel: k => k with { Running = Runs(Two) with { WithdrawalReason = "oopses" } }),
            Did(),
            "withdrawn"),
        ["withdrawal of a stranger"] = (
            Rest.With(kernel: k => k with { Running = Runs(Two) }),
            Rest.With(kernel: k => k with { Running = Runs(Two) }),
            Did(
                new Step.FetchWithdrawal("w", Two.ManifestDigest),
                new StepResult.Failed(Unsigned with { Code = ProblemCode.ManifestSignatureInvalid }, false)),
            "refused"),
        ["pins changed"] = (
            Rest, Rest, Did(new Step.FetchPins(1), new StepResult.PinsRead(new VerifiedPinSet(Pins))), "pins-changed"),
        ["pins refused"] = (
            Rest,
            Rest,
            Did(new Step.FetchPins(1), new StepResult.Failed(Unsigned with { Code = ProblemCode.PinsInvalid }, true)),
            "pins-refused"),
        ["pins refused again"] = (
            Rest.With(
                pins: p => p with
                {
                    Retry = new Retry(1, Given.Now, Unsigned with { Code = ProblemCode.PinsInvalid }),
                }),
            Rest,
            Did(new Step.FetchPins(1), new StepResult.Failed(Unsigned with { Code = ProblemCode.PinsInvalid }, true)),
            ""),
        ["module removed"] = (
            Rest.With(kernel: k => k with { Leftovers = [One.Name] }),
            Rest,
            Did(new Step.RemoveModule(One.Name)),
            "module-removed"),
    };

    public static TheoryData<string> Names => [.. Table.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void Between_SaysWhatHappenedAndNoMore(string name)
    {
        var (before, after, cause, kinds) = Table[name];
        var told = Chronicle.Between(before, after, cause);
        Assert.Equal(kinds, string.Join(' ', told.Select(e => Kebab.Of(e.Kind))));
        Assert.DoesNotContain(told, e => e.ToString().Contains("hunter2", StringComparison.Ordinal));
    }

    [Fact]
    public void Between_NamesPatchSignerAndAsker()
    {
        var (before, after, cause, _) = Table["loaded"];
        Assert.Equal(
            new HistoryPatch(Two.ManifestDigest, Two.Name, "2.0", Two.ModuleSha256, Two.Signer),
            Assert.Single(Chronicle.Between(before, after, cause)).Patch);
        (before, after, cause, _) = Table["disable"];
        Assert.Equal(Carol, Assert.Single(Chronicle.Between(before, after, cause)).By);
        (before, after, cause, _) = Table["released from the quarantine"];
        var released = Assert.Single(Chronicle.Between(before, after, cause));
        Assert.Equal((Carol, Two.ManifestDigest), (released.By, released.Patch?.ManifestDigest));
        (before, after, cause, _) = Table["offered"];
        Assert.Equal("https://patches.example", Assert.Single(Chronicle.Between(before, after, cause)).By?.Server);
        (before, after, cause, _) = Table["refused by the kernel"];
        Assert.Equal(
            ProblemCode.KernelKeyRejected, Assert.Single(Chronicle.Between(before, after, cause)).Problem?.Code);
    }

    /// <summary>Of the two that may be meant it is the one that is quarantined.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Between_OfAQuarantine_NamesTheRightPatch(int number)
    {
        var bad = number == 1 ? One : Two;
        var before = At(Rest.With(kernel: k => k with { Running = Runs(One) }), new Phase.Downloading(Two, Retry.Now));
        var told = Assert.Single(
            Chronicle.Between(
                before,
                At(
                    Rest,
                    Given.Refused(bad.ManifestDigest, bad, Unsigned with { Code = ProblemCode.PatchQuarantined })).With(
                    record: r => r with { Quarantine = [Bad(bad)] }),
                Did()));
        Assert.Equal((HistoryKind.Quarantined, bad.Name), (told.Kind, told.Patch?.Name));
    }

    /// <summary>What goes out of the kernel is named as well as what comes in.</summary>
    [Fact]
    public void Between_OfWhatIsTakenOut_NamesItsDigests()
    {
        var left = Rest.With(kernel: k => k with { Leftovers = [One.Name], LeftoverPatches = [Chronicle.Of(One)] });
        Assert.Equal(
            Chronicle.Of(One),
            Assert.Single(Chronicle.Between(left, Rest, Did(new Step.RemoveModule(One.Name)))).Patch);
        var switching = At(Rest, new Phase.Transitioning(Two, "b", Given.Now, true));
        Assert.Equal(
            Chronicle.Of(Two),
            Assert.Single(Chronicle.Between(switching, switching, Did(new Step.Reverse(Two.Name)))).Patch);
        var (before, after, cause, _) = Table["replaced"];
        var replaced = Chronicle.Between(before, after, cause)[^1];
        Assert.Equal((Chronicle.Of(One), "by livepatch_2 2.0"), (replaced.Patch, replaced.Note));
    }

    /// <summary>Who set it in motion stands at each step: a person, the server, or nobody.</summary>
    [Theory]
    [InlineData("verified")]
    [InlineData("loading")]
    [InlineData("loaded")]
    [InlineData("adopted")]
    [InlineData("applied")]
    [InlineData("refused")]
    [InlineData("refused by the kernel")]
    public void Between_OfAStepOnTheWay_SaysWhoWantedIt(string name)
    {
        var (before, after, cause, _) = Table[name];
        foreach (var by in new[] { Carol, new HistoryBy(Server: "https://patches.example"), null })
        {
            var told = Chronicle.Between(
                before.With(pursuit: p => p with { WantedBy = by }),
                after.With(pursuit: p => p with { WantedBy = by }),
                cause)[0];
            Assert.Equal(by, told.By);
            if (name == "loading") Assert.Equal(by is null, told.Note is not null);
        }
    }

    /// <summary>Whoever asks for another look is who wants what comes of it; after a reboot nobody was asked.</summary>
    [Fact]
    public void WantedBy_IsWhoeverAskedElseTheServerElseNobody()
    {
        var host = Given.Host();
        var assigned = Given.Enrolled(new Phase.Resting(), Two.ManifestDigest).AfterReport(host);
        Assert.Equal("https://patches.example", Begun(assigned).Pursuit.WantedBy?.Server);
        var asked = Begun(assigned.With(conversation: c => c with { AskedBy = Carol }));
        Assert.Equal((Carol, null), (asked.Pursuit.WantedBy, asked.Conversation.AskedBy));
        var rebooted = assigned.With(
            pursuit: p => p with { WantedBy = Carol },
            kernel: k => k with { Running = Runs(Two) with { BootId = "boot-0" } },
            record: r => r with { LastGood = Two });
        Assert.Null(Begun(rebooted).Pursuit.WantedBy);
        // Another offer than the one that was looked for is nobody's but the server's.
        var other = Decider.Apply(
            new Turn(assigned.With(conversation: c => c with { AskedBy = Carol }), host, Given.Policy, Given.Now),
            new Step.CheckIn(Projection.Report(assigned, host), [], null),
            new StepResult.CheckedIn(
                new Assignment
                {
                    Tag = "t",
                    ManifestDigest = One.ManifestDigest,
                    CheckInSeconds = 900,
                    Now = Given.Now,
                }));
        Assert.Null(other.Conversation.AskedBy);

        AgentState Begun(AgentState state) => Assert.IsType<Step.Believe>(
            Decider.Next(new Turn(state, host, Given.Policy, Given.Now))).After;
    }

    /// <summary>A kind that nothing can lead to would be a promise in the documentation and no more.</summary>
    [Fact]
    public void EveryKind_ComesAbout()
    {
        HistoryKind[] ofTheChain = [HistoryKind.Rotated, HistoryKind.Gap, HistoryKind.Repaired, HistoryKind.Damaged];
        var told = Table.Values.SelectMany(c => Chronicle.Between(
            c.Before, c.After, c.Cause)).Select(e => e.Kind).Concat(ofTheChain).Distinct().Order();
        Assert.Equal(Enum.GetValues<HistoryKind>(), told);
    }

    private static AgentState At(AgentState state, Phase phase) => state.With(pursuit: p => p with { Phase = phase });

    private static RunningPatch Runs(PatchRef patch) => new(patch, "b", Given.Now, null);

    private static Quarantined Bad(PatchRef patch) =>
        new(patch.ManifestDigest, patch.Version, "the host went down", Given.Now);

    private static Cause.Performed Did(Step? step = null, StepResult? result = null) =>
        new(step ?? new Step.Verify(Two), result ?? new StepResult.Done());
}
