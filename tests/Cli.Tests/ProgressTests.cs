using LivepatchAgent.Cli.Local;
using LivepatchAgent.Cli.Views;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Cli.Tests;

/// <summary>What a person sees while a change is under way, on a terminal and in a pipe.</summary>
public sealed class ProgressTests
{
    [Fact]
    public void Stages_InAPipe_AreOneLineEach()
    {
        var shown = Shown(Run.Pipe, progress =>
        {
            progress.Show(Doing(ActivityKind.Downloading) with { Bytes = 1, TotalBytes = 4 });
            progress.Show(Doing(ActivityKind.Downloading) with { Bytes = 2, TotalBytes = 4 });
            progress.Show(Doing(ActivityKind.Verifying));
            progress.Show(Doing(ActivityKind.Downloading)); // again, from another server
            progress.End();
        });
        string[] lines =
        [
            "downloading the patch: 1 byte of 4 bytes (25 %)",
            "verifying the patch",
            "downloading the patch",
            "",
        ];
        Assert.Equal(lines, shown.Split('\n'));
    }

    /// <summary>Their number is one more line, once it is known; fewer, or unknown again, is not.</summary>
    [Fact]
    public void Tasks_InAPipe_AreCountedOnce()
    {
        var shown = Shown(Run.Pipe, progress =>
        {
            int?[] counts = [null, 0, 3, 2, null, 1];
            foreach (var count in counts) progress.Show(Doing(ActivityKind.WaitingForTasks) with { TaskCount = count });
        });
        Assert.Equal("waiting for tasks to switch over\nwaiting for 3 tasks to switch over\n", shown);
    }

    [Fact]
    public void Lines_OnATerminal_AreRewrittenAndTakenBack()
    {
        var shown = Shown(new Terminal(Interactive: true, Colour: false, Utf8: true), progress =>
        {
            progress.Show(Doing(ActivityKind.Verifying));
            progress.Show(Doing(ActivityKind.Verifying));
            progress.End();
            progress.End();
        });
        const string line = "\r\e[2K\e[?7l⧗ verifying the patch\e[?7h";
        Assert.Equal($"{line}{line}\r\e[2K", shown);
    }

    [Fact]
    public void Words_ThatAreNew_AreShownWithoutTheirControls()
    {
        var words = UnknownWords.None with { Activity = "defrag\e[2Jmenting" };
        var shown = Shown(Run.Pipe, progress => progress.Show(new StatusReading(Samples.Applied, words)));
        Assert.Equal("defrag?[2Jmenting\n", shown);
    }

    [Fact]
    public void Status_WithoutActivity_ShowsNothing() =>
        Assert.Equal("", Shown(Run.Pipe, progress => progress.Show(Samples.Reading(Samples.Applied))));

    private static string Shown(Terminal terminal, Action<Progress> story)
    {
        using var output = new StringWriter();
        story(new Progress(output, terminal, Style.Plain));
        return output.ToString();
    }

    private static ActivityStatus Doing(ActivityKind kind) => new() { Kind = kind, Since = Samples.Now };
}
