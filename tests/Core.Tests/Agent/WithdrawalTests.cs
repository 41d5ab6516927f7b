using LivepatchAgent.Core.Agent;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Core.Tests.Agent;

/// <summary>
/// What a withdrawal changes: what is fallen back to, what is gone back to, and what the server alone cannot bring
/// about.
/// </summary>
public class WithdrawalTests
{
    private static readonly PatchRef One = Given.Patch(1);
    private static readonly PatchRef Two = Given.Patch(2);
    private static readonly PatchRef Three = Given.Patch(3);
    private static readonly string Document = new('d', 64);

    private static Step Next(AgentState state, HostSnapshot host) =>
        Decider.Next(new Turn(state, host, Given.Policy, Given.Now));

    private static RunningPatch Runs(PatchRef patch, string? withdrawn = null) =>
        new(patch, Given.Boot, Given.Now.AddMinutes(-1), withdrawn);

    private static CatalogueEntry Entry(PatchRef patch, string? withdrawal = null) =>
        new()
        {
            ManifestDigest = patch.ManifestDigest,
            Version = patch.Version,
            Sequence = patch.Sequence,
            Withdrawal = withdrawal,
        };

    private static AgentState Confirm(AgentState state, params CatalogueEntry[] entries) =>
        Decider.Apply(
            new Turn(
                state.With(
                    pursuit: p => p with
                    {
                        Phase = new Phase.Offered(state.Conversation.Assignment!.ManifestDigest, Retry.Now),
                    }),
                Given.Host(),
                Given.Policy,
                Given.Now),
            new Step.FetchCatalogue(0),
            Given.CatalogueOf(9, entries));

    private static AgentState Read(AgentState state, PatchRef withdrawn) =>
        Decider.Apply(
            new Turn(state, Given.Host(), Given.Policy, Given.Now),
            new Step.FetchWithdrawal(Document, withdrawn.ManifestDigest),
            new StepResult.WithdrawalRead(
                new PatchWithdrawal
                {
                    Schema = PatchWithdrawal.SchemaName,
                    ManifestDigest = withdrawn.ManifestDigest,
                    Reason = "it leaks",
                }));

    private static AgentState Having(AgentState state, params PatchRef[] ran) =>
        state.With(
            record: r => r with
            {
                Floors = new Dictionary<string, Floor>
                {
                    [Given.Release] = ran.Aggregate(new Floor(0, 0), (f, p) => f.With(p)),
                },
            });

    private static Problem? Manifest(AgentState state, PatchRef patch) =>
        (Decider.Apply(
            new Turn(
                state.With(pursuit: p => p with { Phase = new Phase.Listed(patch.ManifestDigest, Retry.Now) }),
                Given.Host(),
                Given.Policy,
                Given.Now),
            new Step.FetchManifest(patch.ManifestDigest),
            Given.ManifestOf(patch)).Phase as Phase.Refused)?.Problem;

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Completed_InThePlaceOfAWithdrawnPatch_LeavesNothingToFallBackTo(bool read)
    {
        var host = Given.Host((One.Name, PatchSighting.Lingering, "a1"), (Two.Name, PatchSighting.Running, "a2"));
        var state = Given.Enrolled(new Phase.Transitioning(Two, Given.Boot, Given.Now, false), Two.ManifestDigest).With(
            kernel: k => k with { Running = Runs(One, read ? "it leaks" : null) },
            record: r => r with { LastGood = One });
        if (!read) state = state.With(withdrawals: w => w with { Pending = [new(Document, One.ManifestDigest)] });
        state = Assert.IsType<Step.Believe>(Next(state, host)).After;
        Assert.Equal(Two, state.Kernel.Running!.Patch);
        Assert.Null(state.Record.LastGood);
        // And so a crash of the new one does not bring it back.
        var next = Assert.IsType<Step.Believe>(
            Next(
                state.With(kernel: k => k with { StoppedCleanly = false }),
                Given.Host() with { BootId = "boot-2" })).After;
        Assert.IsType<Phase.Refused>(next.Phase);
    }

