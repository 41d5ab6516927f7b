using LivepatchAgent.Core.Modules;

namespace LivepatchAgent.Core.Agent;

/// <summary>A name can be loaded once; parameters of what is built in have names there too.</summary>
internal static class ModuleNameCheck
{
    public static CheckResult Run(ModuleFacts module, HostFacts host)
    {
        var name = module.Name;
        if (host.BlockedModules.Contains(name))
        {
            return CheckResult.Refused(
                $"the kernel must not load {name}: module_blacklist= on its command line names it",
                "take it off the command line, or give the patch another name");
        }

        if (host.Patches.Any(p => p.Name == name))
        {
            return CheckResult.Refused(
                $"a livepatch {name} is loaded already",
                "nothing, if it is the same; else publish it under another name");
        }

        if (host.Modules?.Contains(name) == true || host.LoadedModules?.Contains(name) == true)
        {
            return CheckResult.Refused(
                $"a module {name} is loaded already",
                $"remove it (`rmmod {name}`) or give the patch another name");
        }

        return host.Modules is null
            ? CheckResult.CannotTell("which modules are loaded is not known", "run it on the host itself")
            : CheckResult.Ok($"no module is called {name}");
    }
}
