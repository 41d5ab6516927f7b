using LivepatchAgent.Core.Modules;

namespace LivepatchAgent.Core.Agent;

internal static class ArchitectureCheck
{
    public static CheckResult Run(ModuleFacts module, HostFacts host) => module.Architecture == host.Architecture
        ? CheckResult.Ok(module.Architecture)
        : CheckResult.Refused($"it is for {module.Architecture}, this host is {host.Architecture}", $"publish a patch built for {host.Architecture}");
}
