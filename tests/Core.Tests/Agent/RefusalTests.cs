using LivepatchAgent.Core.Agent;
using LivepatchAgent.Core.Kernel;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Core.Tests.Agent;

/// <summary>How long each kind of no stands, by who said it: never by the code or the words of the problem.</summary>
public class RefusalTests
{
    private static readonly PatchRef One = Given.Patch(1);

    /// <remarks>origin | shown as | in another boot | when the catalogue is confirmed again</remarks>
    private const string Table = """
        signature      refused       stands  lifted
        floor          refused       stands  lifted
        quarantine     refused       stands  lifted
        withdrawal     refused       stands  lifted
        catalogue      refused       lifted  lifted
        server         refused       lifted  lifted
        host           refused       lifted  lifted
        kill-switch    refused       lifted  lifted
        kernel         apply-failed  lifted  stands
        administrator  apply-failed  lifted  stands
        """;

    public static TheoryData<RefusalOrigin, string, string, string> Rows()
    {
        var rows = new TheoryData<RefusalOrigin, string, string, string>();
        foreach (var line in Table.Split('\n'))
        {
            var cells = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            Assert.True(Kebab.TryRead<RefusalOrigin>(cells[0], out var origin), cells[0]);
            rows.Add(origin, cells[1], cells[2], cells[3]);
        }

        return rows;
    }

    [Fact]
    public void Table_HasARowForEachOrigin() =>
        Assert.Equal(Enum.GetValues<RefusalOrigin>(), Rows().Select(r => r.Data.Item1));

    [Theory]
    [MemberData(nameof(Rows))]
    public void Refusal_ByItsOrigin_StandsAsLongAsTheTableSays(
        RefusalOrigin origin, string shown, string boot, string catalogue)
    {
        var state = Refused(origin, Given.Boot);
        var host = Given.Host() with
        {
            KillSwitch = origin == RefusalOrigin.KillSwitch ? KillSwitch.Observe : KillSwitch.None,
        };
        Assert.Equal(shown, Kebab.Of(Projection.State(state, host)));
        Assert.Equal("listen", Given.Word(Next(state.AfterReport(host), host)));
        var rebooted = host with { BootId = "boot-2" };
        var next = Given.Word(Next(state.AfterReport(rebooted), rebooted));
        Assert.Equal(boot == "lifted" ? "believe listed" : "listen", next);
        Assert.Equal(catalogue == "lifted", Confirmed(state).Phase is Phase.Resting);
    }

    /// <summary>"Enrol the key, then reboot" is done, and the kernel is asked once more: once in this boot.</summary>
    [Fact]
    public void KernelRefusal_AfterAReboot_IsTriedOnce()
    {
        var host = Given.Host() with { BootId = "boot-2" };
        var state = Refused(RefusalOrigin.Kernel, Given.Boot).AfterReport(host);
        Assert.Equal("believe listed", Given.Word(Next(state, host)));
        var again = Refused(RefusalOrigin.Kernel, "boot-2").AfterReport(host);
        Assert.Equal("listen", Given.Word(Next(again, host)));
    }

    /// <summary>Words of a server are no ground for a decision: only who said no is.</summary>
    [Fact]
    public void ServersNo_WithAnyCode_IsLiftedByTheNextCatalogue()
    {
        foreach (var code in Enum.GetValues<ProblemCode>())
        {
            var listed = Given.Enrolled(new Phase.Listed(One.ManifestDigest, Retry.Now), One.ManifestDigest);
            var failed = new StepResult.Failed(new Problem(code, "cannot", "cure"), InPassing: false)
            {
                Origin = RefusalOrigin.Server,
            };
            var turn = new Turn(listed, Given.Host(), Given.Policy, Given.Now);
            var refused = Decider.Apply(
                turn, new Step.FetchManifest(One.ManifestDigest), failed).AfterReport(Given.Host());
            Assert.Equal(PatchState.Refused, Projection.State(refused, Given.Host()));
            // No way back to the server without a pause: the outcome is reported, and then the agent listens.
            Assert.Equal("check-in", Given.Word(Next(refused, Given.Host())));
            Assert.IsType<Phase.Resting>(Confirmed(refused).Phase);
        }
    }

    private static AgentState Refused(RefusalOrigin origin, string boot)
    {
        var problem = new Problem(ProblemCode.ServerError, "cannot", "cure");
        return Given.Enrolled(new Phase.Refused(One.ManifestDigest, One, problem, origin, boot), One.ManifestDigest);
    }

    private static AgentState Confirmed(AgentState state)
    {
        var before = Assert.IsType<Phase.Refused>(state.Phase);
        var offered = state.InPhase(new Phase.Offered(One.ManifestDigest, Retry.Now, before));
        var entry = new CatalogueEntry { ManifestDigest = One.ManifestDigest, Version = "1.0", Sequence = 1 };
        return Decider.Apply(
            new Turn(
                offered,
                Given.Host(),
                Given.Policy,
                Given.Now), new Step.FetchCatalogue(0), Given.CatalogueOf(6, entry));
    }

    private static Step Next(AgentState state, HostSnapshot host) =>
        Decider.Next(new Turn(state, host, Given.Policy, Given.Now));
}
