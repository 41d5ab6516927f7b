using LivepatchAgent.Core.Agent;
using LivepatchAgent.Core.Kernel;

namespace LivepatchAgent.Core.Tests.Agent;

/// <summary>
/// How many unclean ends of a boot a patch is allowed: one while it is new here, three in a row once it is proven.
/// </summary>
public class StrikeTests
{
    private static readonly PatchRef One = Given.Patch(1);
    private static readonly PatchRef Two = Given.Patch(2);

    public static TheoryData<string> Places => ["running", "loading", "transitioning"];

    /// <summary>
    /// Power that comes back, flaps and goes again within a boot's load takes no host its proven patch.
    /// </summary>
    [Theory]
    [MemberData(nameof(Places))]
    public void ProvenPatch_WhereverItStands_HasThreeStrikes(string place)
    {
        var state = Ended(place, proven: true, boot: 0);
        for (var boot = 1; boot <= 2; boot++)
        {
            state = AfterTheBoot(state, boot);
            Assert.Equal(One, Assert.IsType<Phase.Downloaded>(state.Phase).Patch);
            Assert.Empty(state.Record.Quarantine);
            state = At(state, place, boot);
        }

        state = AfterTheBoot(state, 3);
        Assert.Equal(One.ManifestDigest, Assert.Single(state.Record.Quarantine).ManifestDigest);
        Assert.Contains("3 times in a row", state.Record.Quarantine[0].Reason, StringComparison.Ordinal);
        Assert.Null(state.Kernel.Strikes);
    }

    [Theory]
    [MemberData(nameof(Places))]
    public void NewPatch_WhereverItStands_HasOne(string place) =>
        Assert.Single(AfterTheBoot(Ended(place, proven: false, boot: 0), 1).Record.Quarantine);

    /// <summary>The three may be spread over what the patch was doing.</summary>
    [Fact]
    public void ProvenPatch_ThatEndsTheHostInDifferentPlaces_HasThreeInAll()
    {
        var state = AfterTheBoot(Ended("loading", proven: true, boot: 0), 1);
        state = AfterTheBoot(At(state, "transitioning", 1), 2);
        Assert.Empty(state.Record.Quarantine);
        Assert.Single(AfterTheBoot(At(state, "running", 2), 3).Record.Quarantine);
    }

    /// <summary>
    /// The system's own mark stands in for a daemon that was dead, or a disk that was full, at the end.
    /// </summary>
    [Theory]
    [MemberData(nameof(Places))]
    public void NewPatch_OfABootThatTheSystemMarkedAsEnded_IsLoadedAgain(string place)
    {
        var state = Ended(place, proven: false, boot: 0);
        var host = Given.Host() with { BootId = "boot-1", CleanEnds = ["boot-0"] };
        var after = Assert.IsType<Step.Believe>(Next(state, host)).After;
        Assert.Equal(One, Assert.IsType<Phase.Downloaded>(after.Phase).Patch);
        Assert.Empty(after.Record.Quarantine);
        // A mark of other boots says nothing of this one.
        var other = Next(state, host with { CleanEnds = ["boot-9", "boot-8"] });
        Assert.Single(Assert.IsType<Step.Believe>(other).After.Record.Quarantine);
    }

    /// <summary>The boots after it ended in order too, and ran no daemon or one that could save nothing.</summary>
    [Theory]
    [MemberData(nameof(Places))]
    public void NewPatch_OfABootThatTheSystemMarkedBeforeOthers_IsLoadedAgain(string place)
    {
        var state = Ended(place, proven: false, boot: 0);
        var host = Given.Host() with { BootId = "boot-3", CleanEnds = ["boot-2", "boot-1", "boot-0"] };
        Assert.Empty(Assert.IsType<Step.Believe>(Next(state, host)).After.Record.Quarantine);
    }

    /// <summary>The mark names the last boots: what it said is kept while nothing may be judged.</summary>
    [Fact]
    public void Mark_SeenByABootThatMayNotJudge_IsRemembered()
    {
        var state = Ended("running", proven: false, boot: 0);
        var off = Given.Host() with { BootId = "boot-1", CleanEnds = ["boot-0"], KillSwitch = KillSwitch.Off };
        var turn = new Turn(state, off, Given.Policy, Given.Now);
        var saved = Decider.Begin(turn, Decider.Next(turn));
        Assert.True(saved.Kernel.StoppedCleanly);
        var on = Given.Host() with { BootId = "boot-2", CleanEnds = ["boot-1"] };
        Assert.Empty(Assert.IsType<Step.Believe>(Next(saved, on)).After.Record.Quarantine);
    }

    /// <summary>
    /// A proven patch that takes the host down is to blame alone; what ran beside it is loaded again.
    /// </summary>
    [Fact]
    public void ProvenPatch_LoadedBesideAnother_KeepsItsStrikeWhileTheOtherComesBack()
    {
        var state = Given.Enrolled(new Phase.Loading(One, "boot-0"), One.ManifestDigest).With(
            kernel: k => k with { Running = new RunningPatch(Two, "boot-0", Given.Now, null), StoppedCleanly = false },
            record: r => r with { LastGood = One });
        var after = AfterTheBoot(state, 1);
        Assert.Equal(Two, Assert.IsType<Phase.Downloaded>(after.Phase).Patch);
        Assert.Equal(new Strikes(One.ManifestDigest, 1), after.Kernel.Strikes);
        Assert.Empty(after.Record.Quarantine);
    }

    private static Step Next(AgentState state, HostSnapshot host) =>
        Decider.Next(new Turn(state, host, Given.Policy, Given.Now));

    private static AgentState AfterTheBoot(AgentState state, int boot) =>
        Assert.IsType<Step.Believe>(Next(state, Given.Host() with { BootId = $"boot-{boot}" })).After;

    private static AgentState Ended(string place, bool proven, int boot) =>
        At(
            Given.Enrolled(new Phase.Resting(), One.ManifestDigest).With(
                record: r => r with { LastGood = proven ? One : null }),
            place,
            boot);

    /// <summary>A boot in which the patch stood there, and that has not ended in order.</summary>
    private static AgentState At(AgentState state, string place, int boot)
    {
        var bootId = $"boot-{boot}";
        Phase phase = place switch
        {
            "loading" => new Phase.Loading(One, bootId),
            "transitioning" => new Phase.Transitioning(One, bootId, Given.Now, false),
            _ => new Phase.Resting(),
        };
        var running = place == "running" ? new RunningPatch(One, bootId, Given.Now.AddMinutes(-1), null) : null;
        return state.InPhase(phase).With(kernel: k => k with { Running = running, StoppedCleanly = false });
    }
}
