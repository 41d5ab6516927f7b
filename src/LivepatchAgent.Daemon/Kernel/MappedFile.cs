using System.Buffers;
using System.IO.MemoryMappedFiles;
using Microsoft.Win32.SafeHandles;

namespace LivepatchAgent.Daemon.Kernel;

/// <summary>
/// A file of the agent's store without a copy of it in memory. Its folder is root's alone, so that it cannot shrink
/// under the mapping.
/// </summary>
internal static class MappedFile
{
    private const int ChunkSize = 64 * 1024;

    /// <summary>
    /// Once by plain reads before it is mapped: what the disk cannot give back is an <see cref="IOException"/> here,
    /// and would end the process in a mapping.
    /// </summary>
    public static void ReadThrough(SafeFileHandle handle)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(ChunkSize);
        try
        {
            for (long offset = 0; RandomAccess.Read(handle, buffer, offset) is var read and > 0; offset += read)
            {
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    public static unsafe T Read<T>(SafeFileHandle handle, Func<ReadOnlySpan<byte>, T> read)
    {
        var length = RandomAccess.GetLength(handle);
        if (length == 0) return read([]); // nothing is mapped of nothing
        const MemoryMappedFileAccess access = MemoryMappedFileAccess.Read;
        const HandleInheritability inheritability = HandleInheritability.None;
        using var map = MemoryMappedFile.CreateFromFile(handle, null, 0, access, inheritability, leaveOpen: true);
        using var view = map.CreateViewAccessor(0, length, access);
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
