using LivepatchAgent.Core.Modules;

namespace LivepatchAgent.Core.Agent;

/// <summary>The kernel makes one transition at a time.</summary>
internal static class TransitionRunningCheck
{
    public static CheckResult Run(ModuleFacts module, HostFacts host)
    {
        var moving = host.Patches.FirstOrDefault(p => p.Transition);
        if (moving is null) return CheckResult.Ok("no transition is running");
        return CheckResult.Refused(
            $"the transition of {moving.Name} is still running",
            "wait for its end; `livepatch-agent status` names the tasks that hold it up");
    }
}
