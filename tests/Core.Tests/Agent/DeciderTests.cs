using LivepatchAgent.Core.Agent;
using LivepatchAgent.Core.Kernel;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Core.Tests.Agent;

public class DeciderTests
{
    private static readonly PatchRef One = Given.Patch(1);
    private static readonly PatchRef Two = Given.Patch(2);

    private static RunningPatch Running(PatchRef patch) => new(patch, Given.Boot, Given.Now.AddMinutes(-1), null);

    private static Step Next(AgentState state, HostSnapshot host, AgentPolicy? policy = null) =>
        Decider.Next(new Turn(state, host, policy ?? Given.Policy, Given.Now));

    [Fact]
    public void Next_WhenKillSwitchIsOff_RestsForEver()
    {
        var host = Given.Host() with { KillSwitch = KillSwitch.Off };
        Assert.Equal(
            new Step.Rest(DateTimeOffset.MaxValue),
            Next(Given.Enrolled(new Phase.Downloaded(Two), Two.ManifestDigest), host));
    }

    [Fact]
    public void Next_WhenKillSwitchIsOff_LetsWhatRunsSurviveItsProbation()
    {
        var host = Given.Host((One.Name, PatchSighting.Running, "a1")) with { KillSwitch = KillSwitch.Off };
        var state = Given.Enrolled(new Phase.Listed(Two.ManifestDigest, Retry.Now), Two.ManifestDigest).With(
            kernel: k => k with { Running = Running(One) });
        var rest = Assert.IsType<Step.Rest>(Next(state, host));
        Assert.Equal(Given.Now.AddMinutes(9), rest.Until);
        Assert.True(Projection.Status(state, host, rest, null, "1", Given.Now).Settled);
        Assert.Equal(
            One,
            Assert.IsType<Step.Believe>(
                Decider.Next(new Turn(state, host, Given.Policy, rest.Until))).After.Record.LastGood);
    }

    [Fact]
    public void Next_WhenToldToObserve_RefusesToLoad()
    {
        var host = Given.Host() with { KillSwitch = KillSwitch.Observe };
        var step = Assert.IsType<Step.Believe>(
            Next(Given.Enrolled(new Phase.Verified(Two, "aa"), Two.ManifestDigest), host));
        Assert.Equal(ProblemCode.SwitchedOff, Assert.IsType<Phase.Refused>(step.After.Phase).Problem.Code);
    }

    [Fact]
    public void Next_WhenKernelHasNoLivepatch_RefusesBeforeDownloading()
    {
        var host = Given.Host() with { LivepatchSupported = false };
        var step = Assert.IsType<Step.Believe>(
            Next(Given.Enrolled(new Phase.Resting(), Two.ManifestDigest).AfterReport(host), host));
        Assert.Equal(ProblemCode.KernelWithoutLivepatch, Assert.IsType<Phase.Refused>(step.After.Phase).Problem.Code);
    }

    [Fact]
    public void Next_WhenADifferentModuleHasTheName_RefusesAndLeavesIt()
    {
        var host = Given.Host((Two.Name, PatchSighting.Running, "other"));
        var step = Assert.IsType<Step.Believe>(
            Next(Given.Enrolled(new Phase.Verified(Two, "aa"), Two.ManifestDigest), host));
        Assert.Equal(ProblemCode.KernelModuleExists, Assert.IsType<Phase.Refused>(step.After.Phase).Problem.Code);
    }

    [Fact]
    public void Next_WhenOurOwnLeftoverHasTheName_RemovesItFirst()
    {
        var host = Given.Host((Two.Name, PatchSighting.Lingering, "aa"));
        var state = Given.Enrolled(new Phase.Verified(Two, "aa"), Two.ManifestDigest).With(
            kernel: k => k with { Leftovers = [Two.Name] });
        Assert.Equal(new Step.RemoveModule(Two.Name), Next(state, host));
    }

