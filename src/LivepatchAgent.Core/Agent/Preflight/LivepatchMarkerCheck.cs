using LivepatchAgent.Core.Modules;

namespace LivepatchAgent.Core.Agent;

/// <summary>Without <c>livepatch=Y</c> in its modinfo klp_enable_patch() refuses a module.</summary>
internal static class LivepatchMarkerCheck
{
    public static CheckResult Run(ModuleFacts module, HostFacts host) => module.IsLivepatch
        ? CheckResult.Ok("its modinfo says livepatch")
        : CheckResult.Refused(
            module.NeededSymbols.Contains("klp_enable_patch")
                ? "it is a livepatch and its modinfo does not say so"
                : "it is no livepatch",
            "add MODULE_INFO(livepatch, \"Y\") to its source, or check which file this is");
}
