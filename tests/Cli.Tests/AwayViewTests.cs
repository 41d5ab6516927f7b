using LivepatchAgent.Cli.Local;
using LivepatchAgent.Cli.Views;

namespace LivepatchAgent.Cli.Tests;

/// <summary>A daemon that cannot be asked: the reason, its cure, and the exit code.</summary>
public sealed class AwayViewTests
{
    private const string Start = "start it with `sudo systemctl start livepatch-agentd`";
    private const string Log = "see `journalctl -u livepatch-agentd`";
    private const string Restart = Log + ", then `sudo systemctl restart livepatch-agentd`";

    public static TheoryData<string, int, string> Lines => new()
    {
        { nameof(AwayKind.NoSocket), 4, $"cannot reach livepatch-agentd: no socket at /s (why); {Start}" },
        { nameof(AwayKind.NotListening), 4, $"cannot reach livepatch-agentd: nothing listens on /s; {Start}" },
        {
            nameof(AwayKind.NotPermitted), 5,
            "cannot open /s: permission denied; run this as root or as a member of the group `livepatch`"
        },
        {
            nameof(AwayKind.Silent), 4,
            $"cannot get an answer from livepatch-agentd: it did not answer on /s within why, so it hangs; {Restart}"
        },
        {
            nameof(AwayKind.HungUp), 4,
            "cannot understand livepatch-agentd on /s: why; "
                + $"it may have been restarted: try `livepatch-agent status`, and {Log}"
        },
        { nameof(AwayKind.Unintelligible), 4, $"cannot understand livepatch-agentd on /s: why; {Restart}" },
    };

    [Theory, MemberData(nameof(Lines))]
    public void Line_OfEachReason_HasItsCure(string kind, int code, string line)
    {
        var away = new ApiAnswer.Away(Enum.Parse<AwayKind>(kind), "why");
        Assert.Equal(line, AwayView.Line(away, "/s", Style.Plain));
        Assert.Equal(code, ExitCode.OfAway(away));
    }

    [Fact]
    public void Lines_HaveEveryReason() =>
        Assert.Equal(Enum.GetNames<AwayKind>().Order(), Lines.Select(row => row.Data.Item1).Order());

    [Fact]
    public void Line_WithForeignWords_HasNoControls()
    {
        var line = AwayView.Line(new ApiAnswer.Away(AwayKind.NoSocket, "a\nb"), "/s\e[2J", Style.Plain);
        Assert.DoesNotContain(line, char.IsControl);
    }
}
