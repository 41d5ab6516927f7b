using LivepatchAgent.Core;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Daemon.LocalApi;
using LivepatchAgent.Daemon.Tests.Surroundings;

namespace LivepatchAgent.Daemon.Tests;

public sealed class MetricsTests
{
    private static readonly DateTimeOffset Now = new(2026, 11, 23, 12, 0, 0, TimeSpan.Zero);

    private static AgentStatus Bare => new()
    {
        Schema = AgentStatus.SchemaName,
        Revision = 1,
        At = Now,
        AgentVersion = "0.1.0",
        Settled = true,
        Kernel = new KernelStatus { Release = "6.12.117", Architecture = "x86_64", LivepatchSupported = true, Taint = 0, TaintFlags = "", Coverage = CoverageState.Unknown },
        CheckIn = new CheckInStatus { Result = CheckInResult.Never },
        State = PatchState.NotEnrolled,
        Loaded = [],
    };

    private static AgentStatus Full => Bare with
    {
        Kernel = Bare.Kernel with { Taint = 32768, Coverage = CoverageState.Covered, CoveredUntil = new DateOnly(2027, 6, 30) },
        Enrolment = new EnrolmentStatus("https://patches.example", "m1", Now),
        CheckIn = new CheckInStatus { Result = CheckInResult.Succeeded, LastSuccess = Now, CatalogueExpires = Now.AddDays(7) },
        State = PatchState.Stalled,
        Activity = new ActivityStatus { Kind = ActivityKind.WaitingForTasks, Since = Now, TaskCount = 3 },
        Patch = new PatchStatus { Name = "livepatch_x", Version = "a\"b\\c\nd", Notice = "LPN-0001", Fixes = ["CVE-1", "CVE-2"], Manifest = "m", Sequence = 1, AppliedAt = Now },
        Problem = new Problem(ProblemCode.TransitionStalled, "cannot", "cure"),
    };

    [Fact]
    public void Metrics_OfAHostThatKnowsNothing_AreValid() => OpenMetrics.AssertValid(Metrics.Of(Bare));

    [Fact]
    public void Metrics_OfAHostWithEverything_AreAsInTheGolden()
    {
        var text = Metrics.Of(Full);
        OpenMetrics.AssertValid(text);
        Golden.AssertSame("metrics.txt", text);
    }

    [Fact]
    public void Metrics_SayOneStateAtATime()
    {
        foreach (var state in Enum.GetValues<PatchState>())
        {
            var set = Metrics.Of(Bare with { State = state }).Split('\n').Where(l => l.StartsWith("livepatch_patch_state{", StringComparison.Ordinal)).ToArray();
            Assert.Equal(Enum.GetValues<PatchState>().Length, set.Length);
            Assert.Equal($"livepatch_patch_state{{livepatch_patch_state=\"{Kebab.Of(state)}\"}} 1", Assert.Single(set, l => l.EndsWith(" 1", StringComparison.Ordinal)));
        }
    }
}