    [Theory]
    [InlineData(null, "cleared", null)]
    [InlineData("memory", "downloading", ProblemCode.PreflightRefused)]
    [InlineData("vermagic", "refused", ProblemCode.PreflightRefused)]
    public void Apply_OfAPreflight_GoesOnWaitsOrRefuses(string? refused, string phase, ProblemCode? code)
    {
        var verified = new Phase.Verified(Two, "aa");
        var report = new PreflightReport
        {
            Module = Two.Name,
            Checks =
            [
                new("patch-stack", CheckOutcome.Warning, "f", "c"),
                new("module-name", CheckOutcome.CannotTell, "f", "c"),
                .. refused is null ? [] : new[] { new CheckFinding(refused, CheckOutcome.Refused, "found", "cure") },
            ],
        };
        var after = Decider.Apply(
            new Turn(Given.Enrolled(verified, Two.ManifestDigest), Given.Host(), Given.Policy, Given.Now),
            new Step.Preflight(Two),
            new StepResult.Preflighted(report));
        Assert.Equal(phase, Given.Kind(after.Phase));
        var problem = (after.Phase as Phase.Refused)?.Problem ?? (after.Phase as Phase.Downloading)?.Retry.Problem;
        Assert.Equal(code, problem?.Code);
        if (refused is not null) Assert.Equal($"cannot load {Two.Name}: {refused}: found; cure", problem!.ToString());
        if (after.Phase is Phase.Cleared cleared) Assert.Equal("aa", cleared.BuildId);
        // The server hears of a refusal, not of a wait.
        Assert.Equal(phase == "refused" ? [OutcomeKind.Refused] : [], after.Conversation.Outcomes.Select(o => o.Kind));
    }

    [Fact]
    public void Next_WhenLoadingNeverEnds_GivesUp()
    {
        var state = Given.Enrolled(new Phase.Loading(Two, Given.Boot), Two.ManifestDigest).With(
            pursuit: p => p with { LoadAttempts = 3 });
        var step = Assert.IsType<Step.Believe>(Next(state, Given.Host()));
        Assert.IsType<Phase.Refused>(step.After.Phase);
    }

    [Fact]
    public void Next_WhenTransitionIsOld_TellsTheStallOnceWithItsTasks()
    {
        var host = Given.Host((Two.Name, PatchSighting.Switching, "aa")) with
        {
            BlockingTasks = [new BlockingTask(7, 7, "kworker/0:1", null, ["pipe_read"])],
            BlockingTaskCount = 1,
        };
        var state = Given.Enrolled(
            new Phase.Transitioning(Two, Given.Boot, Given.Now.AddSeconds(-30), false),
            Two.ManifestDigest).AfterReport(host);
        var step = Assert.IsType<Step.Believe>(Next(state, host));
        var told = Assert.Single(step.After.Conversation.Outcomes);
        Assert.Equal(OutcomeKind.Stalled, told.Kind);
        Assert.Contains("kworker/0:1", told.Problem!.Message, StringComparison.Ordinal);
        Assert.Equal(PatchState.Stalled, Projection.State(step.After, host));
        // The stall is news for the server; after that it is quiet.
        Assert.IsType<Step.CheckIn>(Next(step.After, host));
    }

    [Fact]
    public void Next_WhenPolicySaysReverse_ReversesAStalledTransition()
    {
        var host = Given.Host((Two.Name, PatchSighting.Switching, "aa"));
        var state = Given.Enrolled(
            new Phase.Transitioning(Two, Given.Boot, Given.Now.AddMinutes(-30), true),
            Two.ManifestDigest).AfterReport(host);
        Assert.Equal(
            new Step.Reverse(Two.Name), Next(state, host, new AgentPolicy { ReverseAfter = TimeSpan.FromMinutes(10) }));
        Assert.IsNotType<Step.Reverse>(Next(state, host));
    }

    [Fact]
    public void Next_AfterACrashInProbation_GoesBackToTheLastGoodPatch()
    {
        var state = Given.Enrolled(new Phase.Resting(), Two.ManifestDigest).With(
            kernel: k => k with { Running = new RunningPatch(Two, "boot-0", Given.Now, null) },
            record: r => r with { LastGood = One });
        var step = Assert.IsType<Step.Believe>(Next(state, Given.Host()));
        Assert.Equal(One, Assert.IsType<Phase.Downloaded>(step.After.Phase).Patch);
        Assert.Equal(Two.ManifestDigest, Assert.Single(step.After.Record.Quarantine).ManifestDigest);
    }

