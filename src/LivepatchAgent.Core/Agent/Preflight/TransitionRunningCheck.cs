using LivepatchAgent.Core.Modules;

namespace LivepatchAgent.Core.Agent;

/// <summary>The kernel makes one transition at a time.</summary>
internal static class TransitionRunningCheck
{
    public static CheckResult Run(ModuleFacts module, HostFacts host) => host.Patches.FirstOrDefault(p => p.Transition) is { } moving
        ? CheckResult.Refused($"the transition of {moving.Name} is still running", "wait for its end; `livepatch-agent status` names the tasks that hold it up")
        : CheckResult.Ok("no transition is running");
}
