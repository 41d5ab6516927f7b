using LivepatchAgent.Core.Agent;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Core.Tests.Agent;

/// <summary>
/// What stands while other things go on: a refusal, a transition, the pace, whatever clocks and servers do meanwhile.
/// </summary>
public class StandingTests
{
    private static readonly PatchRef One = Given.Patch(1);
    private static readonly PatchRef Two = Given.Patch(2);
    private static readonly Problem Away = new(ProblemCode.ServerUnreachable, "cannot reach", "cure");
    private static readonly Phase.Refused ByHand =
        Given.Refused(One.ManifestDigest, One, new Problem(ProblemCode.PatchRemovedByHand, "cannot", "cure"));
    private static readonly EnrolmentIntent Intent = new(
        "e", new TokenContent { Server = "https://s", Secret = "s", Tls = [], Catalogue = [], Publishers = [] }, "c");

    private static Step Next(AgentState state, HostSnapshot host, AgentPolicy? policy = null) =>
        Decider.Next(new Turn(state, host, policy ?? Given.Policy, Given.Now));

    private static AgentState LookingAgain() =>
        Given.Enrolled(
            new Phase.Offered(One.ManifestDigest, new Retry(1, Given.Now.AddMinutes(1), Away), ByHand),
            One.ManifestDigest).With(
            conversation: c => c with { Assignment = new AssignmentRef("tag-1", One.ManifestDigest, false, 3600) });

    private static AgentState Confirmed(AgentState state)
    {
        var offered = Assert.IsType<Step.Believe>(Next(state.AfterReport(Given.Host()), Given.Host())).After;
        return Decider.Apply(
            new Turn(offered, Given.Host(), Given.Policy, Given.Now),
            new Step.FetchCatalogue(0),
            Given.CatalogueOf(
                6, new CatalogueEntry { ManifestDigest = One.ManifestDigest, Version = "1.0", Sequence = 1 }));
    }

    /// <summary>Somebody switched the patch off; the server may say what it likes meanwhile.</summary>
    [Theory]
    [InlineData("another tag")]
    [InlineData("another interval")]
    [InlineData("other pins")]
    public void Refusal_WhileTheCatalogueIsLookedAtAgain_OutlivesWhatTheServerSays(string said)
    {
        var state = LookingAgain();
        state = said == "other pins"
            ? Decider.Apply(
                new Turn(state, Given.Host(), Given.Policy, Given.Now),
                new Step.FetchPins(1),
                new StepResult.PinsRead(
                    new Trust.VerifiedPinSet(
                        new PinSet
                        {
                            Schema = PinSet.SchemaName,
                            Version = 1,
                            Threshold = 1,
                            Publishers = [],
                            Catalogue = [],
                            Tls = [],
                        })))
            : Decider.Apply(
                new Turn(state, Given.Host(), Given.Policy, Given.Now),
                new Step.CheckIn(Projection.Report(state, Given.Host()), [], null),
                new StepResult.CheckedIn(
                    new Assignment
                    {
                        Tag = said == "another tag" ? "tag-2" : "tag-1",
                        ManifestDigest = One.ManifestDigest,
                        CheckInSeconds = said == "another interval" ? 900 : 3600,
                        Now = Given.Now,
                    }));
        Assert.Equal(ByHand, state.Phase);
        Assert.Equal(ByHand, Confirmed(state).Phase);
    }

    [Fact]
    public void Refusal_WhileTheCatalogueIsLookedAtAgain_IsLiftedByWhoeverAsks()
    {
        var state = Decider.Accept(
            new Turn(LookingAgain(), Given.Host(), Given.Policy, Given.Now), new Command.Refresh()).Value;
        Assert.IsType<Phase.Resting>(Confirmed(state).Phase);
    }

    [Fact]
    public void Enable_WhileATransitionIsWatched_WaitsForItsEnd()
    {
        var watched = new Phase.Transitioning(Two, Given.Boot, Given.Now, false);
        foreach (var phase in new Phase[] { watched, new Phase.Loading(Two, Given.Boot) })
        {
            var state = Decider.Accept(
                new Turn(Given.Enrolled(phase, Two.ManifestDigest), Given.Host(), Given.Policy, Given.Now),
                new Command.Disable()).Value;
            Assert.False(
                Decider.Accept(
                    new Turn(state, Given.Host(), Given.Policy, Given.Now),
                    new Command.Enable(Intent)).TryGet(out _, out var problem));
            Assert.Equal(ProblemCode.KernelBusy, problem.Code);
            Assert.Contains(Two.Name, problem.Message, StringComparison.Ordinal);
        }
    }

