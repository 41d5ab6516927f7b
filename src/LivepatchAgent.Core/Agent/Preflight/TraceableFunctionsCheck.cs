using LivepatchAgent.Core.Modules;

namespace LivepatchAgent.Core.Agent;

/// <summary>
/// A livepatch redirects a function by ftrace: what cannot be traced cannot be patched. Of a module that comes later
/// the kernel finds out then, and refuses that module.
/// </summary>
internal static class TraceableFunctionsCheck
{
    public static CheckResult Run(ModuleFacts module, HostFacts host)
    {
        if (host.Traceable is null)
        {
            return CheckResult.CannotTell(
                "the kernel's list of functions that can be traced could not be read",
                "mount tracefs (`mount -t tracefs tracefs /sys/kernel/tracing`) and ask as root");
        }

        var (not, perhaps) = Untraceable(module, host);
        if (not.Count > 0)
        {
            return CheckResult.Refused(
                $"cannot be traced, and so not patched: {Listing.Of(not)} (notrace, assembly or of ftrace itself)",
                "patch its callers instead");
        }

        if (perhaps.Count > 0)
        {
            return CheckResult.CannotTell(
                $"only some of several functions of this name can be traced: {Listing.Of(perhaps)}",
                "see available_filter_functions and /proc/kallsyms for the one that is meant");
        }

        var away = module.Functions.Where(f => host.IsUnknown(f.Object));
        var unknown = away.Select(f => $"{f.Object}:{f.Name}").ToList();
        return unknown.Count > 0
            ? CheckResult.CannotTell(
                $"whether {Listing.Of(unknown)} can be traced is not known",
                PatchedFunctionsCheck.Install)
            : CheckResult.Ok("every function that is there can be traced");
    }

    /// <summary>Functions that cannot be traced, and those of which this is not known.</summary>
    private static (List<string> Not, List<string> Perhaps) Untraceable(ModuleFacts module, HostFacts host)
    {
        List<string> not = [], perhaps = [];
        foreach (var function in module.Functions)
        {
            var (owner, name, position) = (function.Object, function.Name, function.Position);
            if (host.TraceableOf(owner, name) is not { } traceable) continue;
            if (host.CountOf(owner, name) is not (> 0 and var count)) continue;
            var isSame = traceable == 0 || traceable >= count;
            var canBeTraced = isSame ? traceable > 0 : host.IsTraceable(function);
            if (canBeTraced == true) continue;
            var number = position > 0 ? $",{position}" : "";
            (canBeTraced == false ? not : perhaps).Add($"{owner}:{name}{number}");
        }

        return (not, perhaps);
    }
}
