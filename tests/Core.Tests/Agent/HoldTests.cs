using LivepatchAgent.Core.Agent;
using LivepatchAgent.Core.History;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Core.Tests.Agent;

/// <summary>"Keep what runs": a held host is told of new patches, loads none, and brings back what it ran.</summary>
public sealed class HoldTests
{
    private static readonly PatchRef One = Given.Patch(1);
    private static readonly PatchRef Two = Given.Patch(2);
    private static readonly HistoryBy Carol = new(1000, 4711, "bash");
    private static readonly HostSnapshot RunsOne = Given.Host((One.Name, PatchSighting.Running, "a1"));

    private static Turn Turn(AgentState state, HostSnapshot host) => new(state, host, Given.Policy, Given.Now);

    private static AgentState Accepted(AgentState state, HostSnapshot host, Command command) =>
        Decider.Accept(Turn(state, host), command).Value;

    private static RunningPatch Ran(PatchRef patch, string boot = Given.Boot) =>
        new(patch, boot, Given.Now.AddMinutes(-1), null);

    /// <summary>Patch 1 runs, within its probation; that one is assigned.</summary>
    private static AgentState Running(string assigned) => Given.Enrolled(new Phase.Resting(), assigned).With(
        kernel: k => k with { Running = Ran(One) },
        record: r => r.WithFloor(Given.Release, new Floor(1, 0).With(One)));

    private static AgentState Held(AgentState state, HostSnapshot host) =>
        Accepted(state, host, new Command.Hold(Carol));

    [Fact]
    public void Hold_OfAHeldHost_ChangesNothing()
    {
        var held = Held(Running(One.ManifestDigest), RunsOne);
        Assert.Equal(new Hold(Carol, Given.Now), held.Record.Hold);
        Assert.Same(held, Accepted(held, RunsOne, new Command.Hold(null)));
    }

    [Fact]
    public void Unhold_OfAHostThatIsNotHeld_ChangesNothing()
    {
        var state = Running(One.ManifestDigest);
        Assert.Same(state, Accepted(state, RunsOne, new Command.Unhold()));
    }

    [Fact]
    public void Disable_OfAHeldHost_KeepsTheHold()
    {
        var held = Held(Running(One.ManifestDigest), RunsOne);
        Assert.NotNull(Accepted(held, RunsOne, new Command.Disable()).Record.Hold);
    }

    [Fact]
    public void NewPatch_OnAHeldHost_IsSaidAndNotLoaded()
    {
        var held = Held(Running(Two.ManifestDigest), RunsOne);
        var (loads, rest) = Walk(held, RunsOne);
        Assert.Empty(loads);
        Assert.IsType<Phase.Resting>(rest.Phase);
        var status = Status(rest, RunsOne);
        Assert.Equal((PatchState.Applied, "1.0"), (status.State, status.Patch?.Version));
        Assert.Equal("2.0", status.Hold?.Available?.Version);
        Assert.Equal(new HoldAsker { Uid = 1000, Program = "bash" }, status.Hold?.By);
        Assert.True(Projection.Report(rest, RunsOne).Held);
    }

    [Fact]
    public void NewPatch_OnAHeldHostThatRunsNothing_LeavesNothingToApply()
    {
        var (loads, rest) = Walk(
            Held(Given.Enrolled(new Phase.Resting(), Two.ManifestDigest), Given.Host()), Given.Host());
        Assert.Empty(loads);
        var status = Status(rest, Given.Host());
        Assert.Equal((PatchState.NothingToApply, "2.0"), (status.State, status.Hold?.Available?.Version));
    }

    [Fact]
    public void Refresh_OfAHeldHost_LooksAgainAndLoadsNothing()
    {
        var (_, rest) = Walk(Held(Running(Two.ManifestDigest), RunsOne), RunsOne);
        var (loads, again) = Walk(Accepted(rest, RunsOne, new Command.Refresh()), RunsOne);
        Assert.Empty(loads);
        Assert.True(again.Conversation.Assignment?.Confirmed);
        Assert.Equal("2.0", Status(again, RunsOne).Hold?.Available?.Version);
    }