    [Fact]
    public void Confirmed_WhenWhatIsFallenBackToWasWithdrawn_ForgetsIt()
    {
        var state = Given.Enrolled(new Phase.Resting(), Two.ManifestDigest).With(
            kernel: k => k with { Running = Runs(Two) }, record: r => r with { LastGood = One });
        Assert.Null(Confirm(state, Entry(One, Document), Entry(Two)).Record.LastGood);
        Assert.Equal(One, Confirm(state, Entry(One), Entry(Two)).Record.LastGood);
        // What runs is kept until a reboot or a successor, and says so.
        state = state.With(kernel: k => k with { Running = Runs(One) });
        var kept = Confirm(state, Entry(One, Document), Entry(Two));
        Assert.Equal(One, kept.Record.LastGood);
        Assert.Equal(
            new PendingWithdrawal(Document, One.ManifestDigest), Assert.Single(kept.Conversation.Withdrawals.Pending));
    }

    /// <summary>
    /// A crash took the newest out of the kernel, and its publisher took it back: then older ones are no rollback.
    /// </summary>
    [Fact]
    public void Rollback_AfterASignedWithdrawalOfWhatIsQuarantined_IsTaken()
    {
        var state = Having(Given.Enrolled(new Phase.Resting(), One.ManifestDigest), Two).With(
            record: r => r with { Quarantine = [new Quarantined(Two.ManifestDigest, "2.0", "it crashed", Given.Now)] });
        Assert.Equal(ProblemCode.PatchRolledBack, Manifest(state, One)?.Code);
        state = Confirm(state, Entry(One), Entry(Two, Document));
        // The server's catalogue alone changes nothing.
        Assert.Equal(ProblemCode.PatchRolledBack, Manifest(state, One)?.Code);
        Assert.Equal(new Step.FetchWithdrawal(Document, Two.ManifestDigest), Next(state, Given.Host()));
        state = Read(state, Two);
        Assert.Empty(state.Conversation.Withdrawals.Pending);
        Assert.Null(Manifest(state, One));
    }

    [Fact]
    public void Rollback_AfterAWithdrawal_GoesNoLowerThanWhatElseRan()
    {
        var state = Having(Given.Enrolled(new Phase.Resting(), One.ManifestDigest), Two, Three).With(
            kernel: k => k with { Running = Runs(Three) });
        state = Read(state, Three);
        Assert.Equal("it leaks", state.Kernel.Running!.WithdrawalReason);
        Assert.Null(Manifest(state, Two));
        Assert.Equal(ProblemCode.PatchRolledBack, Manifest(state, One)?.Code);
        // The reboot takes the withdrawn one out and forgets neither.
        state = Assert.IsType<Step.Believe>(
            Next(state.With(record: r => r with { LastGood = Three }), Given.Host() with { BootId = "boot-2" })).After;
        Assert.Null(state.Kernel.Running);
        Assert.Null(Manifest(state, Two));
    }

    /// <summary>A quarantine says nothing of older patches but the one that the host goes back to by itself.</summary>
    [Fact]
    public void Rollback_AfterAQuarantineAlone_GoesBackToTheLastGoodOneOnly()
    {
        var state = Having(
            Given.Enrolled(new Phase.Resting(), One.ManifestDigest),
            Two,
            Three).With(record: r => r with
            {
                LastGood = Two,
                Quarantine = [new Quarantined(Three.ManifestDigest, "3.0", "it crashed", Given.Now)],
            });
        Assert.Null(Manifest(state, Two));
        Assert.Equal(ProblemCode.PatchRolledBack, Manifest(state, One)?.Code);
    }

    [Fact]
    public void Rollback_ThatWasRefusedBeforeTheWithdrawalCame_IsTriedAgain()
    {
        var refused = Given.Refused(One.ManifestDigest, One, new Problem(
            ProblemCode.PatchRolledBack,
            "cannot",
            "cure"));
        var state = Having(Given.Enrolled(refused, One.ManifestDigest), Two).With(
            withdrawals: w => w with { Pending = [new(Document, Two.ManifestDigest)] });
        Assert.Equal("fetch-withdrawal", Given.Word(Next(state, Given.Host())));
        state = Read(state, Two);
        Assert.Equal("believe listed", Given.Word(Next(state, Given.Host())));
    }

    [Fact]
    public void Floor_OfMorePatchesThanAreKept_FallsNoLowerThanTheRest()
    {
        var floor = Enumerable.Range(1, 20).Aggregate(
            new Floor(0, 0), (f, n) => f.With(One with { ManifestDigest = n.ToString("x64"), Sequence = n }));
        Assert.Equal((20, 16), (floor.Lowest, floor.Patches.Count));
        foreach (var n in Enumerable.Range(1, 20)) floor = floor.Without(n.ToString("x64"));
        Assert.Equal(4, floor.Lowest);
    }

