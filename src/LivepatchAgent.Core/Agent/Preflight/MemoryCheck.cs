using LivepatchAgent.Core.Modules;

namespace LivepatchAgent.Core.Agent;

/// <summary>Room for the module: its file, its sections and what ftrace needs come to a few MiB at most.</summary>
internal static class MemoryCheck
{
    private const long Least = 8L << 20, Comfortable = 64L << 20;

    public static CheckResult Run(ModuleFacts module, HostFacts host) => host.MemoryAvailable switch
    {
        null => CheckResult.CannotTell("how much memory is available could not be read", "run it on the host itself"),
        < Least => CheckResult.Refused($"{host.MemoryAvailable >> 20} MiB of memory are available", "free memory, then try again"),
        < Comfortable => CheckResult.Warning($"only {host.MemoryAvailable >> 20} MiB of memory are available", "free memory"),
        _ => CheckResult.Ok($"{host.MemoryAvailable >> 20} MiB are available"),
    };
}