    [Fact]
    public void Unhold_WithAPatchAssigned_LoadsItAtOnce()
    {
        var (_, rest) = Walk(Held(Running(Two.ManifestDigest), RunsOne), RunsOne);
        var free = Accepted(rest, RunsOne, new Command.Unhold());
        Assert.Equal("believe listed", Given.Word(Decider.Next(Turn(free.AfterReport(RunsOne), RunsOne))));
        Assert.Equal([Two.Name], Walk(free, RunsOne).Loads);
        Assert.Null(Status(free, RunsOne).Hold);
        Assert.Null(Projection.Report(free, RunsOne).Held);
    }

    /// <summary>What was refused before stays what is said, until another patch is assigned.</summary>
    [Fact]
    public void NewPatch_OnAHeldHostThatRefusedAnother_TakesTheRefusalsPlace()
    {
        var other = Given.Patch(3);
        var unsigned = new Problem(ProblemCode.ModuleUnsigned, "cannot", "cure");
        var refused = Given.Refused(other.ManifestDigest, other, unsigned);
        var held = Held(Running(Two.ManifestDigest).InPhase(refused), RunsOne);
        var (loads, rest) = Walk(held, RunsOne);
        Assert.Empty(loads);
        Assert.IsType<Phase.Resting>(rest.Phase);
    }

    public static TheoryData<string, bool> Ends => new()
    {
        { "in probation", true },
        { "proven", true },
        { "proven", false },
    };

    [Theory]
    [MemberData(nameof(Ends))]
    public void Reboot_OfAHeldHost_LoadsWhatRanAgain(string standing, bool cleanly)
    {
        var held = Held(Running(Two.ManifestDigest), RunsOne).With(
            kernel: k => k with { StoppedCleanly = cleanly },
            record: r => r with { LastGood = standing == "proven" ? One : null });
        var boot = Given.Host() with { BootId = "boot-2" };
        Assert.Equal([One.Name], Walk(held, boot).Loads);
    }

    /// <summary>The newest patch took the host down: the last good one is what a held host goes back to.</summary>
    [Fact]
    public void Crash_OfAHeldHost_FallsBackToTheLastGoodPatch()
    {
        var held = Held(Running(One.ManifestDigest), RunsOne).With(
            kernel: k => k with { Running = Ran(Two), StoppedCleanly = false },
            record: r => r with { LastGood = One });
        var (loads, after) = Walk(held, Given.Host() with { BootId = "boot-2" });
        Assert.Equal([One.Name], loads);
        Assert.Equal(Two.ManifestDigest, Assert.Single(after.Record.Quarantine).ManifestDigest);
    }

    /// <summary>The kernel is busy when what ran is loaded again, and another patch is assigned meanwhile.</summary>
    [Fact]
    public void NewAssignment_WhileAHeldHostLoadsAgain_DoesNotTakeItsPlace()
    {
        var again = Held(Running(One.ManifestDigest), RunsOne).With(
            kernel: k => k with { Running = null },
            pursuit: p => p with { Phase = new Phase.Downloading(One, Retry.Now) });
        var answer = new Assignment
        {
            Tag = "tag-2",
            ManifestDigest = Two.ManifestDigest,
            CheckInSeconds = 900,
            Now = Given.Now,
        };
        var host = Given.Host() with { Listen = new ListenState.Answered(answer) };
        var taken = Assert.IsType<Step.Believe>(Decider.Next(Turn(again, host))).After;
        Assert.Equal(Two.ManifestDigest, taken.Conversation.Assignment?.ManifestDigest);
        Assert.Equal([One.Name], Walk(taken, Given.Host()).Loads);
    }

    /// <summary>Somebody switched it off on this host, and asks for it again: it is what the host ran.</summary>
    [Fact]
    public void Refresh_AfterARemovalByHand_LoadsWhatRanAgain()
    {
        var (_, gone) = Walk(Held(Running(One.ManifestDigest), RunsOne), Given.Host());
        Assert.Equal(ProblemCode.PatchRemovedByHand, Assert.IsType<Phase.Refused>(gone.Phase).Problem.Code);
        Assert.Equal([One.Name], Walk(Accepted(gone, Given.Host(), new Command.Refresh()), Given.Host()).Loads);
    }