    /// <summary>One lost connection does not hide a withdrawal until the next catalogue.</summary>
    [Fact]
    public void Withdrawal_ThatCannotBeFetchedInPassing_IsTriedAgainSoon()
    {
        var host = Given.Host((One.Name, PatchSighting.Running, "a1"));
        var state = Given.Enrolled(new Phase.Resting(), One.ManifestDigest).With(
            withdrawals: w => w with { Pending = [new(Document, One.ManifestDigest)] },
            kernel: k => k with { Running = Runs(One) },
            record: r => r with { LastGood = One });
        var step = Next(state, host);
        Assert.Equal(new Step.FetchWithdrawal(Document, One.ManifestDigest), step);
        var away = new Problem(ProblemCode.ServerUnreachable, "cannot", "cure");
        var failed = Decider.Apply(
            new Turn(state, host, Given.Policy, Given.Now), step, new StepResult.Failed(away, InPassing: true));
        failed = failed.AfterReport(host).With(heldCall: h => h with { NotBefore = Given.Now.AddMinutes(5) });
        var wait = Assert.IsType<Step.Rest>(Next(failed, host)).Until;
        Assert.InRange(wait - Given.Now, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(5));
        Assert.Equal(step, Decider.Next(new Turn(failed, host, Given.Policy, wait)));
        // And it does not stand before another.
        var other = new PendingWithdrawal(new string('e', 64), Two.ManifestDigest);
        var both = Decider.Apply(
            new Turn(
                state.With(withdrawals: w => w with { Pending = [.. state.Conversation.Withdrawals.Pending, other] }),
                host,
                Given.Policy,
                Given.Now),
            step,
            new StepResult.Failed(away, InPassing: true));
        Assert.Equal(other, both.Conversation.Withdrawals.Pending[0]);
        // What is no withdrawal is not asked for again; the next catalogue names it.
        var refused = Decider.Apply(
            new Turn(failed, host, Given.Policy, Given.Now),
            step,
            new StepResult.Failed(away with { Code = ProblemCode.ManifestSignatureInvalid }, InPassing: false));
        Assert.Empty(refused.Conversation.Withdrawals.Pending);
        Assert.Equal(Retry.Now, refused.Conversation.Withdrawals.Retry);
    }

    /// <summary>A server that forgets a withdrawal, or whoever stole it, does not bring the patch back.</summary>
    [Theory]
    [InlineData("listed again")]
    [InlineData("after new pins")]
    [InlineData("after another enrolment")]
    public void Withdrawn_OncePublishersSaidSo_IsNeverLoadedAgain(string how)
    {
        var ran = Having(Given.Enrolled(new Phase.Resting(), Two.ManifestDigest), One, Two);
        var state = Read(ran.With(withdrawals: w => w with { Pending = [new(Document, Two.ManifestDigest)] }), Two);
        if (how == "after new pins")
        {
            var pins = new PinSet
            {
                Schema = PinSet.SchemaName,
                Version = 1,
                Threshold = 1,
                Publishers = [],
                Catalogue = [],
                Tls = [],
            };
            var turn = new Turn(state, Given.Host(), Given.Policy, Given.Now);
            state = Decider.Apply(turn, new Step.FetchPins(1), new StepResult.PinsRead(new Trust.VerifiedPinSet(pins)));
        }

        if (how == "after another enrolment")
        {
            state = Decider.Accept(new Turn(state, Given.Host(), Given.Policy, Given.Now), new Command.Disable()).Value;
            state = state.InPhase(new Phase.Resting()) with
            {
                Conversation = Given.Enrolled(new Phase.Resting(), Two.ManifestDigest).Conversation,
            };
        }

        state = Confirm(state, Entry(Two));
        var refused = Assert.IsType<Step.Believe>(Next(state, Given.Host())).After.Phase;
        Assert.Equal(RefusalOrigin.Withdrawal, Assert.IsType<Phase.Refused>(refused).Origin);
        Assert.Equal(ProblemCode.PatchWithdrawn, Manifest(state, Two)?.Code);
        // And where every way to a load comes by.
        var cleared = state.InPhase(new Phase.Cleared(Two, "aa"));
        Assert.Equal("believe refused", Given.Word(Next(cleared, Given.Host())));
    }
}
