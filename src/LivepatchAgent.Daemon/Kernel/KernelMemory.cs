using System.Buffers.Binary;
using Microsoft.Win32.SafeHandles;

namespace LivepatchAgent.Daemon.Kernel;

/// <summary>The running kernel's memory, read as the ELF core file that /proc/kcore is. Lockdown for confidentiality forbids it.</summary>
internal sealed class KernelMemory : IDisposable
{
    private const int HeaderSize = 64, ProgramSize = 56, MaxPrograms = 512, Load = 1;

    private readonly SafeFileHandle _memory;
    private readonly List<(ulong Address, ulong Size, long Offset)> _segments = [];

    /// <exception cref="IOException">It cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be read.</exception>
    public KernelMemory(string path)
    {
        _memory = File.OpenHandle(path);
        var header = new byte[HeaderSize];
        if (RandomAccess.Read(_memory, header, 0) < HeaderSize || !header.AsSpan().StartsWith("\u007fELF"u8)) return;
        var at = BinaryPrimitives.ReadInt64LittleEndian(header.AsSpan(32));
        var count = Math.Min((int)BinaryPrimitives.ReadUInt16LittleEndian(header.AsSpan(56)), MaxPrograms);
        var rows = new byte[count * ProgramSize];
        var read = RandomAccess.Read(_memory, rows, at);
        for (var row = rows.AsSpan(0, read); row.Length >= ProgramSize; row = row[ProgramSize..])
        {
            if (BinaryPrimitives.ReadUInt32LittleEndian(row) != Load) continue;
            _segments.Add((BinaryPrimitives.ReadUInt64LittleEndian(row[16..]), BinaryPrimitives.ReadUInt64LittleEndian(row[40..]), BinaryPrimitives.ReadInt64LittleEndian(row[8..])));
        }
    }

    /// <summary>As much as can be read of so many bytes at an address.</summary>
    public byte[] Read(ulong at, int length)
    {
        foreach (var (address, size, offset) in _segments)
        {
            if (at < address || at - address >= size || (ulong)length > size - (at - address)) continue;
            var bytes = new byte[length];
            var read = 0;
            while (read < length && RandomAccess.Read(_memory, bytes.AsSpan(read), offset + (long)(at - address) + read) is var more and > 0) read += more;
            return bytes[..read];
        }

        return [];
    }

    public void Dispose() => _memory.Dispose();
}