    /// <summary>The patch that was kept out once is the one that is brought back now.</summary>
    [Theory]
    [InlineData("downloaded")]
    [InlineData("loading")]
    [InlineData("transitioning")]
    public void Status_WhileWhatRanIsLoadedAgain_DoesNotSayThatItIsKeptOut(string phase)
    {
        Phase way = phase switch
        {
            "downloaded" => new Phase.Downloaded(One),
            "loading" => new Phase.Loading(One, Given.Boot),
            _ => new Phase.Transitioning(One, Given.Boot, Given.Now, StallReported: false),
        };
        var held = Held(Running(One.ManifestDigest), RunsOne).With(
            kernel: k => k with { Running = null },
            record: r => r with { Hold = r.Hold! with { Available = One } });
        Assert.Equal("1.0", Status(held, Given.Host()).Hold?.Available?.Version);
        Assert.Null(Status(held.InPhase(way), Given.Host()).Hold?.Available);
    }

    /// <summary>A withdrawn patch is replaced by an older one only where no hold says to keep it.</summary>
    [Fact]
    public void OlderPatch_OnAHeldHost_IsNotLoadedThoughItIsTheLastGoodOne()
    {
        var state = Running(One.ManifestDigest).With(
            kernel: k => k with { Running = Ran(Two) with { WithdrawalReason = "stalls" } },
            record: r => r with { LastGood = One });
        var host = Given.Host((Two.Name, PatchSighting.Running, "a2"));
        Assert.Empty(Walk(Held(state, host), host).Loads);
        Assert.Equal([One.Name], Walk(state, host).Loads);
    }

    /// <summary>Turns until the agent rests or asks for a load; all goes well with server and disk.</summary>
    private static (List<string> Loads, AgentState State) Walk(AgentState state, HostSnapshot host)
    {
        var loads = new List<string>();
        for (var i = 0; i < 40; i++)
        {
            var step = Decider.Next(Turn(state, host));
            if (step is Step.Rest or Step.Listen) return (loads, state);
            if (step is Step.Load load)
            {
                loads.Add(load.Patch.Name);
                return (loads, state);
            }

            state = After(state, host, step);
        }

        throw new InvalidOperationException($"no end: {Given.Kind(state.Phase)}");
    }

    private static AgentState After(AgentState state, HostSnapshot host, Step step)
    {
        var turn = Turn(state, host);
        var assigned = state.Conversation.Assignment;
        return step switch
        {
            Step.Believe b => b.After,
            Step.CheckIn => Decider.Apply(turn, step, new StepResult.CheckedIn(new Assignment
            {
                Tag = assigned!.Tag, ManifestDigest = assigned.ManifestDigest, CheckInSeconds = 900, Now = Given.Now,
            })),
            Step.FetchCatalogue => Decider.Apply(turn, step, Given.CatalogueOf(5, Entry(One), Entry(Two))),
            Step.FetchManifest s => Decider.Apply(
                turn, step, Given.ManifestOf(s.ManifestDigest == One.ManifestDigest ? One : Two)),
            // What only Trust can say.
            Step.Verify s => state.InPhase(new Phase.Verified(s.Patch, "aa")),
            Step.Preflight s => state.InPhase(new Phase.Cleared(s.Patch, "aa")),
            _ => Decider.Apply(turn, step, new StepResult.Done()),
        };
    }

    private static CatalogueEntry Entry(PatchRef patch) =>
        new() { ManifestDigest = patch.ManifestDigest, Version = patch.Version, Sequence = patch.Sequence };

    private static AgentStatus Status(AgentState state, HostSnapshot host) =>
        Projection.Status(state, host, new Step.Rest(DateTimeOffset.MaxValue), null, "1", Given.Now);
}
