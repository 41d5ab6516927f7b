using System.Globalization;
using LivepatchAgent.Core.Modules;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Core.Agent;

/// <summary>
/// Livepatches that are there already: taken out by one that replaces, kept below one that does not. The kernel takes
/// no patch that does not know their system states (klp_is_patch_compatible()): a state's version must not fall, and
/// who replaces must have all of them.
/// </summary>
internal static class PatchStackCheck
{
    private const string Carry =
        "give it the states of the patches before it, with versions that do not fall (struct klp_state)";

    private const string Replace = "make patches cumulative and replacing (klp_patch.replace)";

    private const string GoBack = "load it only to go back on purpose";

    public static CheckResult Run(ModuleFacts module, HostFacts host)
    {
        var others = host.Patches.Where(p => p.Name != module.Name && p.Enabled).ToList();
        if (others.Count == 0) return CheckResult.Ok("no other livepatch is loaded");
        if (Incompatible(module, host, others) is { } state) return CheckResult.Refused(state, Carry);
        var (said, cure) = Stacking(module, others);
        var (age, isOlder) = Ages(module, host, others);
        if (age is not null) said = $"{said}; {age}";
        if (isOlder) cure ??= GoBack;
        if (Unknown(module, host, others) is { } unknown)
            return CheckResult.CannotTell($"{said}; {unknown}", cure ?? Carry);
        return cure is null ? CheckResult.Ok(said) : CheckResult.Warning(said, cure);
    }

    /// <summary>What becomes of the others; with a cure when somebody may regret it.</summary>
    private static (string Said, string? Cure) Stacking(ModuleFacts module, List<LoadedPatch> others)
    {
        var names = Listing.Of([.. others.Select(p => p.Name)]);
        if (module.Replace == true) return ($"it takes the place of {names}", null);
        var mine = module.Functions.Select(f => (f.Object, f.Name)).ToHashSet();
        var theirs = others.SelectMany(p => p.Functions).Where(f => mine.Contains((f.Object, f.Name)));
        var shared = theirs.Select(f => f.Name).Distinct().ToList();
        var both = shared.Count > 0 ? $"; {Listing.Of(shared)} is changed by both, and this one's code runs" : "";
        if (module.Replace is not null)
            return ($"it does not replace {names}{both}", $"{Replace}, so that what runs is what the newest says");
        var unknown = "whether this patch replaces or adds to it is not visible in the file";
        return ($"{names} is loaded{both}; {unknown}", Replace);
    }

    /// <summary>
    /// Which of them is older, as far as the modules' own versions (MODULE_VERSION) say. What the agent loads is held
    /// to its publisher's order besides, by the manifests' numbers.
    /// </summary>
    private static (string? Said, bool IsOlder) Ages(ModuleFacts module, HostFacts host, List<LoadedPatch> others)
    {
        if (Modinfo.First(module.Modinfo, "version") is not { } mine) return (null, false);
        if (host.PatchVersions is not { } versions) return (null, false);
        var names = others.Select(p => p.Name).Where(versions.ContainsKey);
        var known = names.Select(n => (Patch: $"{n} {versions[n]}", Order: Compare(mine, versions[n]))).ToList();
        var newer = known.Where(p => p.Order < 0).Select(p => p.Patch).ToList();
        if (newer.Count > 0) return ($"with version {mine} it is older than {Listing.Of(newer)}", true);
        var older = known.Where(p => p.Order > 0).Select(p => p.Patch).ToList();
        return older.Count > 0 ? ($"with version {mine} it is newer than {Listing.Of(older)}", false) : (null, false);
    }

    /// <summary>
    /// Of numbers with dots between them, such as 2.10; the order of anything else is not known, and it counts as
    /// equal.
    /// </summary>
    private static int Compare(string one, string other)
    {
        var (a, b) = (one.Split('.'), other.Split('.'));
        if (a.Concat(b).Any(part => part.Length is 0 or > 9 || !part.All(char.IsAsciiDigit))) return 0;
        for (var i = 0; i < Math.Max(a.Length, b.Length); i++)
        {
            var order = Number(a, i).CompareTo(Number(b, i));
            if (order != 0) return order;
        }

        return 0;

        static int Number(string[] parts, int at) =>
            at < parts.Length ? int.Parse(parts[at], NumberStyles.None, CultureInfo.InvariantCulture) : 0;
    }

    private static string? Incompatible(ModuleFacts module, HostFacts host, List<LoadedPatch> others)
    {
        if (module.States is not { } mine) return null;
        foreach (var other in others)
        {
            foreach (var state in StatesOf(host, other) ?? [])
            {
                var known = mine.Where(s => s.Id == state.Id).Select(s => (uint?)s.Version).FirstOrDefault();
                if (known is null && module.Replace == true)
                    return $"it lacks system state {state.Id} of {other.Name}, which it replaces";
                if (known < state.Version)
                    return $"its system state {state.Id} has version {known}, that of {other.Name} has {state.Version}";
            }
        }

        return null;
    }

    /// <summary>
    /// What of the states is not known and might keep it out; a patch that neither replaces nor has states fits any.
    /// </summary>
    private static string? Unknown(ModuleFacts module, HostFacts host, List<LoadedPatch> others)
    {
        if (module is { Replace: false, States.Count: 0 }) return null;
        var unread = others.Where(p => StatesOf(host, p) is null).Select(p => p.Name).ToList();
        if (unread.Count > 0)
            return $"whether {Listing.Of(unread)} has system states that it must know could not be read";
        var holders = others.Where(p => StatesOf(host, p)!.Count > 0).Select(p => p.Name).ToList();
        if (holders.Count == 0) return null;
        var mayLack = module.States is null || (module.Replace is null && Lacks(module.States, host, others));
        return mayLack
            ? $"whether it knows the system states of {Listing.Of(holders)} is not visible in the file"
            : null;
    }

    private static bool Lacks(IReadOnlyList<SystemState> mine, HostFacts host, List<LoadedPatch> others) =>
        others.SelectMany(p => StatesOf(host, p)!).Any(s => mine.All(m => m.Id != s.Id));

    private static IReadOnlyList<SystemState>? StatesOf(HostFacts host, LoadedPatch patch) =>
        host.PatchStates?.GetValueOrDefault(patch.Name);
}
