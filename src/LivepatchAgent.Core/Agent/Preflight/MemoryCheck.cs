using LivepatchAgent.Core.Modules;

namespace LivepatchAgent.Core.Agent;

/// <summary>Room for the module: its file, its sections and what ftrace needs come to a few MiB at most.</summary>
internal static class MemoryCheck
{
    private const long Least = 8L << 20, Comfortable = 64L << 20;

    /// <summary>What the kernels of all our architectures keep for modules, and more: 1.5 GiB on x86-64.</summary>
    private const long Largest = 2L << 30;

    public static CheckResult Run(ModuleFacts module, HostFacts host) => host.MemoryAvailable switch
    {
        _ when module.LoadedSize >= Largest => CheckResult.Refused($"it wants {module.LoadedSize >> 20} MiB for its sections, more than a kernel has for modules", "no livepatch needs as much: check which file this is"),
        var available when module.LoadedSize > available => CheckResult.Refused($"it wants {module.LoadedSize >> 20} MiB for its sections, and {available >> 20} MiB of memory are available", "free memory, then try again"),
        null => CheckResult.CannotTell("how much memory is available could not be read", "run it on the host itself"),
        < Least => CheckResult.Refused($"{host.MemoryAvailable >> 20} MiB of memory are available", "free memory, then try again"),
        < Comfortable => CheckResult.Warning($"only {host.MemoryAvailable >> 20} MiB of memory are available", "free memory"),
        _ => CheckResult.Ok($"{host.MemoryAvailable >> 20} MiB are available"),
    };
}
