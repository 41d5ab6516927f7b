using System.Text;
using LivepatchAgent.Core.Modules;

namespace LivepatchAgent.Daemon.Kernel;

/// <summary>
/// The text that the running kernel compares a module's vermagic with. It is a static of kernel/module/main.c: kallsyms
/// says where, /proc/kcore what. Where that cannot be read, a module that came with this kernel has the same text.
/// </summary>
internal static class KernelVermagic
{
    public const string Symbol = "vermagic";

    private const int MaxLength = 256;

    /// <summary>Null when neither memory nor file has a text for this release.</summary>
    public static string? Read(
        KernelMemory? memory,
        IReadOnlyDictionary<string, ulong> addresses,
        InstalledModules installed,
        string release) =>
        InMemory(memory, addresses, release) ?? OfAModule(installed, release);

    private static string? InMemory(KernelMemory? memory, IReadOnlyDictionary<string, ulong> addresses, string release)
    {
        if (memory is null || !addresses.TryGetValue(Symbol, out var address)) return null;
        Span<byte> bytes = stackalloc byte[MaxLength];
        bytes = bytes[..memory.Read(address, bytes)];
        var end = bytes.IndexOf((byte)0);
        // Another variable may have this name: the release in front shows that it is this one.
        var text = Encoding.UTF8.GetString(bytes[..Math.Max(0, end)]);
        return text.StartsWith(release + " ", StringComparison.Ordinal) ? text : null;
    }

    private static string? OfAModule(InstalledModules installed, string release)
    {
        if (installed.FirstOfKernel() is not { } file) return null;
        if (!ModuleReader.Read(file).TryGet(out var module, out _)) return null;
        return module.KernelRelease == release ? module.Vermagic : null;
    }
}
