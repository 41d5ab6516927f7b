using LivepatchAgent.Core.Modules;

namespace LivepatchAgent.Core.Agent;

/// <summary>Objects that are not loaded are patched when they come; those that never come are not.</summary>
internal static class PatchedObjectsCheck
{
    /// <summary>The kernel's MODULE_NAME_LEN on 64 bits, its end included.</summary>
    private const int MaxName = 56;

    public static CheckResult Run(ModuleFacts module, HostFacts host)
    {
        if (FaultyTables(module) is { } faulty) return faulty;
        var changed = module.Functions.Select(f => f.Object).Concat(module.Callbacks.Select(c => c.Object));
        var objects = changed.Distinct().ToList();
        if (objects.Count == 0)
            return CheckResult.CannotTell("which objects it patches is not visible in the file", "ask its author");
        return Misnamed(objects) ?? LookedUp(objects, host);
    }

    private static CheckResult? FaultyTables(ModuleFacts module)
    {
        if (module.TableFaults.FirstOrDefault(f => f.Kind == TableFaultKind.SharedFunctions) is { } shared)
        {
            return CheckResult.Refused(
                $"{shared.Object} has the array of functions of another object: "
                + "the kernel would set it up twice and stop at a BUG",
                "give each object its own array");
        }

        if (module.TableFaults.FirstOrDefault(f => f.Kind == TableFaultKind.ObjectTwice) is { } twice)
        {
            return CheckResult.Refused(
                $"{twice.Object} stands in its tables twice",
                "put all functions of an object into one array");
        }

        if (!module.TableFaults.Any(f => f.Kind == TableFaultKind.KernelByName)) return null;
        return CheckResult.Refused(
            "it names vmlinux as a module to be patched: "
            + "the kernel would take it, wait for a module of that name and patch nothing",
            "leave klp_object.name empty for the kernel");
    }

    private static CheckResult? Misnamed(List<string> objects)
    {
        if (objects.Find(o => o.Length >= MaxName) is { } tooLong)
        {
            return CheckResult.Refused(
                $"{tooLong} is longer than a module's name can be",
                "correct the patch's tables");
        }

        var wrong = objects.Where(o => o.Contains('-', StringComparison.Ordinal)).ToList();
        if (wrong.Count == 0) return null;
        return CheckResult.Warning(
            $"no module is ever called {Listing.Of(wrong)}: names of loaded modules have _ for -",
            "correct the name in the patch's tables");
    }

    private static CheckResult LookedUp(List<string> objects, HostFacts host)
    {
        var modules = objects.Where(o => o != "vmlinux").ToList();
        if (modules.Count == 0) return CheckResult.Ok("vmlinux alone");
        if (host.LoadedModules is null)
        {
            return CheckResult.CannotTell(
                $"whether {Listing.Of(modules)} is loaded is not known",
                "run it on the host itself");
        }

        var away = modules.Where(o => host.IsLoaded(o) == false).ToList();
        return away.Count == 0 ? CheckResult.Ok($"{Listing.Of(objects)}: all loaded") : NotLoaded(away, host);
    }

    private static CheckResult NotLoaded(List<string> away, HostFacts host)
    {
        var builtIn = away.Where(o => host.BuiltInModules?.Contains(o) == true).ToList();
        if (builtIn.Count > 0)
        {
            return CheckResult.Warning(
                $"{Listing.Of(builtIn)} is built into this kernel and never loaded as a module, "
                + "so this part of the patch has no effect",
                "name vmlinux as the object of these functions");
        }

        if (host.InstalledModules is null)
        {
            return CheckResult.CannotTell(
                $"{Listing.Of(away)} is not loaded; whether it is installed is not known",
                $"run `depmod`, which writes /lib/modules/{host.KernelRelease}/modules.dep");
        }

        var unknown = away.Where(o => !host.InstalledModules.Contains(o)).ToList();
        return unknown.Count > 0
            ? CheckResult.Warning(
                $"{Listing.Of(unknown)} is neither loaded nor installed, so this part of the patch has no effect. "
                + "If a module of that name is loaded later and lacks these functions, the kernel will refuse it",
                "ignore this if the host never uses it; otherwise install it first, or check the name")
            : CheckResult.Ok($"{Listing.Of(away)} is not loaded: patched when it comes");
    }
}