    [Fact]
    public void Next_WhenAQuarantinedPatchIsAssigned_RefusesItWithTheReason()
    {
        var state = Given.Enrolled(new Phase.Resting(), Two.ManifestDigest).With(
            record: r => r with { Quarantine = [new Quarantined(Two.ManifestDigest, "2.0", "it crashed", Given.Now)] });
        var step = Assert.IsType<Step.Believe>(Next(state, Given.Host()));
        var refused = Assert.IsType<Phase.Refused>(step.After.Phase);
        Assert.Equal(ProblemCode.PatchQuarantined, refused.Problem.Code);
        Assert.Contains("it crashed", refused.Problem.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Next_AfterReplacement_RemovesTheOldModule()
    {
        var before = Given.Host((One.Name, PatchSighting.Running, "a1"), (Two.Name, PatchSighting.Running, "a2"));
        var state = Given.Enrolled(
            new Phase.Transitioning(Two, Given.Boot, Given.Now.AddSeconds(-1), false), Two.ManifestDigest).With(
            kernel: k => k with { Running = Running(One) }, record: r => r with { LastGood = One });
        state = Assert.IsType<Step.Believe>(Next(state, before)).After;
        Assert.Equal(Two, state.Kernel.Running!.Patch);
        Assert.Equal([One.Name], state.Kernel.Leftovers);
        var after = Given.Host((One.Name, PatchSighting.Lingering, "a1"), (Two.Name, PatchSighting.Running, "a2"));
        Assert.Equal(new Step.RemoveModule(One.Name), Next(state, after));
        var gone = Given.Host((Two.Name, PatchSighting.Running, "a2"));
        Assert.Empty(Assert.IsType<Step.Believe>(Next(state, gone)).After.Kernel.Leftovers);
    }

    [Fact]
    public void Next_WhenAnotherKernelWasBooted_ForgetsThePatchAndAsksAnew()
    {
        var state = Given.Enrolled(new Phase.Resting(), One.ManifestDigest).With(
            kernel: k => k with { Running = new RunningPatch(One, "boot-0", Given.Now, null) },
            record: r => r with { LastGood = One });
        var host = Given.Host() with { KernelRelease = "6.12.200" };
        var step = Assert.IsType<Step.Believe>(Next(state, host));
        Assert.Null(step.After.Kernel.Running);
        Assert.Null(step.After.Conversation.Assignment);
        Assert.IsType<Step.CheckIn>(Next(step.After, host));
    }

    [Fact]
    public void Next_WhenTheHeldCheckInBringsNews_TakesItAndAsksTheCatalogue()
    {
        var host = Given.Host((One.Name, PatchSighting.Running, "a1"));
        var resting = Given.Enrolled(new Phase.Resting(), One.ManifestDigest);
        var state = resting.With(kernel: k => k with { Running = Running(One) }, record: r => r with { LastGood = One })
            .AfterReport(host);
        Assert.IsType<Step.Listen>(Next(state, host));
        host = host with
        {
            Listen = new ListenState.Answered(
                new Assignment
                {
                    Tag = "tag-2",
                    ManifestDigest = Two.ManifestDigest,
                    CheckInSeconds = 3600,
                    Now = Given.Now,
                }),
        };
        var heard = Assert.IsType<Step.Believe>(Next(state, host));
        Assert.True(heard.TakesHeldAnswer);
        host = host with { Listen = new ListenState.Off() };
        var offered = Assert.IsType<Step.Believe>(Next(heard.After, host));
        Assert.IsType<Step.FetchCatalogue>(Next(offered.After, host));
    }

    [Fact]
    public void Next_WhenTheServerIsAway_WaitsLongerEachTime()
    {
        var host = Given.Host();
        var state = Given.Enrolled(new Phase.Resting(), null).AfterReport(host);
        var waits = new List<TimeSpan>();
        for (var i = 0; i < 12; i++)
        {
            state = Decider.Apply(
                new Turn(state, host, Given.Policy, Given.Now),
                new Step.CheckIn(Projection.Report(state, host), [], null),
                new StepResult.Failed(new Problem(ProblemCode.ServerUnreachable, "cannot", "cure"), true));
            waits.Add(Assert.IsType<Step.Rest>(Next(state, host)).Until - Given.Now);
        }

        Assert.Equal(waits.Order(), waits);
        Assert.Equal(Cadence.BackoffCap * 0.5, waits[^1]);
        // The network came up: now.
        var up = Decider.Accept(new Turn(state, host, Given.Policy, Given.Now), new Command.NetworkUp()).Value;
        Assert.IsType<Step.CheckIn>(Next(up, host));
    }

    /// <summary>Each report of a refusal is answered with the same patch under another tag.</summary>
    [Fact]
    public void Next_WhenEveryReportIsAnsweredWithAnotherAssignment_ReportsEverMoreSlowly()
    {
        var now = Given.Now;
        var state = Given.Enrolled(new Phase.Resting(), null);
        var (calls, listening) = (0, false);
        for (var turn = 0; turn < 1000 && now < Given.Now.AddMinutes(10); turn++)
        {
            var host = Given.Host() with
            {
                At = now,
                Listen = listening ? new ListenState.Open() : new ListenState.Off(),
            };
            var step = Decider.Next(new Turn(state, host, Given.Policy, now));
            listening |= step is Step.Listen;
            state = step switch
            {
                Step.Believe b => b.After,
                Step.CheckIn => Decider.Apply(
                    new Turn(state, host, Given.Policy, now),
                    step,
                    new StepResult.CheckedIn(
                        new Assignment
                        {
                            Tag = $"tag of call {++calls}",
                            ManifestDigest = Two.ManifestDigest,
                            CheckInSeconds = 3600,
                            Now = now,
                        })),
                Step.FetchCatalogue => Decider.Apply(
                    new Turn(state, host, Given.Policy, now),
                    step,
                    Given.CatalogueOf(
                        5,
                        new CatalogueEntry
                        {
                            ManifestDigest = Two.ManifestDigest,
                            Version = Two.Version,
                            Sequence = Two.Sequence,
                        })),
                Step.FetchManifest => Decider.Apply(
                    new Turn(state, host, Given.Policy, now),
                    step,
                    new StepResult.Failed(
                        new Problem(ProblemCode.ManifestSignatureInvalid, "no", "none"), InPassing: false)),
                Step.Listen or Step.Tidy => Decider.Apply(
                    new Turn(state, host, Given.Policy, now), step, new StepResult.Done()),
                Step.Rest => state,
                _ => throw new InvalidOperationException(step.GetType().Name),
            };
            if (step is Step.Rest or Step.Listen) Assert.IsType<Phase.Refused>(state.Phase);
            if (step is Step.Rest rest) now = rest.Until;
        }

        Assert.InRange(calls, 4, 12);
        Assert.Equal(ProblemCode.ManifestSignatureInvalid, Projection.Report(state, Given.Host()).Problem?.Code);
    }

    [Fact]
    public void Next_WhenNobodyHoldsTheCheckIn_WaitsLongerEachTime()
    {
        var host = Given.Host();
        var state = Given.Enrolled(new Phase.Resting(), null).AfterReport(host);
        var waits = new List<TimeSpan>();
        for (var i = 0; i < 14; i++)
        {
            var listen = Next(state, host);
            if (listen is Step.Rest rest)
            {
                waits.Add(rest.Until - Given.Now);
                state = state.With(heldCall: h => h with { NotBefore = Given.Now });
                listen = Next(state, host);
            }

            state = Decider.Apply(
                new Turn(state, host, Given.Policy, Given.Now),
                Assert.IsType<Step.Listen>(listen),
                new StepResult.Done());
            var answered = host with
            {
                Listen = new ListenState.Answered(
                    new Assignment { Tag = "tag-1", CheckInSeconds = 7 * 86400, Now = Given.Now }),
            };
            state = Assert.IsType<Step.Believe>(Next(state, answered)).After;
        }

        Assert.InRange(waits.Count, 10, 12);
        Assert.Equal(waits.Order(), waits);
        Assert.Equal(Cadence.BackoffCap * 0.5, waits[^1]);
    }

    [Theory]
    [InlineData(0, true)]
    [InlineData(60, false)]
    [InlineData(60 * 24 * 365, true)]
    public void Next_WhenTheCheckInIsDueFarAhead_TakesItForAWrongClock(int minutes, bool due)
    {
        var host = Given.Host();
        var state = Given.Enrolled(new Phase.Resting(), null).AfterReport(host);
        state = state.With(checkIn: c => c with { Next = Given.Now.AddMinutes(minutes) });
        Assert.Equal(due, Next(state, host) is Step.CheckIn);
    }

    [Theory]
    [InlineData("offered")]
    [InlineData("listed")]
    [InlineData("downloading")]
    [InlineData("downloaded")]
    [InlineData("verified")]
    public void Next_OnTheWayWithoutAnEnrolment_GoesNoFurther(string phase)
    {
        Phase on = phase switch
        {
            "offered" => new Phase.Offered(Two.ManifestDigest, Retry.Now),
            "listed" => new Phase.Listed(Two.ManifestDigest, Retry.Now),
            "downloading" => new Phase.Downloading(Two, Retry.Now),
            "downloaded" => new Phase.Downloaded(Two),
            _ => new Phase.Verified(Two, null),
        };
        Assert.Equal(
            "believe not-enrolled",
            Given.Word(Next(new AgentState().With(pursuit: p => p with { Phase = on }), Given.Host())));
    }

    [Fact]
    public void Projection_WhileTheCatalogueIsLookedAtAgain_StaysApplied()
    {
        var host = Given.Host((One.Name, PatchSighting.Running, "a1"));
        var state = Given.Enrolled(new Phase.Offered(One.ManifestDigest, Retry.Now), One.ManifestDigest).With(
            kernel: k => k with { Running = Running(One) });
        Assert.Equal(PatchState.Applied, Projection.State(state, host));
        Assert.Equal(
            PatchState.Applying,
            Projection.State(
                state.With(pursuit: p => p with { Phase = new Phase.Offered(Two.ManifestDigest, Retry.Now) }), host));
    }

    [Fact]
    public void Next_WhileAStallCountsItsSeconds_HasNoNews()
    {
        var host = Given.Host((Two.Name, PatchSighting.Switching, "aa"));
        var state = Given.Enrolled(
            new Phase.Transitioning(Two, Given.Boot, Given.Now.AddMinutes(-2), true),
            Two.ManifestDigest).AfterReport(host);
        Assert.IsNotType<Step.CheckIn>(Next(state, host with { At = Given.Now.AddSeconds(7), BlockingTaskCount = 3 }));
    }

    [Fact]
    public void Apply_WhenTheCatalogueDoesNotListThePatch_RefusesIt()
    {
        var state = Given.Enrolled(new Phase.Offered(Two.ManifestDigest, Retry.Now), Two.ManifestDigest);
        var after = Decider.Apply(
            new Turn(state, Given.Host(), Given.Policy, Given.Now), new Step.FetchCatalogue(0), Given.CatalogueOf(5));
        Assert.Equal(ProblemCode.ManifestMismatch, Assert.IsType<Phase.Refused>(after.Phase).Problem.Code);
        Assert.Equal(5, after.Record.FloorFor(Given.Release).Catalogue);
    }

    [Fact]
    public void Accept_DisableDuringATransition_WatchesItToItsEndAndKeepsThePatch()
    {
        var host = Given.Host((Two.Name, PatchSighting.Running, "aa"));
        var state = Given.Enrolled(new Phase.Transitioning(Two, Given.Boot, Given.Now, false), Two.ManifestDigest);
        state = Decider.Accept(new Turn(state, host, Given.Policy, Given.Now), new Command.Disable()).Value;
        state = Assert.IsType<Step.Believe>(Next(state, host)).After;
        Assert.IsType<Phase.NotEnrolled>(state.Phase);
        Assert.Equal(Two, state.Kernel.Running!.Patch);
        Assert.Null(state.Enrolment);
    }

    [Fact]
    public void Accept_EnableTwice_IsRefusedWithTheCure()
    {
        var intent = new EnrolmentIntent(
            "e",
            new TokenContent { Server = "https://s", Secret = "s", Tls = [], Catalogue = [], Publishers = [] },
            "c");
        Assert.False(
            Decider.Accept(
                new Turn(Given.Enrolled(new Phase.Resting(), null), Given.Host(), Given.Policy, Given.Now),
                new Command.Enable(intent)).TryGet(out _, out var problem));
        Assert.Equal(ProblemCode.AlreadyEnrolled, problem.Code);
    }

    [Fact]
    public void Accept_RefreshAfterARefusal_TriesAgain()
    {
        var host = Given.Host();
        var state = Given.Enrolled(
            Given.Refused(Two.ManifestDigest, Two, new Problem(ProblemCode.ModuleUnsigned, "cannot", "cure")),
            Two.ManifestDigest).AfterReport(host);
        Assert.IsType<Step.Listen>(Next(state, host));
        state = Decider.Accept(new Turn(state, host, Given.Policy, Given.Now), new Command.Refresh()).Value;
        Assert.Equal("believe offered", Given.Word(Next(state, host)));
    }

    [Fact]
    public void Apply_ThirdFailureToEnrol_EndsItWithTheReason()
    {
        var state = new AgentState().With(
            pursuit: p => p with
            {
                Phase = new Phase.Enrolling(
                    new EnrolmentIntent(
                        "e",
                        new TokenContent
                        {
                            Server = "https://s",
                            Secret = "s",
                            Tls = [],
                            Catalogue = [],
                            Publishers = [],
                        },
                        "c"),
                    Retry.Now),
            });
        var problem = new Problem(
            ProblemCode.ServerUnreachable,
            "cannot reach it",
            $"check the network; {Problem.TriedAgain}");
        for (var i = 0; i < Cadence.MaxEnrolAttempts; i++)
        {
            var step = new Step.Enrol(((Phase.Enrolling)state.Phase).Intent);
            state = Decider.Apply(
                new Turn(state, Given.Host(), Given.Policy, Given.Now), step, new StepResult.Failed(problem, true));
        }

        var told = Assert.IsType<Phase.NotEnrolled>(state.Phase).Problem!;
        Assert.Equal(
            (problem.Code, "cannot reach it (3 tries); check the network, then run `livepatch-agent enable` again"),
            (told.Code, told.ToString()));
    }

    [Fact]
    public void Apply_CatalogueLookedAtAgain_LetsARefusalStandAndShowsItMeanwhile()
    {
        var host = Given.Host();
        var refused = Given.Refused(Two.ManifestDigest, Two, new Problem(
            ProblemCode.KernelInvalidArgument,
            "cannot",
            "cure"));
        var state = Given.Enrolled(refused, Two.ManifestDigest).AfterReport(host);
        state = state.With(
            conversation: c => c with { Assignment = state.Conversation.Assignment! with { Confirmed = false } });
        state = Assert.IsType<Step.Believe>(Next(state, host)).After;
        Assert.Equal(PatchState.ApplyFailed, Projection.State(state, host));
        var entry = new CatalogueEntry { ManifestDigest = Two.ManifestDigest, Version = "2.0", Sequence = 2 };
        state = Decider.Apply(
            new Turn(state, host, Given.Policy, Given.Now), new Step.FetchCatalogue(0), Given.CatalogueOf(6, entry));
        Assert.Equal(refused, state.Phase);
        Assert.IsType<Step.Listen>(Next(state, host));
    }

    [Fact]
    public void Next_AfterARebootWithObserveOn_DoesNotCallThePatchAppliedAndGoesOnWhenItIsOff()
    {
        var host = Given.Host() with { KillSwitch = KillSwitch.Observe };
        var state = Given.Enrolled(new Phase.Resting(), One.ManifestDigest).With(
            kernel: k => k with { Running = new RunningPatch(One, "boot-0", Given.Now, null) },
            record: r => r with { LastGood = One });
        state = Assert.IsType<Step.Believe>(Next(state, host)).After.AfterReport(host);
        Assert.Equal(PatchState.Refused, Projection.State(state, host));
        Assert.IsType<Step.Listen>(Next(state, host));
        var free = Given.Host();
        state = Assert.IsType<Step.Believe>(Next(state, free)).After;
        Assert.Equal("believe listed", Given.Word(Next(state, free)));
    }

    [Fact]
    public void Next_AfterARebootWithAWithdrawnPatch_LeavesItOut()
    {
        var state = Given.Enrolled(new Phase.Resting(), One.ManifestDigest).With(
            kernel: k => k with { Running = new RunningPatch(One, "boot-0", Given.Now, "it leaks") },
            record: r => r with { LastGood = One });
        var after = Assert.IsType<Step.Believe>(Next(state, Given.Host())).After;
        Assert.Equal(ProblemCode.PatchWithdrawn, Assert.IsType<Phase.Refused>(after.Phase).Problem.Code);
        Assert.Null(after.Record.LastGood);
    }

    [Fact]
    public void Accept_Disable_ForgetsWhatAnotherServerWouldCountAnew()
    {
        var state = Given.Enrolled(new Phase.Resting(), null).With(
            record: r => r with { Floors = new Dictionary<string, Floor> { [Given.Release] = new(9, 9) } });
        Assert.Empty(
            Decider.Accept(
                new Turn(state, Given.Host(), Given.Policy, Given.Now), new Command.Disable()).Value.Record.Floors);
    }
}
