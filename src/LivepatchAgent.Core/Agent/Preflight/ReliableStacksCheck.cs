using LivepatchAgent.Core.Modules;

namespace LivepatchAgent.Core.Agent;

/// <summary>Without reliable stack traces sleeping tasks are moved over only when they leave the kernel.</summary>
internal static class ReliableStacksCheck
{
    public static CheckResult Run(ModuleFacts module, HostFacts host) => KernelFeatures.HasReliableStacks(host) switch
    {
        true => CheckResult.Ok("the kernel knows which functions a sleeping task is in"),
        false => CheckResult.Warning(
            "this kernel has no reliable stack traces: kernel threads may keep the transition from ending",
            "use a kernel with CONFIG_HAVE_RELIABLE_STACKTRACE, or expect to reboot"),
        null => CheckResult.CannotTell(
            "whether this kernel has reliable stack traces is not known",
            "run it on the host itself"),
    };
}