    /// <summary>`refresh` would be the cure, and cannot be asked for without a server.</summary>
    [Theory]
    [InlineData("reversed")]
    [InlineData("load never ended")]
    [InlineData("quarantined")]
    public void Refusal_WithoutAnEnrolment_IsNone(string what)
    {
        Phase phase = what switch
        {
            "reversed" => new Phase.Transitioning(Two, Given.Boot, Given.Now, false),
            "load never ended" => new Phase.Loading(Two, Given.Boot),
            _ => new Phase.Loading(Two, "boot-0"),
        };
        var state = new AgentState().With(
            pursuit: p => p with { Phase = phase, LoadAttempts = 3 },
            kernel: k => k with { StoppedCleanly = false },
            record: r => r with { LastGood = One });
        var after = Assert.IsType<Step.Believe>(Next(state, Given.Host())).After;
        Assert.Equal(new Phase.NotEnrolled(null), after.Phase);
        if (what == "quarantined")
            Assert.Equal(Two.ManifestDigest, Assert.Single(after.Record.Quarantine).ManifestDigest);
        else if (what == "reversed") Assert.Equal([Two.Name], after.Kernel.Leftovers);
    }

    /// <summary>A hand or a server sets the clock; the kernel's own does not jump.</summary>
    [Theory]
    [InlineData(48)]
    [InlineData(-48)]
    public void Clock_ThatJumps_NeitherReversesNorStallsATransitionAndEndsNoProbation(int hours)
    {
        var host = Given.Host((One.Name, PatchSighting.Running, "a1"), (Two.Name, PatchSighting.Switching, "a2")) with
        {
            Uptime = TimeSpan.FromHours(1),
        };
        var reverse = new AgentPolicy { ReverseAfter = TimeSpan.FromMinutes(10) };
        var begun = Decider.Apply(
            new Turn(
                Given.Enrolled(new Phase.Loading(Two, Given.Boot), Two.ManifestDigest), host, Given.Policy, Given.Now),
            new Step.Load(Two),
            new StepResult.Done()).With(
            kernel: k => k with { Running = new RunningPatch(One, Given.Boot, Given.Now, null, host.Uptime) });
        var now = Given.Now.AddHours(hours);
        var later = host with { At = now, Uptime = host.Uptime + TimeSpan.FromSeconds(3) };
        Assert.Equal(new Step.Rest(now.AddSeconds(1)), Decider.Next(new Turn(begun, later, reverse, now)));
        // What is due comes when it is, whatever the clock says.
        later = later with { Uptime = host.Uptime + TimeSpan.FromSeconds(30) };
        var stalled = Assert.IsType<Step.Believe>(Decider.Next(new Turn(begun, later, reverse, now))).After;
        Assert.Equal(PatchState.Stalled, Projection.State(stalled, later));
        Assert.Contains("after 30 s", Projection.Report(stalled, later).Problem!.Message, StringComparison.Ordinal);
        later = later with { Uptime = host.Uptime + TimeSpan.FromMinutes(10) };
        var survived = Assert.IsType<Step.Believe>(Decider.Next(new Turn(stalled, later, reverse, now))).After;
        Assert.Equal(One, survived.Record.LastGood);
        Assert.Equal(new Step.Reverse(Two.Name), Decider.Next(new Turn(survived, later, reverse, now)));
    }

    /// <summary>A journal of before has no uptime: a time of the future is none.</summary>
    [Fact]
    public void Transition_ThatBeganInTheFuture_IsCountedFromNow()
    {
        var host = Given.Host((Two.Name, PatchSighting.Switching, "a2")) with { Uptime = TimeSpan.FromHours(1) };
        var state = Given.Enrolled(
            new Phase.Transitioning(Two, Given.Boot, Given.Now.AddHours(3), false), Two.ManifestDigest);
        var watched = Assert.IsType<Phase.Transitioning>(Assert.IsType<Step.Believe>(Next(state, host)).After.Phase);
        Assert.Equal((Given.Now, host.Uptime), (watched.Since, watched.Uptime));
    }

    [Fact]
    public void Next_WhileATransitionIsTakenBack_LooksEverMoreSlowlyAndSaysWhichWayItGoes()
    {
        var host = Given.Host((Two.Name, PatchSighting.Reverting, "a2"));
        foreach (var (seconds, pace) in new[] { (1, 0.1), (5, 1), (60, 10), (3600, 60) })
        {
            var state = Given.Enrolled(
                new Phase.Transitioning(Two, Given.Boot, Given.Now.AddSeconds(-seconds), false), Two.ManifestDigest);
            Assert.Equal(new Step.Rest(Given.Now.AddSeconds(pace)), Next(state, host));
            if (seconds < 60) continue;
            var told = Projection.Report(
                state.With(
                    pursuit: p => p with { Phase = ((Phase.Transitioning)state.Phase) with { StallReported = true } }),
                host).Problem!;
            Assert.StartsWith(
                $"cannot finish taking {Two.Name} back: 0 tasks still run its code",
                told.Message,
                StringComparison.Ordinal);
        }

        // And what somebody else does to the running one.
        host = Given.Host((One.Name, PatchSighting.Reverting, "a1"));
        var rest = Given.Enrolled(new Phase.NotEnrolled(null), null).With(
            conversation: c => c with { Assignment = null },
            pursuit: p => p with { Phase = new Phase.Resting() },
            kernel: k => k with
            {
                Running = new RunningPatch(One, Given.Boot, Given.Now.AddHours(-1), null, SurvivedProbation: true),
            },
            record: r => r with { LastGood = One });
        Assert.Equal(new Step.Rest(Given.Now.AddSeconds(1)), Next(rest.AfterReport(host), host));
    }

