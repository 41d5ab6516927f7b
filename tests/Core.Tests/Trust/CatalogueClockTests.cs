using System.Text.Json;
using LivepatchAgent.Core.Agent;
using LivepatchAgent.Core.Tests.Agent;
using LivepatchAgent.Core.Trust;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Core.Tests.TrustTests;

/// <summary>Clocks that are wrong, and catalogues that are shown at the wrong time.</summary>
public sealed class CatalogueClockTests
{
    private const long Floor = 5;

    /// <summary>
    /// Days from the present: when the catalogue was issued (it is good for 7), the host's clock, the latest time seen
    /// signed.
    /// </summary>
    public static TheoryData<string, int, int, int?, long, ProblemCode?> Table => new()
    {
        { "as it should be", 0, 0, 0, Floor, null },
        { "never saw one", 0, 0, null, Floor, null },
        { "nothing new for a week", -6, 0, -6, Floor, null },
        { "expired", -8, 0, -8, Floor, ProblemCode.CatalogueExpired },
        { "expired, and the clock set back to when it was good", -8, -5, 0, Floor, ProblemCode.CatalogueExpired },
        { "expired, and the clock set back by years", -8, -3000, 0, Floor, ProblemCode.ClockWrong },
        { "fresh, and the clock years behind", 0, -3000, -1, Floor, ProblemCode.ClockWrong },
        { "fresh, and the clock years ahead", 0, 3000, -1, Floor, ProblemCode.CatalogueExpired },
        { "a clock that was years ahead is right again", 0, 0, -1, Floor, null },
        { "server and host were years ahead, both are right again", 0, 0, 3000, Floor, ProblemCode.CatalogueExpired },
        { "and something new was published", 0, 0, 3000, Floor + 1, null },
        { "replayed, of a kernel not seen before", -8, -5, 0, 0, ProblemCode.CatalogueExpired },
        { "rolled back", 0, 0, 0, Floor - 1, ProblemCode.CatalogueRolledBack },
    };

    [Theory]
    [MemberData(nameof(Table))]
    public void Verify_WithClocksThatAreWrong(
        string what, int issued, int clock, int? seen, long sequence, ProblemCode? code)
    {
        var envelope = CmsEnvelope.Sign(
            JsonSerializer.SerializeToUtf8Bytes(
                new Catalogue
                {
                    Schema = Catalogue.SchemaName,
                    Architecture = "x86_64",
                    KernelRelease = "6.12",
                    Sequence = sequence,
                    IssuedAt = Given.Now.AddDays(issued),
                    ExpiresAt = Given.Now.AddDays(issued + 7),
                    Patches = [],
                },
                WireJson.Default.Catalogue),
            TestKeys.Publisher);
        var floor = sequence == 0 ? 0 : Floor;
        var problem = CatalogueVerifier.Verify(
            envelope,
            [TestKeys.Publisher],
            "x86_64",
            "6.12",
            floor,
            Given.Now.AddDays(clock),
            seen is { } days ? Given.Now.AddDays(days) : null).Problem;
        Assert.True(problem?.Code == code, $"{what}: {problem}");
    }

    [Fact]
    public void SignedTime_RisesAndIsCorrectedByANewerCatalogue()
    {
        var state = Given.Enrolled(new Phase.Offered(null, Retry.Now), null).With(
            record: r => r with { Floors = new Dictionary<string, Floor> { [Given.Release] = new(Floor, 0) } });
        state = Read(state, Floor, 0);
        Assert.Equal(Given.Now, state.Record.SignedTime);
        Assert.Equal(Given.Now, Read(state, Floor, -1).Record.SignedTime);
        Assert.Equal(Given.Now.AddDays(3), Read(state, Floor, 3).Record.SignedTime);
        Assert.Equal(Given.Now.AddDays(-1), Read(state, Floor + 1, -1).Record.SignedTime);
        Assert.Equal(
            new Step.FetchCatalogue(Floor, Given.Now),
            Decider.Next(
                new Turn(
                    state.With(pursuit: p => p with { Phase = new Phase.Offered(null, Retry.Now) }),
                    Given.Host(),
                    Given.Policy,
                    Given.Now)));
        Assert.Null(
            Decider.Accept(
                new Turn(state, Given.Host(), Given.Policy, Given.Now), new Command.Disable()).Value.Record.SignedTime);
    }

    [Fact]
    public void CheckIn_WithAClockBehindWhatWasSigned_SaysSo()
    {
        var state = Given.Enrolled(new Phase.Resting(), null).With(
            record: r => r with { SignedTime = Given.Now.AddDays(400) });
        var step = new Step.CheckIn(Projection.Report(state, Given.Host()), [], null);
        var answer = new Assignment { Tag = "t", CheckInSeconds = 900, Now = Given.Now };
        var told = Decider.Apply(
            new Turn(state, Given.Host(), Given.Policy, Given.Now),
            step,
            new StepResult.CheckedIn(answer)).Conversation.CheckIn.Problem;
        Assert.Equal(ProblemCode.ClockWrong, told?.Code);
        Assert.Null(
            Decider.Apply(
                new Turn(
                    state.With(record: r => r with { SignedTime = Given.Now }), Given.Host(), Given.Policy, Given.Now),
                step,
                new StepResult.CheckedIn(answer)).Conversation.CheckIn.Problem);
    }

    private static AgentState Read(AgentState state, long sequence, int days) =>
        Decider.Apply(
            new Turn(
                state.With(pursuit: p => p with { Phase = new Phase.Offered(null, Retry.Now) }),
                Given.Host(),
                Given.Policy,
                Given.Now),
            new Step.FetchCatalogue(0),
            new StepResult.CatalogueRead(
                new VerifiedCatalogue(
                    new Catalogue
                    {
                        Schema = Catalogue.SchemaName,
                        Architecture = "x86_64",
                        KernelRelease = Given.Release,
                        Sequence = sequence,
                        IssuedAt = Given.Now.AddDays(days),
                        ExpiresAt = Given.Now.AddDays(days + 7),
                        Patches = [],
                    })));
}
