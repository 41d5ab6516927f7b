using LivepatchAgent.Core.Modules;

namespace LivepatchAgent.Core.Agent;

/// <summary>A position says which of several functions of one name is meant; 0 means that there is only one.</summary>
internal static class FunctionPositionCheck
{
    public static CheckResult Run(ModuleFacts module, HostFacts host)
    {
        List<string> ambiguous = [], beyond = [];
        var known = 0;
        foreach (var function in module.Functions)
        {
            var (owner, name, position) = (function.Object, function.Name, function.Position);
            if (host.CountOf(owner, name) is not { } count) continue;
            known++;
            // patched-functions reports this one.
            if (count == 0) continue;
            if (position == 0 && count > 1) ambiguous.Add($"{owner} has {count} functions {name}");
            if (position > count || position < 0) beyond.Add($"{owner} has no {name} number {position} (of {count})");
        }

        if (ambiguous.Count > 0)
        {
            return CheckResult.Refused(
                $"{Listing.Of(ambiguous)}, and the patch does not say which",
                "give its position (old_sympos), counted in the order of /proc/kallsyms");
        }

        if (beyond.Count > 0)
        {
            return CheckResult.Refused(
                Listing.Of(beyond),
                "correct its position (old_sympos), counted in the order of /proc/kallsyms");
        }

        if (known < module.Functions.Count && host.Symbols is null) return CheckResult.NoSymbols;
        var away = module.Functions.Where(f => host.IsUnknown(f.Object));
        var unknown = away.Select(f => $"{f.Object}:{f.Name}").ToList();
        return unknown.Count > 0
            ? CheckResult.CannotTell(
                $"how many functions of this name there are is not known of {Listing.Of(unknown)}",
                PatchedFunctionsCheck.Install)
            : CheckResult.Ok("every function can be distinguished from others of its name");
    }
}
