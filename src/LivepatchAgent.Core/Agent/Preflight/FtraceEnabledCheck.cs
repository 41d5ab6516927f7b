using LivepatchAgent.Core.Modules;

namespace LivepatchAgent.Core.Agent;

internal static class FtraceEnabledCheck
{
    public static CheckResult Run(ModuleFacts module, HostFacts host) => host.FtraceEnabled switch
    {
        true => CheckResult.Ok("kernel.ftrace_enabled is 1"),
        false => CheckResult.Refused(
            "kernel.ftrace_enabled is 0: the kernel redirects nothing",
            "`sysctl kernel.ftrace_enabled=1`, and find out who set it to 0"),
        null => CheckResult.CannotTell("kernel.ftrace_enabled could not be read", "run it on the host itself"),
    };
}
