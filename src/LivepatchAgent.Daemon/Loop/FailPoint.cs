using System.Runtime.InteropServices;
using System.Text.Json;
using LivepatchAgent.Core.Agent;

namespace LivepatchAgent.Daemon.Loop;

/// <summary>
/// Ends the daemon as kill -9 would, right before or after one kind of step, so that tests can prove that each journal
/// entry resumes rightly: <c>LIVEPATCH_AGENTD_FAILPOINT=load:after</c>; or hangs there, <c>load:hang</c>, so that they
/// can prove that the watchdog is the loop's. Only root can set a unit's environment.
/// </summary>
internal sealed partial class FailPoint(string? armed, Action end)
{
    private const string Variable = "LIVEPATCH_AGENTD_FAILPOINT";
    private const int SIGKILL = 9;

    public static FailPoint OfEnvironment() =>
        new(Environment.GetEnvironmentVariable(Variable), () => _ = Kill(Environment.ProcessId, SIGKILL));

    public void Pass(Step step, bool before)
    {
        if (armed is null) return;
        var name = JsonNamingPolicy.KebabCaseLower.ConvertName(step.GetType().Name);
        if (armed == $"{name}:{(before ? "before" : "after")}") end();
        if (before && armed == $"{name}:hang") Thread.Sleep(Timeout.Infinite);
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int pid, int signal);
}
