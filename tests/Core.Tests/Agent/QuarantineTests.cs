using LivepatchAgent.Core.Agent;

namespace LivepatchAgent.Core.Tests.Agent;

/// <summary>A person releases a patch from the quarantine.</summary>
public sealed class QuarantineTests
{
    private static readonly PatchRef One = Given.Patch(1);
    private static readonly PatchRef Two = Given.Patch(2);
    private static readonly Quarantined BadTwo = Bad(Two);

    private static Quarantined Bad(PatchRef patch) =>
        new(patch.ManifestDigest, patch.Version, "the host went down", Given.Now, patch.Name);

    private static Turn Turn(AgentState state) => new(state, Given.Host(), Given.Policy, Given.Now);

    private static AgentState Holding(Phase phase, params Quarantined[] quarantine) =>
        Given.Enrolled(phase, Two.ManifestDigest).With(record: r => r with { Quarantine = quarantine });

    private static Phase.Refused Refused(ProblemCode code = ProblemCode.PatchQuarantined) =>
        Given.Refused(Two.ManifestDigest, Two, new Problem(code, "cannot", "cure"));

    private static Result<AgentState> Release(AgentState state, string name) =>
        Decider.Accept(Turn(state), new Command.ReleaseQuarantine(name));

    public static TheoryData<string> Names =>
        ["livepatch_2", "2.0", Two.ManifestDigest, Two.ManifestDigest[..4], Two.ManifestDigest.ToUpperInvariant()];

    [Theory]
    [MemberData(nameof(Names))]
    public void Release_ByNameVersionOrManifest_LiftsTheRefusalAndPursuesThePatch(string name)
    {
        var state = Holding(Refused(), Bad(One), BadTwo).AfterReport(Given.Host());
        Assert.Equal("listen", Given.Word(Decider.Next(Turn(state))));
        var released = Release(state, name).Value;
        Assert.Equal(One.ManifestDigest, Assert.Single(released.Record.Quarantine).ManifestDigest);
        Assert.Equal("believe listed", Given.Word(Decider.Next(Turn(released.AfterReport(Given.Host())))));
    }

    [Fact]
    public void Release_WhileTheCatalogueIsLookedAtAgain_LiftsTheRefusalThatWaits()
    {
        var offered = new Phase.Offered(Two.ManifestDigest, Retry.Now, Refused());
        var released = Release(Holding(offered, BadTwo), Two.Name).Value;
        Assert.Null(Assert.IsType<Phase.Offered>(released.Phase).Before);
    }

    /// <summary>Only what was refused for the quarantine is tried again.</summary>
    [Fact]
    public void Release_OfAPatchThatWasRefusedForAnotherReason_LeavesThatRefusal()
    {
        var refused = Refused(ProblemCode.ModuleUnsigned);
        Assert.Equal(refused, Release(Holding(refused, BadTwo), Two.Name).Value.Phase);
    }

    [Theory]
    [InlineData("")]
    [InlineData("livepatch_9")]
    [InlineData("LIVEPATCH_2")]
    [InlineData("2")]
    public void Release_OfANameThatNoneHas_SaysSo(string name)
    {
        var problem = Release(Holding(Refused(), BadTwo), name).Problem!;
        Assert.Equal(ProblemCode.NotFound, problem.Code);
        Assert.Contains("quarantine list", problem.Cure, StringComparison.Ordinal);
    }

    [Fact]
    public void Release_OfANameThatTwoHave_NamesBoth()
    {
        var same = Bad(One) with { Version = "2.0" };
        var problem = Release(Holding(Refused(), same, BadTwo), "2.0").Problem!;
        Assert.Equal(ProblemCode.RequestInvalid, problem.Code);
        Assert.Contains("livepatch_1 2.0 (manifest bbbb", problem.Message, StringComparison.Ordinal);
        Assert.Contains("livepatch_2 2.0 (manifest cccc", problem.Message, StringComparison.Ordinal);
    }

    /// <summary>What a person or a program typed ends up in one line of text, whatever it was.</summary>
    [Fact]
    public void Release_OfAnyText_IsAnsweredInOneShortLine()
    {
        foreach (var name in new[] { "a\u001b[2J\nb", new string('x', 10_000), "\ud800" })
        {
            var problem = Release(Holding(Refused(), BadTwo), name).Problem!;
            Assert.DoesNotContain(problem.Message, char.IsControl);
            Assert.True(problem.Message.Length < 300);
        }
    }

    /// <summary>A journal of an older agent does not have the module's name.</summary>
    [Fact]
    public void Refusal_ForAQuarantine_NamesTheCommandThatReleases()
    {
        Assert.Contains("`livepatch-agent quarantine release livepatch_2`", Cure(BadTwo), StringComparison.Ordinal);
        var nameless = Cure(BadTwo with { Name = null });
        Assert.Contains("`livepatch-agent quarantine release cccccccccccc`", nameless, StringComparison.Ordinal);

        static string Cure(Quarantined quarantined)
        {
            var step = Assert.IsType<Step.Believe>(Decider.Next(Turn(Holding(new Phase.Resting(), quarantined))));
            return Assert.IsType<Phase.Refused>(step.After.Phase).Problem.Cure;
        }
    }

    [Fact]
    public void Status_HasEachQuarantinedPatch()
    {
        var state = Holding(Refused(), BadTwo with { Name = null }, Bad(One));
        var status = Projection.Status(state, Given.Host(), new Step.Rest(Given.Now), null, "1", Given.Now);
        Assert.Equal([null, "livepatch_1"], status.Quarantine.Select(q => q.Name));
    }
}
