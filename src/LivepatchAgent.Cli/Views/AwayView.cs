using LivepatchAgent.Cli.Local;
using LivepatchAgent.Cli.Terminals;

namespace LivepatchAgent.Cli.Views;

/// <summary>Why the daemon could not be asked, in one line with its cure.</summary>
internal static class AwayView
{
    private const string Start = "start it with `sudo systemctl start livepatch-agentd`";
    private const string Log = "see `journalctl -u livepatch-agentd`";
    private const string LogAndRestart = $"{Log}, then `sudo systemctl restart livepatch-agentd`";

    public static string Line(ApiAnswer.Away away, string socket, Style style)
    {
        var name = style.Clean(socket);
        var detail = style.Clean(away.Detail);
        return away.Kind switch
        {
            AwayKind.NoSocket => $"cannot reach livepatch-agentd: no socket at {name} ({detail}); {Start}",
            AwayKind.NotListening => $"cannot reach livepatch-agentd: nothing listens on {name}; {Start}",
            AwayKind.NotPermitted =>
                $"cannot open {name}: permission denied; run this as root or as a member of the group `livepatch`",
            AwayKind.Silent => "cannot get an answer from livepatch-agentd: "
                + $"it did not answer on {name} within {detail}, so it hangs; {LogAndRestart}",
            AwayKind.HungUp => $"cannot understand livepatch-agentd on {name}: {detail}; "
                + $"it may have been restarted: try `livepatch-agent status`, and {Log}",
            _ => $"cannot understand livepatch-agentd on {name}: {detail}; {LogAndRestart}",
        };
    }
}
