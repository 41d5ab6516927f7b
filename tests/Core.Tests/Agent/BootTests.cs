using LivepatchAgent.Core.Agent;
using LivepatchAgent.Core.Kernel;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Core.Tests.Agent;

/// <summary>
/// How a boot ended is judged once, before anything else, whatever the next boot may do; and never twice.
/// </summary>
public class BootTests
{
    private const string Before = "boot-0";
    private static readonly PatchRef One = Given.Patch(1);
    private static readonly PatchRef Two = Given.Patch(2);

    private static Step Next(AgentState state, HostSnapshot host) =>
        Decider.Next(new Turn(state, host, Given.Policy, Given.Now));

    private static RunningPatch Ran(PatchRef patch, string boot = Before) =>
        new(patch, boot, Given.Now.AddMinutes(-1), null);

    public static TheoryData<string> ToTheKernel => ["downloaded", "verified", "cleared", "loading", "transitioning"];

    private static Phase On(string phase) => phase switch
    {
        "downloaded" => new Phase.Downloaded(Two),
        "verified" => new Phase.Verified(Two, "aa"),
        "cleared" => new Phase.Cleared(Two, "aa"),
        "loading" => new Phase.Loading(Two, Before),
        _ => new Phase.Transitioning(Two, Before, Given.Now.AddMinutes(-1), false),
    };

    /// <summary>A stood in the kernel while B was on its way, and the host was rebooted.</summary>
    [Theory]
    [MemberData(nameof(ToTheKernel))]
    public void Next_AfterACleanRebootOnTheWayToTheSecondPatch_BringsTheFirstBackBeforehand(string phase)
    {
        var state = Given.Enrolled(On(phase), Two.ManifestDigest).With(
            kernel: k => k with { Running = Ran(One), StoppedCleanly = true }, record: r => r with { LastGood = One });
        var after = Assert.IsType<Step.Believe>(Next(state, Given.Host())).After;
        Assert.Equal(One, Assert.IsType<Phase.Downloaded>(after.Phase).Patch);
        Assert.Null(after.Kernel.Running);
        Assert.Empty(after.Record.Quarantine);
        // The second one is still assigned, and pursued once the first is back.
        var host = Given.Host((One.Name, PatchSighting.Running, "a1"));
        after = after.With(
            pursuit: p => p with { Phase = new Phase.Resting(), Untidy = false },
            kernel: k => k with { Running = Ran(One, Given.Boot) });
        Assert.Equal("believe listed", Given.Word(Next(after.AfterReport(host), host)));
    }

    /// <summary>The boot loop: whatever was on the disk, a load that ends the host is found by the next boot.</summary>
    [Theory]
    [MemberData(nameof(ToTheKernel))]
    public void Load_ThatEndsTheHost_IsQuarantinedWhateverCameBefore(string phase)
    {
        var state = Given.Enrolled(On(phase), Two.ManifestDigest).With(
            kernel: k => k with { Running = Ran(One), StoppedCleanly = true }, record: r => r with { LastGood = One });
        for (var boot = 1; boot <= 4 && state.Record.Quarantine.Count == 0; boot++)
        {
            var host = Given.Host() with { BootId = $"boot-{boot}" };
            state = UntilItIsLoading(state, host);
            Assert.False(state.Kernel.StoppedCleanly);
        }

        Assert.Equal(
            One.ManifestDigest,
            Assert.Single(state.Record.Quarantine).ManifestDigest); // it was the first to be loaded, and ended the host
    }

    /// <summary>
    /// A patch that did well for weeks, and then ends each boot soon after it was loaded: the host gets out of it.
    /// </summary>
    [Fact]
    public void Next_AfterTheThirdCrashInARow_QuarantinesAPatchThatHadSurvived()
    {
        var state = Given.Enrolled(new Phase.Resting(), One.ManifestDigest).With(
            kernel: k => k with { Running = Ran(One, "boot-0") with { SurvivedProbation = true } },
            record: r => r with { LastGood = One });
        for (var boot = 1; boot <= 3; boot++)
        {
            state = AfterTheBoot(state, boot);
            Assert.IsType<Phase.Downloaded>(state.Phase); // the first time it stood, and may go on
            state = Loaded(state, boot);
        }

        state = AfterTheBoot(state, 4);
        Assert.Equal(One.ManifestDigest, Assert.Single(state.Record.Quarantine).ManifestDigest);
        Assert.Contains("3 times in a row", state.Record.Quarantine[0].Reason, StringComparison.Ordinal);
        Assert.Null(state.Record.LastGood);
        Assert.Equal(One.ManifestDigest, Assert.IsType<Phase.Refused>(state.Phase).ManifestDigest);
    }

