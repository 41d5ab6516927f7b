using System.Text.Json.Serialization;

namespace LivepatchAgent.Core.Kernel;

/// <summary>A line of tracing/enabled_functions.</summary>
/// <param name="Flags">Letters as the kernel shows them; I: it changes where the function continues (IPMODIFY), D:
/// called directly, as a BPF trampoline is.</param>
/// <param name="Handlers">Functions that are called.</param>
/// <param name="DirectTarget">What it is called directly; null when the kernel does not say.</param>
public sealed record FunctionHook(
    string Object,
    string Name,
    string Flags,
    IReadOnlyList<string> Handlers,
    string? DirectTarget = null)
{
    /// <summary>
    /// Called directly by one who does not make way for a livepatch: BPF's trampolines alone are known to.
    /// </summary>
    [JsonIgnore]
    public bool KeepsOut => IsDirect && DirectTarget?.StartsWith("bpf_", StringComparison.Ordinal) == false;

    [JsonIgnore]
    public bool Redirects => Flags.Contains('I', StringComparison.Ordinal);

    [JsonIgnore]
    public bool IsDirect => Flags.Contains('D', StringComparison.Ordinal);

    [JsonIgnore]
    public bool IsLivepatch => Handlers.Any(h => h.StartsWith("klp_", StringComparison.Ordinal));
}

/// <param name="IsReturn">A kretprobe.</param>
/// <param name="Offset">Bytes from the function's begin.</param>
public sealed record KernelProbe(string Object, string Name, long Offset, bool IsReturn);
