using System.Runtime;
using System.Runtime.InteropServices;

namespace LivepatchAgent.Daemon;

/// <summary>Going to rest: what a burst of work left behind goes back to the host.</summary>
internal static partial class Memory
{
    public static void GiveBack()
    {
        GCSettings.LargeObjectHeapCompactionMode = GCLargeObjectHeapCompactionMode.CompactOnce;
        GC.Collect(2, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        _ = MallocTrim(0);
    }

    [LibraryImport("libc", EntryPoint = "malloc_trim")]
    private static partial int MallocTrim(nuint pad);
}
