using System.IO.MemoryMappedFiles;
using Microsoft.Win32.SafeHandles;

namespace LivepatchAgent.Daemon.Kernel;

/// <summary>A file of the agent's store without a copy of it in memory. Its folder is root's alone, so that it cannot shrink under the mapping.</summary>
internal static class MappedFile
{
    public static unsafe T Read<T>(SafeFileHandle handle, Func<ReadOnlySpan<byte>, T> read)
    {
        var length = RandomAccess.GetLength(handle);
        if (length == 0) return read([]); // nothing is mapped of nothing
        using var map = MemoryMappedFile.CreateFromFile(handle, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: true);
        using var view = map.CreateViewAccessor(0, length, MemoryMappedFileAccess.Read);
        byte* start = null;
        view.SafeMemoryMappedViewHandle.AcquirePointer(ref start);
        try
        {
            return read(new ReadOnlySpan<byte>(start + view.PointerOffset, checked((int)length)));
        }
        finally
        {
            view.SafeMemoryMappedViewHandle.ReleasePointer();
        }
    }
}
