using LivepatchAgent.Core.Modules;

namespace LivepatchAgent.Core.Agent;

/// <summary>Several functions of one name are told apart by their position; 0 means that there is one only.</summary>
internal static class FunctionPositionCheck
{
    public static CheckResult Run(ModuleFacts module, HostFacts host)
    {
        List<string> ambiguous = [], beyond = [];
        var known = 0;
        foreach (var function in module.Functions)
        {
            if (host.CountOf(function.Object, function.Name) is not { } count) continue;
            known++;
            if (count == 0) continue; // told by patched-functions
            if (function.Position == 0 && count > 1) ambiguous.Add($"{function.Object} has {count} functions {function.Name}");
            if (function.Position > count || function.Position < 0) beyond.Add($"{function.Object} has no {function.Name} number {function.Position} (of {count})");
        }

        if (ambiguous.Count > 0) return CheckResult.Refused($"{Listing.Of(ambiguous)}, and the patch does not say which", "give its position (old_sympos), counted in the order of /proc/kallsyms");
        if (beyond.Count > 0) return CheckResult.Refused(Listing.Of(beyond), "correct its position (old_sympos), counted in the order of /proc/kallsyms");
        if (known < module.Functions.Count && host.Symbols is null) return CheckResult.CannotTell("the kernel's symbols could not be read", "run it on the host itself, as root");
        var unknown = module.Functions.Where(f => host.IsUnknown(f.Object)).Select(f => $"{f.Object}:{f.Name}").ToList();
        return unknown.Count > 0
            ? CheckResult.CannotTell($"how many functions of this name there are is not known of {Listing.Of(unknown)}", PatchedFunctionsCheck.Install)
            : CheckResult.Ok("every function can be distinguished from others of its name");
    }
}
