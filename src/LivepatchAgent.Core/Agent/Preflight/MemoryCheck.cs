using LivepatchAgent.Core.Modules;

namespace LivepatchAgent.Core.Agent;

/// <summary>Room for the module: its file, its sections and what ftrace needs come to a few MiB at most.</summary>
internal static class MemoryCheck
{
    private const long Least = 8L << 20, Comfortable = 64L << 20;

    /// <summary>What the kernels of all our architectures keep for modules, and more: 1.5 GiB on x86-64.</summary>
    private const long Largest = 2L << 30;

    public static CheckResult Run(ModuleFacts module, HostFacts host)
    {
        const string Free = "free memory, then try again";
        var wanted = $"it wants {module.LoadedSize >> 20} MiB for its sections";
        if (module.LoadedSize >= Largest)
        {
            return CheckResult.Refused(
                $"{wanted}, more than a kernel has for modules",
                "no livepatch needs as much: check which file this is");
        }

        if (host.MemoryAvailable is not { } available)
        {
            return CheckResult.CannotTell(
                "how much memory is available could not be read",
                "run it on the host itself");
        }

        var free = $"{available >> 20} MiB";
        if (module.LoadedSize > available)
            return CheckResult.Refused($"{wanted}, and {free} of memory are available", Free);
        return available switch
        {
            < Least => CheckResult.Refused($"{free} of memory are available", Free),
            < Comfortable => CheckResult.Warning($"only {free} of memory are available", "free memory"),
            _ => CheckResult.Ok($"{free} are available"),
        };
    }
}