    /// <summary>What a host gets through, by a clean end or by a probation's time, is no crash in a row.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Next_AfterCrashesWithAGoodBootBetween_LoadsThePatchAgain(bool cleanly)
    {
        var state = Given.Enrolled(new Phase.Resting(), One.ManifestDigest).With(
            kernel: k => k with { Running = Ran(One, "boot-0") }, record: r => r with { LastGood = One });
        for (var boot = 1; boot <= 9; boot++)
        {
            state = AfterTheBoot(state, boot);
            Assert.IsType<Phase.Downloaded>(state.Phase);
            state = Loaded(state, boot);
            if (boot % 2 != 0) continue;
            var host = Given.Host((One.Name, PatchSighting.Running, "a1")) with
            {
                BootId = $"boot-{boot}",
                Uptime = Given.Policy.Probation + TimeSpan.FromMinutes(1),
            };
            state = cleanly
                ? Decider.Stopped(state, host.BootId)
                : Assert.IsType<Step.Believe>(Next(state, host)).After;
        }

        Assert.Empty(state.Record.Quarantine);
    }

    /// <summary>
    /// A good patch is blamed for a boot that ended while it was loaded again; then its successor takes the host down.
    /// </summary>
    [Fact]
    public void Next_AfterACrashOfTheSuccessor_DoesNotBringAQuarantinedPatchBack()
    {
        var loading = Given.Enrolled(new Phase.Loading(One, Before), One.ManifestDigest)
            .With(
                record: r => r with { LastGood = One },
                kernel: k => k with { Strikes = new Strikes(One.ManifestDigest, 2) });
        var judged = AfterTheBoot(loading, 1);
        Assert.Equal(One.ManifestDigest, Assert.Single(judged.Record.Quarantine).ManifestDigest);
        Assert.Null(judged.Record.LastGood);
        var crashed = judged.With(
            pursuit: p => p with { Phase = new Phase.Resting() },
            kernel: k => k with { Running = Ran(Two, "boot-1"), StoppedCleanly = false });
        var after = AfterTheBoot(crashed, 2);
        Assert.Equal(Two.ManifestDigest, Assert.IsType<Phase.Refused>(after.Phase).ManifestDigest);
        Assert.Equal([One.ManifestDigest, Two.ManifestDigest], after.Record.Quarantine.Select(q => q.ManifestDigest));
    }

    /// <summary>
    /// Whatever an older journal still believes of a fallback: the last question before a load is the quarantine.
    /// </summary>
    [Theory]
    [InlineData("verified")]
    [InlineData("cleared")]
    public void Next_BeforeALoadOfAQuarantinedPatch_RefusesIt(string phase)
    {
        var quarantined = new Quarantined(Two.ManifestDigest, Two.Version, "the host went down", Given.Now);
        var state = Given.Enrolled(On(phase), Two.ManifestDigest).With(
            record: r => r with { LastGood = Two, Quarantine = [quarantined] });
        var refused = Assert.IsType<Phase.Refused>(Assert.IsType<Step.Believe>(Next(state, Given.Host())).After.Phase);
        Assert.Equal(ProblemCode.PatchQuarantined, refused.Problem.Code);
    }

    private static AgentState AfterTheBoot(AgentState state, int boot) =>
        Assert.IsType<Step.Believe>(Next(state, Given.Host() with { BootId = $"boot-{boot}" })).After;

    private static AgentState Loaded(AgentState state, int boot) =>
        state.With(
            conversation: c => c with { Assignment = null },
            pursuit: p => p with { Phase = new Phase.Resting(), Untidy = false },
            kernel: k => k with
            {
                Running = new RunningPatch(One, $"boot-{boot}", Given.Now, null, TimeSpan.FromMinutes(1)),
                StoppedCleanly = false,
            });

