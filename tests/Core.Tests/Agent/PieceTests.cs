using LivepatchAgent.Core.Agent;

namespace LivepatchAgent.Core.Tests.Agent;

/// <summary>
/// A module that was put together from several answers of the server, and a kernel that is busy: what is tried again,
/// how often, and when.
/// </summary>
public sealed class PieceTests
{
    private static readonly PatchRef Two = Given.Patch(2);
    private static readonly Problem Foreign = new(ProblemCode.ModuleDigestMismatch, "cannot", "cure");

    /// <summary>It is fetched once more in the hope of one piece; after that pieces are no excuse.</summary>
    [Theory]
    [InlineData(false, false, false)]
    [InlineData(false, true, true)]
    [InlineData(true, false, false)]
    [InlineData(true, true, false)]
    public void Download_InPieces_CountsAtTheFirstFetchOnly(bool isSecond, bool inPieces, bool counts)
    {
        var downloading = new Phase.Downloading(Two, Retry.Now, SecondFetch: isSecond);
        var after = Apply(downloading, new Step.Download(Two), new StepResult.Downloaded(inPieces));
        Assert.Equal(new Phase.Downloaded(Two, counts), after.Phase);
    }

    [Fact]
    public void Download_ThatFailsInPassing_StaysTheSecondFetch()
    {
        var downloading = new Phase.Downloading(Two, Retry.Now, SecondFetch: true);
        var after = Apply(downloading, new Step.Download(Two), new StepResult.Failed(Foreign, InPassing: true));
        Assert.True(Assert.IsType<Phase.Downloading>(after.Phase).SecondFetch);
    }

    [Theory]
    [InlineData(true, true, "downloading")]
    [InlineData(true, false, "refused")]
    [InlineData(false, true, "refused")]
    public void Verify_ThatFails_FetchesPiecesOnceMore(bool inPieces, bool isFileDropped, string phase)
    {
        var failed = new StepResult.Failed(Foreign, InPassing: false)
        {
            Origin = RefusalOrigin.Signature,
            IsFileDropped = isFileDropped,
        };
        var after = Apply(new Phase.Downloaded(Two, inPieces), new Step.Verify(Two), failed);
        if (phase == "refused")
        {
            Assert.Equal(RefusalOrigin.Signature, Assert.IsType<Phase.Refused>(after.Phase).Origin);
            return;
        }

        var again = Assert.IsType<Phase.Downloading>(after.Phase);
        Assert.True(again.SecondFetch);
        Assert.Equal(Foreign, again.Retry.Problem);
        Assert.True(again.Retry.NotBefore > Given.Now);
        Assert.Equal(1, after.Pursuit.BusyAnswers);
    }

    /// <summary>The journal remembers it: another daemon fetches the module once more as well.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Pieces_AreInTheJournal(bool set)
    {
        var stored = Assert.IsType<Phase.Downloaded>(Reread(new Phase.Downloaded(Two, set)));
        var fetched = Assert.IsType<Phase.Downloading>(Reread(new Phase.Downloading(Two, Retry.Now, set)));
        Assert.Equal((set, set), (stored.InPieces, fetched.SecondFetch));
    }

    /// <summary>
    /// A transition lasts seconds as a rule: the kernel is asked four times soon, then ever more slowly.
    /// </summary>
    [Fact]
    public void BusyKernel_IsAskedSoonAndThenMoreSlowly()
    {
        var busy = new Problem(ProblemCode.KernelBusy, "cannot", "cure");
        var state = Given.Enrolled(new Phase.Cleared(Two, null), Two.ManifestDigest);
        var pauses = new List<TimeSpan>();
        for (var i = 0; i < 7; i++)
        {
            var turn = new Turn(
                state.InPhase(new Phase.Loading(Two, Given.Boot)), Given.Host(), Given.Policy, Given.Now);
            state = Decider.Apply(turn, new Step.Load(Two), new StepResult.Failed(busy, InPassing: true));
            var retry = Assert.IsType<Phase.Downloading>(state.Phase).Retry;
            pauses.Add(retry.NotBefore - Given.Now);
            Assert.Equal(i + 1, retry.Failures);
            Assert.Equal(0, state.Pursuit.LoadAttempts);
        }

        var soon = TimeSpan.FromSeconds(2);
        Assert.Equal([soon, soon, soon, soon], pauses.Take(4));
        Assert.Equal([2.5, 5, 10], pauses.Skip(4).Select(p => p.TotalSeconds));
    }

    private static Phase Reread(Phase phase)
    {
        var journal = StateJson.Write(Given.Enrolled(phase, Two.ManifestDigest));
        return StateJson.Read(journal, "journal").Value.Phase;
    }

    private static AgentState Apply(Phase phase, Step step, StepResult result)
    {
        var state = Given.Enrolled(phase, Two.ManifestDigest);
        return Decider.Apply(new Turn(state, Given.Host(), Given.Policy, Given.Now), step, result);
    }
}
