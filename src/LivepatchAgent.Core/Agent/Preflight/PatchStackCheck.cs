using LivepatchAgent.Core.Modules;

namespace LivepatchAgent.Core.Agent;

/// <summary>Livepatches that are there already: taken out by one that replaces, kept below one that does not.</summary>
internal static class PatchStackCheck
{
    public static CheckResult Run(ModuleFacts module, HostFacts host)
    {
        var others = host.Patches.Where(p => p.Name != module.Name && p.Enabled).ToList();
        if (others.Count == 0) return CheckResult.Ok("no other livepatch is loaded");
        var names = Listing.Of([.. others.Select(p => p.Name)]);
        if (module.Replace == true) return CheckResult.Ok($"it takes the place of {names}");
        var mine = module.Functions.Select(f => (f.Object, f.Name)).ToHashSet();
        var shared = others.SelectMany(p => p.Functions).Where(f => mine.Contains((f.Object, f.Name))).Select(f => f.Name).Distinct().ToList();
        var both = shared.Count > 0 ? $"; {Listing.Of(shared)} is changed by both, and this one's code runs" : "";
        return module.Replace is null
            ? CheckResult.Warning($"{names} is loaded{both}; whether this patch replaces or adds to it is not visible in the file", "make patches cumulative and replacing (klp_patch.replace)")
            : CheckResult.Warning($"it does not replace {names}{both}", "make patches cumulative and replacing (klp_patch.replace), so that what runs is what the newest says");
    }
}