    /// <summary>A host that refuses all that it is offered keeps none of it.</summary>
    [Fact]
    public void Refused_AfterItWasFetched_IsTidiedUpWhenTheNextIsRefusedToo()
    {
        var state = Assert.IsType<Step.Believe>(
            Next(
                Given.Enrolled(new Phase.Resting(), Two.ManifestDigest).AfterReport(Given.Host()), Given.Host())).After;
        Assert.IsType<Phase.Listed>(state.Phase);
        state = Decider.Apply(
            new Turn(
                state.With(pursuit: p => p with { Phase = new Phase.Downloaded(Two) }),
                Given.Host(),
                Given.Policy,
                Given.Now),
            new Step.Verify(Two),
            new StepResult.Failed(Away with { Code = ProblemCode.ModuleUnsigned }, InPassing: false));
        Assert.Equal(
            [Two.ManifestDigest],
            Assert.IsType<Step.Tidy>(Next(state.AfterReport(Given.Host()), Given.Host())).Manifests);
    }

    [Fact]
    public void Verify_ThatTheDiskFailsEachTime_IsTriedEverMoreSlowly()
    {
        var (state, waits) = (Given.Enrolled(new Phase.Downloaded(Two), Two.ManifestDigest), new List<TimeSpan>());
        for (var i = 0; i < 12; i++)
        {
            state = Decider.Apply(
                new Turn(
                    state.With(pursuit: p => p with { Phase = new Phase.Downloaded(Two) }),
                    Given.Host(),
                    Given.Policy,
                    Given.Now),
                new Step.Verify(Two),
                new StepResult.Failed(Away with { Code = ProblemCode.DiskError }, InPassing: true));
            waits.Add(Assert.IsType<Phase.Listed>(state.Phase).Retry.NotBefore - Given.Now);
        }

        Assert.Equal(waits.Order(), waits);
        Assert.Equal(Cadence.BackoffCap * 0.5, waits[^1]);
    }

    /// <summary>Somebody holds the catalogue back: at the latest when the last one has expired, it shows.</summary>
    [Fact]
    public void Projection_WhenTheLastCatalogueHasExpired_SaysThatNothingIsKnown()
    {
        var host = Given.Host((One.Name, PatchSighting.Running, "a1"));
        var state = Given.Enrolled(new Phase.Resting(), One.ManifestDigest).With(
            kernel: k => k with { Running = new RunningPatch(One, Given.Boot, Given.Now.AddDays(-9), null) },
            record: r => r with { LastGood = One });
        state = Decider.Apply(
            new Turn(
                state.With(pursuit: p => p with { Phase = new Phase.Offered(One.ManifestDigest, Retry.Now) }),
                host,
                Given.Policy,
                Given.Now),
            new Step.FetchCatalogue(0),
            Given.CatalogueOf(
                6, new CatalogueEntry { ManifestDigest = One.ManifestDigest, Version = "1.0", Sequence = 1 }));
        Assert.Equal(Given.Now.AddDays(7), Status(state, host, Given.Now).CheckIn.CatalogueExpires);
        Assert.Null(Status(state, host, Given.Now.AddDays(7)).Problem);
        var offered = new Phase.Offered(One.ManifestDigest, new Retry(3, Given.Now, Away));
        foreach (var phase in new Phase[] { new Phase.Resting(), offered })
        {
            var late = Status(state.With(pursuit: p => p with { Phase = phase }), host, Given.Now.AddDays(8));
            Assert.Equal((PatchState.Applied, ProblemCode.CatalogueExpired), (late.State, late.Problem?.Code));
        }

        Assert.Null(
            Status(
                state.With(
                    conversation: c => c with { Enrolment = null },
                    pursuit: p => p with { Phase = new Phase.NotEnrolled(null) }),
                host,
                Given.Now.AddDays(8)).Problem);
    }

    private static AgentStatus Status(AgentState state, HostSnapshot host, DateTimeOffset now) =>
        Projection.Status(state, host with { At = now }, new Step.Rest(now), null, "1", now);
}
