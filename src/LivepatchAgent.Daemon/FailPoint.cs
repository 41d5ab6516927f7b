using System.Runtime.InteropServices;
using LivepatchAgent.Core.Agent;

namespace LivepatchAgent.Daemon;

/// <summary>
/// Ends the daemon as kill -9 would, right before or after one kind of step, so that tests can prove that each journal
/// entry resumes rightly: <c>LIVEPATCH_AGENTD_FAILPOINT=load:after</c>. Only root can set a unit's environment.
/// </summary>
internal static partial class FailPoint
{
    private static readonly string? Armed = Environment.GetEnvironmentVariable("LIVEPATCH_AGENTD_FAILPOINT");

    public static void Pass(Step step, bool before)
    {
        if (Armed is null || Armed != $"{System.Text.Json.JsonNamingPolicy.KebabCaseLower.ConvertName(step.GetType().Name)}:{(before ? "before" : "after")}") return;
        _ = Kill(Environment.ProcessId, 9);
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int pid, int signal);
}