    [Fact]
    public void Begin_OfALoad_IsNeverCleanWhateverIsBelieved()
    {
        var state = Given.Enrolled(new Phase.Cleared(Two, "aa"), Two.ManifestDigest).With(
            kernel: k => k with { Running = Ran(One), StoppedCleanly = true });
        Assert.False(
            Decider.Begin(
                new Turn(state, Given.Host(), Given.Policy, Given.Now), new Step.Load(Two)).Kernel.StoppedCleanly);
    }

    /// <summary>
    /// Boots on which nothing can be judged, or that end before it was, change nothing about how the one before ended.
    /// </summary>
    [Theory]
    [InlineData("resting")]
    [InlineData("loading")]
    [InlineData("transitioning")]
    public void Stopped_WhenTheBootBeforeWasNotJudged_SaysOfItWhatItSaid(string phase)
    {
        var off = Given.Host() with { KillSwitch = KillSwitch.Off };
        foreach (var cleanly in new[] { true, false })
        {
            var state = phase == "resting"
                ? Given.Enrolled(new Phase.Resting(), One.ManifestDigest).With(
                    kernel: k => k with { Running = Ran(One) })
                : Given.Enrolled(On(phase), Two.ManifestDigest);
            state = state.With(kernel: k => k with { StoppedCleanly = cleanly });
            var rest = Assert.IsType<Step.Rest>(Next(state, off));
            Assert.Equal(
                cleanly, Decider.Begin(new Turn(state, off, Given.Policy, Given.Now), rest).Kernel.StoppedCleanly);
            Assert.Equal(cleanly, Decider.Stopped(state, off.BootId).Kernel.StoppedCleanly);
        }
    }

    [Fact]
    public void Stopped_OfABootThatWasJudged_IsClean()
    {
        var state = Given.Enrolled(new Phase.Resting(), One.ManifestDigest).With(
            kernel: k => k with { Running = Ran(One, Given.Boot) });
        Assert.True(Decider.Stopped(state, Given.Boot).Kernel.StoppedCleanly);
    }

    public static TheoryData<string> Branches =>
        ["as before", "not enrolled", "another kernel", "withdrawn", "observe", "no livepatch"];

    [Theory]
    [MemberData(nameof(Branches))]
    public void Next_AfterACrashInProbation_QuarantinesWhateverElseChanged(string branch)
    {
        var state = Given.Enrolled(new Phase.Resting(), Two.ManifestDigest).With(
            kernel: k => k with { Running = Ran(Two) });
        var host = Given.Host();
        (state, host) = branch switch
        {
            "not enrolled" => (
                state.With(
                    conversation: c => c with { Enrolment = null },
                    pursuit: p => p with { Phase = new Phase.NotEnrolled(null) }),
                host),
            "another kernel" => (state, host with { KernelRelease = "6.12.200" }),
            "withdrawn" => (
                state.With(kernel: k => k with { Running = Ran(Two) with { WithdrawalReason = "it leaks" } }), host),
            "observe" => (state, host with { KillSwitch = KillSwitch.Observe }),
            "no livepatch" => (state, host with { LivepatchSupported = false }),
            _ => (state, host),
        };
        var after = Assert.IsType<Step.Believe>(Next(state, host)).After;
        Assert.Equal(Two.ManifestDigest, Assert.Single(after.Record.Quarantine).ManifestDigest);
        Assert.Null(after.Kernel.Running);
        Assert.Equal(
            branch switch { "not enrolled" => "not-enrolled", "another kernel" => "resting", _ => "refused" },
            Given.Kind(after.Phase));
        if (branch == "another kernel") Assert.Null(after.Conversation.Assignment);
        // And what survived, or went down in order, is nobody's fault.
        var survived = state.With(record: r => r with { LastGood = Two });
        var stopped = state.With(kernel: k => k with { StoppedCleanly = true });
        foreach (var fine in new[] { survived, stopped })
            Assert.Empty(Assert.IsType<Step.Believe>(Next(fine, host)).After.Record.Quarantine);
    }

    [Fact]
    public void Next_AfterARebootIntoAnotherKernelDuringATransition_AsksTheServerAnew()
    {
        var state = Given.Enrolled(On("transitioning"), Two.ManifestDigest).With(
            kernel: k => k with { StoppedCleanly = true });
        var after = Assert.IsType<Step.Believe>(Next(state, Given.Host() with { KernelRelease = "6.12.200" })).After;
        Assert.IsType<Phase.Resting>(after.Phase);
        Assert.Null(after.Conversation.Assignment);
    }

