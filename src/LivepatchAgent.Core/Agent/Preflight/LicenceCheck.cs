using LivepatchAgent.Core.Modules;

namespace LivepatchAgent.Core.Agent;

/// <summary>klp_enable_patch is exported to modules under the GPL alone.</summary>
internal static class LicenceCheck
{
    /// <summary>include/linux/license.h.</summary>
    private static readonly string[] Compatible =
        ["GPL", "GPL v2", "GPL and additional rights", "Dual BSD/GPL", "Dual MIT/GPL", "Dual MPL/GPL"];

    public static CheckResult Run(ModuleFacts module, HostFacts host)
    {
        var licence = module.Modinfo.FirstOrDefault(m => m.Key == "license").Value;
        if (licence is not null && Compatible.Contains(licence)) return CheckResult.Ok(licence);
        return CheckResult.Refused(
            licence is null
                ? "it names no licence"
                : $"its licence is \"{licence}\", and the kernel gives klp_enable_patch to modules under the GPL only",
            "set MODULE_LICENSE(\"GPL\"), if it is");
    }
}
