using LivepatchAgent.Core.Modules;

namespace LivepatchAgent.Core.Agent;

/// <summary>With CONFIG_MODVERSIONS each exported symbol has a CRC of its type; a module's must be the kernel's.</summary>
internal static class SymbolVersionsCheck
{
    public static CheckResult Run(ModuleFacts module, HostFacts host) => CheckResult.CannotTell("not looked at yet", "");
}
