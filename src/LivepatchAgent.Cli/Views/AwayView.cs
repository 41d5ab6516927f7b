using LivepatchAgent.Cli.Local;

namespace LivepatchAgent.Cli.Views;

/// <summary>Why the daemon could not be asked, in one line with its cure.</summary>
internal static class AwayView
{
    public static string Line(ApiAnswer.Away away, string socket, Style style)
    {
        var name = style.Clean(socket);
        return away.Kind switch
        {
            AwayKind.NoSocket => $"cannot reach livepatch-agentd: no socket at {name} ({style.Clean(away.Detail)}); start it with `sudo systemctl start livepatch-agentd`",
            AwayKind.NotListening => $"cannot reach livepatch-agentd: nothing listens on {name}; start it with `sudo systemctl start livepatch-agentd`",
            AwayKind.NotPermitted => $"cannot open {name}: permission denied; run this as root or as a member of the group `livepatch`",
            AwayKind.Silent => $"cannot get an answer from livepatch-agentd: it did not answer on {name} within {away.Detail}, so it hangs; see `journalctl -u livepatch-agentd`, then `sudo systemctl restart livepatch-agentd`",
            AwayKind.HungUp => $"cannot understand livepatch-agentd on {name}: {style.Clean(away.Detail)}; it may have been restarted: try `livepatch-agent status`, and see `journalctl -u livepatch-agentd`",
            _ => $"cannot understand livepatch-agentd on {name}: {style.Clean(away.Detail)}; see `journalctl -u livepatch-agentd`, then `sudo systemctl restart livepatch-agentd`",
        };
    }

    public static int ExitCodeOf(ApiAnswer.Away away) => away.Kind == AwayKind.NotPermitted ? ExitCode.NotPermitted : ExitCode.DaemonAway;
}
