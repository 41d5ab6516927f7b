using System.Buffers.Binary;
using System.Text;
using LivepatchAgent.Core.Modules;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Daemon.Kernel;

/// <summary>
/// The system states (struct klp_state) of the livepatches that are loaded, no matter who loaded them, out of the list
/// that the kernel itself compares a new one with: sysfs does not show them. Where the list lies, kallsyms says; what
/// is in it, /proc/kcore. The list may change while it is read, and no file says how it is laid out: it counts only
/// when it is whole and has the patches that sysfs has.
/// </summary>
internal static class PatchList
{
    /// <summary>CONFIG_LIVEPATCH needs CONFIG_KALLSYMS_ALL: a kernel that has the list shows its symbol.</summary>
    public const string Symbol = "klp_patches";

    // struct klp_patch, unchanged since 5.5: mod, objs, states, replace, list (include/linux/livepatch.h)
    private const int States = 16, Replace = 24, List = 32, PatchSize = 48;

    // struct module: state, list, name (include/linux/module.h)
    private const int Name = 24, NameSize = 56;

    // struct klp_state: id, version, data; one of zeros ends them
    private const int Version = 8, StateSize = 24;

    private const int MaxPatches = 256;

    /// <summary>Of all patches together.</summary>
    private const int MaxStates = 4096;

    /// <summary>By the patch's name; null when the list cannot be read.</summary>
    public static IReadOnlyDictionary<string, IReadOnlyList<SystemState>>? Read(
        KernelMemory? memory,
        IReadOnlyDictionary<string, ulong> addresses,
        IReadOnlyList<LoadedPatch> shown)
    {
        if (memory is null || !addresses.TryGetValue(Symbol, out var head)) return null;
        var found = new Dictionary<string, IReadOnlyList<SystemState>>();
        var (before, at, left) = (head, memory.Number(head), MaxStates);
        while (at is { } node && node != head && found.Count < MaxPatches)
        {
            var patch = Bytes(memory, node - List, PatchSize);
            if (Pointer(patch, List + sizeof(ulong)) != before) return null;
            if (Pointer(patch, 0) is not { } module || Pointer(patch, States) is not { } states) return null;
            if (patch[Replace] > 1) return null;
            var name = NameOf(memory, module);
            if (StatesAt(memory, states, ref left) is not { } ofPatch || !found.TryAdd(name, ofPatch)) return null;
            (before, at) = (node, Pointer(patch, List));
        }

        // One that is on its way out may have left one of the two before the other.
        var isWhole = at == head && shown.All(p => !p.Enabled || found.ContainsKey(p.Name));
        return isWhole && found.Keys.All(name => shown.Any(p => p.Name == name)) ? found : null;
    }

    private static string NameOf(KernelMemory memory, ulong module)
    {
        var bytes = Bytes(memory, module + Name, NameSize).AsSpan();
        var end = bytes.IndexOf((byte)0);
        return Encoding.UTF8.GetString(bytes[..Math.Max(0, end)]);
    }

    private static List<SystemState>? StatesAt(KernelMemory memory, ulong at, ref int left)
    {
        List<SystemState> states = [];
        if (at == 0) return states;
        for (; left > 0; at += StateSize, left--)
        {
            var row = Bytes(memory, at, StateSize);
            if (Pointer(row, 0) is not { } id || row.Length < StateSize) return null;
            if (id == 0) return states;
            states.Add(new SystemState(id, BinaryPrimitives.ReadUInt32LittleEndian(row.AsSpan(Version))));
        }

        return null;
    }

    /// <summary>So many, or fewer.</summary>
    private static byte[] Bytes(KernelMemory memory, ulong at, int length)
    {
        var bytes = new byte[length];
        return bytes[..memory.Read(at, bytes)];
    }

    private static ulong? Pointer(byte[] bytes, int at)
    {
        if (bytes.Length < at + sizeof(ulong)) return null;
        return BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(at));
    }
}
