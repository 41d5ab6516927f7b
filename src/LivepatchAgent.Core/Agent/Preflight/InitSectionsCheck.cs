using LivepatchAgent.Core.Modules;

namespace LivepatchAgent.Core.Agent;

/// <summary>
/// What the kernel keeps a pointer to (tables, names, new code, callbacks) stays in memory: none of it is in a section
/// that is freed once the module's init has run. The kernel does not look: it takes the patch and uses freed memory
/// later.
/// </summary>
internal static class InitSectionsCheck
{
    public static CheckResult Run(ModuleFacts module, HostFacts host)
    {
        var faults = module.TableFaults.Where(f => f.Kind == TableFaultKind.FreedAfterInit);
        var freed = faults.Select(f => $"{f.Object}: {f.Detail}").ToList();
        if (freed.Count > 0)
        {
            return CheckResult.Refused(
                $"the kernel frees after init, or never loads, what it goes on using: {Listing.Of(freed)}",
                "take __init and __initdata off what the patch hands to the kernel");
        }

        return module.Tables is null
            ? CheckResult.CannotTell(
                "which tables and code it hands to the kernel is not visible in the file",
                "ask its author")
            : CheckResult.Ok("what it hands to the kernel stays in memory");
    }
}
