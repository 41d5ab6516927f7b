using LivepatchAgent.Core.Modules;

namespace LivepatchAgent.Core.Agent;

/// <summary>The kernel was built for live patching and still takes modules.</summary>
internal static class LivepatchSupportCheck
{
    /// <summary>kernel/livepatch/Kconfig: a kernel with CONFIG_LIVEPATCH has these.</summary>
    private static readonly string[] Needed = ["MODULES", "SYSFS", "KALLSYMS_ALL", "DYNAMIC_FTRACE", "HAVE_LIVEPATCH"];

    public static CheckResult Run(ModuleFacts module, HostFacts host)
    {
        if (KernelFeatures.HasLivepatch(host) == false)
        {
            var missing = Needed.Where(n => host.Option(n) == "n").Select(n => "CONFIG_" + n).ToList();
            var also = missing.Count > 0 ? $", which needs {Listing.Of(missing)} too" : "";
            return CheckResult.Refused(
                $"kernel {host.KernelRelease} was built without CONFIG_LIVEPATCH{also}",
                "boot a kernel that has /sys/kernel/livepatch");
        }

        if (host.ModulesDisabled == true)
        {
            return CheckResult.Refused(
                "this kernel takes no more modules: kernel.modules_disabled is 1",
                "it cannot be set back: reboot, and keep it from being set before patches are loaded");
        }

        return KernelFeatures.HasLivepatch(host) is null
            ? CheckResult.CannotTell(
                "neither /sys/kernel/livepatch nor the kernel's build options could be read",
                CheckResult.AsRoot)
            : CheckResult.Ok("the kernel has CONFIG_LIVEPATCH and takes modules");
    }
}
