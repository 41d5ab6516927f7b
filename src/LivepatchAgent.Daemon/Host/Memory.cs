using System.Runtime;
using System.Runtime.InteropServices;

namespace LivepatchAgent.Daemon.Host;

/// <summary>Going to rest: what a burst of work left behind goes back to the host.</summary>
internal static partial class Memory
{
    /// <summary>For programs that hold the daemon besides other things, as its tests do.</summary>
    private static readonly bool Kept = AppContext.TryGetSwitch("LivepatchAgent.KeepMemory", out var keep) && keep;

    public static void GiveBack()
    {
        if (Kept) return;
        GCSettings.LargeObjectHeapCompactionMode = GCLargeObjectHeapCompactionMode.CompactOnce;
        GC.Collect(2, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        _ = MallocTrim(0);
    }

    [LibraryImport("libc", EntryPoint = "malloc_trim")]
    private static partial int MallocTrim(nuint pad);
}