    [Fact]
    public void Next_WhileAnotherPatchIsPending_LetsTheRunningOneSurviveItsProbation()
    {
        var host = Given.Host((One.Name, PatchSighting.Running, "a1"), (Two.Name, PatchSighting.Switching, "a2"));
        var busy = new Retry(3, Given.Now.AddMinutes(10), new Problem(ProblemCode.KernelBusy, "cannot", "cure"));
        Phase[] phases =
        [
            new Phase.Downloading(Two, busy),
            new Phase.Listed(Two.ManifestDigest, busy),
            new Phase.Offered(Two.ManifestDigest, busy),
            new Phase.Transitioning(Two, Given.Boot, Given.Now.AddHours(-1), true),
            new Phase.NotEnrolled(null),
        ];
        var begin = Given.Now - Given.Policy.Probation;
        foreach (var phase in phases)
        {
            var ran = Ran(One, Given.Boot) with { At = begin };
            var state = Given.Enrolled(phase, Two.ManifestDigest).With(kernel: k => k with { Running = ran });
            if (phase is Phase.NotEnrolled) state = state.With(conversation: c => c with { Enrolment = null });
            var after = Assert.IsType<Step.Believe>(Next(state, host)).After;
            Assert.Equal(One, after.Record.LastGood);
            Assert.Equal(phase, after.Phase);
            // Its end is waited for.
            var later = ran with { At = begin + TimeSpan.FromSeconds(4) };
            state = state.With(kernel: k => k with { Running = later }).AfterReport(host);
            state = state.With(heldCall: h => h with { NotBefore = Given.Now.AddMinutes(5) });
            Assert.Equal(new Step.Rest(Given.Now.AddSeconds(4)), Next(state, host));
        }
    }

    /// <summary>What the kernel does not have is not shown as applied, be it for one look.</summary>
    [Theory]
    [InlineData(Before, PatchSighting.Running)]
    [InlineData(Before, PatchSighting.Absent)]
    [InlineData(Given.Boot, PatchSighting.Absent)]
    [InlineData(Given.Boot, PatchSighting.Disabled)]
    public void Projection_OfAPatchThatIsNotInForce_DoesNotCallItApplied(string boot, PatchSighting sighting)
    {
        var state = Given.Enrolled(new Phase.Resting(), One.ManifestDigest).With(
            kernel: k => k with { Running = Ran(One, boot) });
        var host = Given.Host((One.Name, sighting, "a1"));
        foreach (var phase in new Phase[] { new Phase.Resting(), new Phase.Offered(One.ManifestDigest, Retry.Now) })
        {
            var status = Projection.Status(
                state.With(pursuit: p => p with { Phase = phase }),
                host,
                new Step.Rest(Given.Now),
                null,
                "1",
                Given.Now);
            Assert.Equal(PatchState.Applying, status.State);
            Assert.Null(status.Patch);
            Assert.Equal(CoverageState.Unknown, status.Kernel.Coverage);
            Assert.Null(Projection.Report(state.With(pursuit: p => p with { Phase = phase }), host).ManifestDigest);
        }
    }

    /// <summary>The daemon's turns, with the kernel taking what it is given, up to the moment before a load.</summary>
    private static AgentState UntilItIsLoading(AgentState state, HostSnapshot host)
    {
        for (var turn = 0; turn < 20; turn++)
        {
            var step = Decider.Next(new Turn(state, host, Given.Policy, Given.Now));
            state = Decider.Begin(new Turn(state, host, Given.Policy, Given.Now), step);
            if (step is Step.Load or Step.Listen or Step.Rest) return state;
            state = step switch
            {
                Step.Believe b => b.After,
                Step.Verify v => state.With(pursuit: p => p with { Phase = new Phase.Verified(v.Patch, "aa") }),
                Step.Preflight s => state.InPhase(new Phase.Cleared(s.Patch, "aa")),
                _ => Decider.Apply(
                    new Turn(state, host, Given.Policy, Given.Now),
                    step,
                    new StepResult.Failed(
                        new Problem(ProblemCode.ServerUnreachable, "cannot", "cure"), InPassing: true)),
            };
        }

        throw new InvalidOperationException(state.Phase.ToString());
    }
}
