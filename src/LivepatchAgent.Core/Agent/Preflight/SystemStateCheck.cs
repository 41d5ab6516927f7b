using LivepatchAgent.Core.Modules;

namespace LivepatchAgent.Core.Agent;

/// <summary>A host on its way down gains nothing by a patch, and a transition may hold its end up.</summary>
internal static class SystemStateCheck
{
    public static CheckResult Run(ModuleFacts module, HostFacts host) => host.GoingDown is { } how
        ? CheckResult.Warning($"the host is going down: {how}", "wait for the next boot")
        : CheckResult.Ok("nothing says that the host is going down");
}
