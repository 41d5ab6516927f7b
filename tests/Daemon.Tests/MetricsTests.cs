using LivepatchAgent.Core;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Daemon.Host;
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
        Kernel = new KernelStatus
        {
            Release = "6.12.117",
            Architecture = "x86_64",
            LivepatchSupported = true,
            Taint = 0,
            TaintFlags = "",
            Coverage = CoverageState.Unknown,
        },
        CheckIn = new CheckInStatus { Result = CheckInResult.Never },
        State = PatchState.NotEnrolled,
        Loaded = [],
    };

    internal static AgentStatus Full => Bare with
    {
        Kernel = Bare.Kernel with
        {
            Taint = 32768,
            Coverage = CoverageState.Covered,
            CoveredUntil = new DateOnly(2027, 6, 30),
        },
        Enrolment = new EnrolmentStatus("https://patches.example", "m1", Now),
        CheckIn = new CheckInStatus
        {
            Result = CheckInResult.Succeeded,
            LastSuccess = Now,
            CatalogueExpires = Now.AddDays(7),
        },
        State = PatchState.Stalled,
        Activity = new ActivityStatus { Kind = ActivityKind.WaitingForTasks, Since = Now, TaskCount = 3 },
        Patch = new PatchStatus
        {
            Name = "livepatch_x",
            Version = "a\"b\\c\nd",
            Notice = "LPN-0001",
            Fixes = ["CVE-1", "CVE-2"],
            ManifestDigest = "m",
            Sequence = 1,
            AppliedAt = Now,
        },
        Problem = new Problem(ProblemCode.TransitionStalled, "cannot", "cure"),
        Hold = new HoldStatus { Since = Now, Available = Available },
    };

    private static PatchStatus Available => new()
    {
        Name = "livepatch_y",
        Version = "2.0",
        Notice = "LPN-0002",
        Fixes = [],
        ManifestDigest = "n",
        Sequence = 2,
    };

    [Fact]
    public void Metrics_OfAHostThatKnowsNothing_AreValid()
    {
        PrometheusText.AssertValid(Metrics.Of(Bare, MetricsFormat.Classical));
        OpenMetrics.AssertValid(Metrics.Of(Bare, MetricsFormat.OpenMetrics));
    }

    [Fact]
    public void Metrics_OfAHostWithEverything_AreAsInTheGoldens()
    {
        var classical = Metrics.Of(Full, MetricsFormat.Classical);
        var open = Metrics.Of(Full, MetricsFormat.OpenMetrics);
        PrometheusText.AssertValid(classical);
        OpenMetrics.AssertValid(open);
        Golden.AssertSame("metrics.txt", classical);
        Golden.AssertSame("metrics.openmetrics.txt", open);
    }

    /// <summary>Dashboards and alerts outlive a move from one format to the other.</summary>
    [Fact]
    public void Metrics_InBothFormats_HaveTheSameSamples()
    {
        static IEnumerable<string> Samples(MetricsFormat format) =>
            Metrics.Of(Full, format).Split('\n').Where(l => !l.StartsWith('#'));
        Assert.Equal(Samples(MetricsFormat.Classical), Samples(MetricsFormat.OpenMetrics));
    }

    [Fact]
    public void Metrics_SayOneStateAtATime()
    {
        foreach (var state in Enum.GetValues<PatchState>())
        {
            var lines = Metrics.Of(Bare with { State = state }, MetricsFormat.Classical).Split('\n');
            var set = lines.Where(l => l.StartsWith("livepatch_patch_state{", StringComparison.Ordinal)).ToArray();
            Assert.Equal(Enum.GetValues<PatchState>().Length, set.Length);
            var one = Assert.Single(set, l => l.EndsWith(" 1", StringComparison.Ordinal));
            Assert.Equal($"livepatch_patch_state{{livepatch_patch_state=\"{Kebab.Of(state)}\"}} 1", one);
        }
    }

    private const string Open = "application/openmetrics-text";
    private const string Prometheus2 =
        $"{Open};version=1.0.0;q=0.5,{Open};version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";

    private const string Prometheus3 =
        $"{Open};version=1.0.0;escaping=allow-utf-8;q=0.5,{Open};version=0.0.1;q=0.4,"
        + "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,/;q=0.1";

    private const string Protobuf =
        "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7,"
        + "text/plain;q=0.3";

    [Theory]
    [InlineData(false)]
    [InlineData(false, "")]
    [InlineData(false, "*/*")]
    [InlineData(false, "text/plain;version=0.0.4")]
    [InlineData(false, "text/plain")]
    [InlineData(false, "application/*")]
    [InlineData(false, "application/json")]
    [InlineData(false, Protobuf)]
    [InlineData(false, Open + ";q=0")]
    [InlineData(false, Open + ";q=0.3, text/plain;q=0.4")]
    [InlineData(false, Open + ";q=0.3, */*")]
    [InlineData(false, Open + ";version=0.0.1")]
    [InlineData(false, Open + ";version=2.0.0")]
    [InlineData(false, "\u0001;;;,=,")]
    [InlineData(true, Open)]
    [InlineData(true, Open + ", */*")]
    [InlineData(true, "Application/OpenMetrics-Text; Version=\"1.0.0\"; charset=utf-8")]
    [InlineData(true, Open + ";q=0.3, text/plain;q=0.2, */*")]
    [InlineData(true, "text/plain;q=0, " + Open + ";q=0.001")]
    [InlineData(true, "text/plain;q=0.3", Open + ";q=0.5")]
    [InlineData(true, Prometheus2)]
    [InlineData(true, Prometheus3)]
    public void Format_OfWhatAReaderAccepts(bool isOpen, params string[] accept) =>
        Assert.Equal(isOpen ? MetricsFormat.OpenMetrics : MetricsFormat.Classical, MetricsFormats.Of(accept));
}
