namespace LivepatchAgent.Daemon.Kernel;

/// <summary>Small things in the kernel's memory that lie near each other, asked for in the order of their places: a piece that was read serves many of them.</summary>
internal sealed class MemoryPieces(KernelMemory memory)
{
    private const int PieceSize = 16 * 1024;

    private readonly byte[] _piece = new byte[PieceSize];
    private ulong _first;
    private int _length;

    /// <summary>So many bytes, or fewer where the memory ends; valid until the next call.</summary>
    public ReadOnlySpan<byte> At(ulong place, int most)
    {
        if (place - _first > (ulong)_length || _length - (int)(place - _first) < most) (_first, _length) = (place, memory.Read(place, _piece));
        var at = (int)(place - _first);
        return _piece.AsSpan(at, Math.Min(most, _length - at));
    }
}
