using LivepatchAgent.Core.Modules;

namespace LivepatchAgent.Core.Agent;

internal static class ArchitectureCheck
{
    public static CheckResult Run(ModuleFacts module, HostFacts host)
    {
        if (module.Architecture == host.Architecture) return CheckResult.Ok(module.Architecture);
        return CheckResult.Refused(
            $"it is for {module.Architecture}, this host is {host.Architecture}",
            $"publish a patch built for {host.Architecture}");
    }
}
