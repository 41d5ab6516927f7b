using LivepatchAgent.Core.Modules;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Core.Agent;

/// <summary>Livepatches that are there already: taken out by one that replaces, kept below one that does not.</summary>
internal static class PatchStackCheck
{
    public static CheckResult Run(ModuleFacts module, HostFacts host)
    {
        var others = host.Patches.Where(p => p.Name != module.Name && p.Enabled).ToList();
        if (others.Count == 0) return CheckResult.Ok("no other livepatch is loaded");
        var names = Listing.Of([.. others.Select(p => p.Name)]);
        if (Incompatible(module, host, others) is { } state) return CheckResult.Refused($"{state}", "give it the states of the patches before it, with versions that do not fall (struct klp_state)");
        if (module.Replace == true)
        {
            var unknown = others.Where(p => host.PatchStates?.ContainsKey(p.Name) != true).Select(p => p.Name).ToList();
            return unknown.Count == 0
                ? CheckResult.Ok($"it takes the place of {names}")
                : CheckResult.CannotTell($"it takes the place of {names}; whether {Listing.Of(unknown)} has system states that it must know, the kernel does not show", "nothing, if patches here have none (struct klp_state)");
        }

        var mine = module.Functions.Select(f => (f.Object, f.Name)).ToHashSet();
        var shared = others.SelectMany(p => p.Functions).Where(f => mine.Contains((f.Object, f.Name))).Select(f => f.Name).Distinct().ToList();
        var both = shared.Count > 0 ? $"; {Listing.Of(shared)} is changed by both, and this one's code runs" : "";
        return module.Replace is null
            ? CheckResult.Warning($"{names} is loaded{both}; whether this patch replaces or adds to it is not visible in the file", "make patches cumulative and replacing (klp_patch.replace)")
            : CheckResult.Warning($"it does not replace {names}{both}", "make patches cumulative and replacing (klp_patch.replace), so that what runs is what the newest says");
    }

    /// <summary>The kernel's klp_is_patch_compatible(): a state's version must not fall, and who replaces must have all states.</summary>
    private static string? Incompatible(ModuleFacts module, HostFacts host, List<LoadedPatch> others)
    {
        if (module.States is not { } mine || host.PatchStates is null) return null;
        foreach (var other in others)
        {
            foreach (var state in host.PatchStates.GetValueOrDefault(other.Name) ?? [])
            {
                var index = mine.ToList().FindIndex(s => s.Id == state.Id);
                if (index < 0 && module.Replace == true) return $"it lacks system state {state.Id} of {other.Name}, which it replaces";
                if (index >= 0 && mine[index].Version < state.Version) return $"its system state {state.Id} has version {mine[index].Version}, that of {other.Name} has {state.Version}";
            }
        }

        return null;
    }
}
