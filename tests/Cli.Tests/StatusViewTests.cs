using LivepatchAgent.Cli.Local;
using LivepatchAgent.Cli.Views;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Cli.Tests;

public sealed class StatusViewTests
{
    public static TheoryData<string> Names => new(Samples.All.Keys);

    [Theory, MemberData(nameof(Names))]
    public void Status_InEveryState_ReadsAsItsGolden(string name) =>
        Golden.Verify($"status-{name}", StatusView.Render(Samples.Reading(Samples.All[name].Status), Samples.Now, Style.Plain));

    [Theory, MemberData(nameof(Names))]
    public void ExitCodes_InEveryState_AreTheContract(string name)
    {
        var (status, shown, outcome) = Samples.All[name];
        Assert.Equal((shown, outcome), (ExitCode.OfStatus(Samples.Reading(status)), ExitCode.OfOutcome(Samples.Reading(status))));
    }

    [Fact]
    public void Samples_TakenTogether_HaveEveryWordOfTheContract()
    {
        var all = Samples.All.Values.Select(sample => sample.Status).ToList();
        Assert.Equal(Enum.GetValues<PatchState>(), all.Select(status => status.State).Distinct().Order());
        Assert.Equal(Enum.GetValues<CoverageState>(), all.Select(status => status.Kernel.Coverage).Distinct().Order());
        Assert.Equal(Enum.GetValues<CheckInResult>(), all.Select(status => status.CheckIn.Result).Distinct().Order());
        Assert.Equal(Enum.GetValues<ActivityKind>(), all.Where(status => status.Activity is not null).Select(status => status.Activity!.Kind).Distinct().Order());
    }

    [Fact]
    public void Status_WithAsciiTerminalAndNewWords_ReadsAsItsGolden()
    {
        var reading = new StatusReading(Samples.Applied, new UnknownWords("compacted", "leased", "deferred", "defragmenting"));
        Golden.Verify("status-unknown-words-ascii", StatusView.Render(reading, Samples.Now, new Style(Colour: false, Unicode: false)));
        Assert.Equal(ExitCode.Failed, ExitCode.OfStatus(reading));
    }

    [Fact]
    public void Status_InColour_DressesTheMarksOnly()
    {
        var text = StatusView.Render(Samples.Reading(Samples.Applied), Samples.Now, new Style(Colour: true, Unicode: true));
        Assert.Contains("kernel state: \e[32m✓\e[0m covered", text, StringComparison.Ordinal);
        Assert.Equal(StatusView.Render(Samples.Reading(Samples.Applied), Samples.Now, Style.Plain), text.Replace("\e[32m", "", StringComparison.Ordinal).Replace("\e[0m", "", StringComparison.Ordinal));
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

    [Theory]
    [InlineData("a\e[2Jb", "a?[2Jb")]
    [InlineData("a\nb\rc\td", "a?b?c?d")]
    [InlineData("a\u202eb\u200fc\u0085\u009bd", "a?b?c??d")]
    [InlineData("grün ✓", "grün ✓")]
    public void Clean_OfForeignText_LetsNoControlThrough(string foreign, string clean) => Assert.Equal(clean, Style.Plain.Clean(foreign));

    [Theory]
    [InlineData(-60, "at 2026-11-23 12:01:00 UTC, which is in the future: the clock was changed")]
    [InlineData(-2, "just now")]
    [InlineData(0, "just now")]
    [InlineData(1, "1 second ago")]
    [InlineData(59, "59 seconds ago")]
    [InlineData(60, "1 minute ago")]
    [InlineData(3599, "59 minutes ago")]
    [InlineData(86400, "24 hours ago")]
    [InlineData(172800, "2 days ago")]
    public void Ago_OfAnAge_IsInWords(int seconds, string words) => Assert.Equal(words, Words.Ago(Samples.Now.AddSeconds(-seconds), Samples.Now));

    [Theory]
    [InlineData("xterm", null, "C.UTF-8", null, true, true, true, true)]
    [InlineData("xterm", "1", "de_DE.utf8", null, true, true, false, true)]
    [InlineData("xterm", "", "C", null, true, true, true, false)]
    [InlineData("dumb", null, "C.UTF-8", null, true, false, false, true)]
    [InlineData(null, null, null, null, true, false, false, false)]
    [InlineData("xterm", null, "C.UTF-8", "POSIX", false, false, false, false)]
    public void Terminal_OfItsVariables_IsToldApart(string? term, string? noColor, string? lang, string? lcAll, bool tty, bool interactive, bool colour, bool utf8)
    {
        var variables = new Dictionary<string, string?> { ["TERM"] = term, ["NO_COLOR"] = noColor, ["LANG"] = lang, ["LC_ALL"] = lcAll };
        Assert.Equal(new Terminal(interactive, colour, utf8), Terminal.Of(variables.GetValueOrDefault, tty));
    }
}
