namespace LivepatchAgent.Daemon.Kernel;

/// <summary>
/// The kernel's memory, for reading many small things that lie near each other: a page is read once for all that follow
/// in it.
/// </summary>
internal sealed class MemoryWindow(KernelMemory memory)
{
    private readonly byte[] _page = new byte[4096];
    private ulong _first;
    private int _length;

    /// <summary>So many bytes, or as many as there are.</summary>
    public ReadOnlySpan<byte> At(ulong at, int length)
    {
        if (at < _first || at - _first + (ulong)length > (ulong)_length)
        {
            _first = at;
            _length = memory.Read(at, _page);
        }

        var start = (int)(at - _first);
        return _page.AsSpan(start, Math.Min(length, _length - start));
    }
}
