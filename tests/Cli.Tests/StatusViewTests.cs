using LivepatchAgent.Cli.Local;
using LivepatchAgent.Cli.Views;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Cli.Tests;

public sealed class StatusViewTests
{
    public static TheoryData<string> Names => new(Samples.All.Keys);

    [Theory, MemberData(nameof(Names))]
    public void Status_InEveryState_ReadsAsItsGolden(string name) =>
        Golden.Verify($"status-{name}", Rendered(Samples.All[name].Status, Style.Plain));

    [Theory, MemberData(nameof(Names))]
    public void ExitCodes_InEveryState_AreTheContract(string name)
    {
        var (status, shown, outcome) = Samples.All[name];
        var reading = Samples.Reading(status);
        Assert.Equal((shown, outcome), (ExitCode.OfStatus(reading), ExitCode.OfOutcome(reading)));
    }

    [Fact]
    public void Samples_TakenTogether_HaveEveryWordOfTheContract()
    {
        var all = Samples.All.Values.Select(sample => sample.Status).ToList();
        AssertEvery(all.Select(status => status.State));
        AssertEvery(all.Select(status => status.Kernel.Coverage));
        AssertEvery(all.Select(status => status.CheckIn.Result));
        AssertEvery(all.Select(status => status.Activity?.Kind).OfType<ActivityKind>());
    }

    [Fact]
    public void Status_WithAsciiTerminalAndNewWords_ReadsAsItsGolden()
    {
        var words = new UnknownWords("compacted", "leased", "deferred", "defragmenting");
        var reading = new StatusReading(Samples.Applied, words);
        var ascii = new Style(Colour: false, Unicode: false);
        Golden.Verify("status-unknown-words-ascii", StatusView.Render(reading, Samples.Now, ascii));
        Assert.Equal(ExitCode.Failed, ExitCode.OfStatus(reading));
    }

    [Fact]
    public void Status_InColour_DressesTheMarksOnly()
    {
        var text = Rendered(Samples.Applied, new Style(Colour: true, Unicode: true));
        Assert.Contains("kernel state: \e[32m✓\e[0m covered", text, StringComparison.Ordinal);
        var bare = text.Replace("\e[32m", "", StringComparison.Ordinal).Replace("\e[0m", "", StringComparison.Ordinal);
        Assert.Equal(Rendered(Samples.Applied, Style.Plain), bare);
    }

    [Theory]
    [InlineData("applied")]
    [InlineData("applied-withdrawn")]
    [InlineData("applied-removing-old")]
    [InlineData("applying-reversing")]
    [InlineData("not-enrolled-but-patched")]
    [InlineData("not-enrolled")]
    public void Patches_ReadAsTheirGolden(string name) =>
        Golden.Verify($"patches-{name}", PatchesView.Render(Samples.All[name].Status, Samples.Now, Style.Plain));

    private static string Rendered(AgentStatus status, Style style) =>
        StatusView.Render(Samples.Reading(status), Samples.Now, style);

    private static void AssertEvery<T>(IEnumerable<T> values)
        where T : struct, Enum => Assert.Equal(Enum.GetValues<T>(), values.Distinct().Order());
}
