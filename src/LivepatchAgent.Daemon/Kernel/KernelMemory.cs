using System.Buffers.Binary;
using LivepatchAgent.Core.Kernel;
using Microsoft.Win32.SafeHandles;

namespace LivepatchAgent.Daemon.Kernel;

/// <summary>The running kernel's memory as an ELF core file, /proc/kcore: read only, and not at all under lockdown's confidentiality.</summary>
internal sealed class KernelMemory : IDisposable
{
    private const int HeaderSize = 64, ProgramSize = 56, MaxPrograms = 512, MaxNotes = 64 * 1024;
    private const uint Load = 1, Note = 4;

    private readonly SafeFileHandle _file;
    private readonly List<(ulong Address, ulong Size, long Offset)> _segments = [];

    private KernelMemory(SafeFileHandle file)
    {
        _file = file;
        var header = new byte[HeaderSize];
        if (RandomAccess.Read(file, header, 0) < HeaderSize || !header.AsSpan().StartsWith("\u007fELF"u8)) return;
        var rows = new byte[Math.Min((int)BinaryPrimitives.ReadUInt16LittleEndian(header.AsSpan(56)), MaxPrograms) * ProgramSize];
        var read = RandomAccess.Read(file, rows, Math.Max(0, BinaryPrimitives.ReadInt64LittleEndian(header.AsSpan(32))));
        for (ReadOnlySpan<byte> row = rows.AsSpan(0, read); row.Length >= ProgramSize; row = row[ProgramSize..])
        {
            var (kind, offset, size) = (BinaryPrimitives.ReadUInt32LittleEndian(row), BinaryPrimitives.ReadInt64LittleEndian(row[8..]), BinaryPrimitives.ReadUInt64LittleEndian(row[32..]));
            if (offset < 0) continue;
            if (kind == Load) _segments.Add((BinaryPrimitives.ReadUInt64LittleEndian(row[16..]), BinaryPrimitives.ReadUInt64LittleEndian(row[40..]), offset));
            else if (kind == Note && size <= MaxNotes) Symbols = Notes(offset, (int)size);
        }
    }

    /// <summary>Where a few things lie, as the kernel says for those who read its memory.</summary>
    public IReadOnlyDictionary<string, ulong> Symbols { get; } = new Dictionary<string, ulong>();

    /// <summary>Null when the kernel does not let it be read.</summary>
    public static KernelMemory? Open(string path)
    {
        SafeFileHandle? file = null;
        try
        {
            file = File.OpenHandle(path);
            return new KernelMemory(file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            file?.Dispose();
            return null;
        }
    }

    /// <summary>How much could be read of what was asked for; 0 when nothing is there.</summary>
    public int Read(ulong at, Span<byte> bytes)
    {
        foreach (var (address, size, offset) in _segments)
        {
            if (at < address || at - address >= size) continue;
            var length = (int)Math.Min((ulong)bytes.Length, size - (at - address));
            var read = 0;
            try
            {
                while (read < length && RandomAccess.Read(_file, bytes[read..length], offset + (long)(at - address) + read) is var more and > 0) read += more;
            }
            catch (IOException)
            {
                // What was read before is good.
            }

            return read;
        }

        return 0;
    }

    /// <summary>The number of so many bytes that stands at an address; null when it cannot be read.</summary>
    public ulong? Number(ulong at, int size = sizeof(ulong))
    {
        Span<byte> bytes = stackalloc byte[sizeof(ulong)];
        bytes.Clear();
        return Read(at, bytes[..size]) == size ? BinaryPrimitives.ReadUInt64LittleEndian(bytes) : null;
    }

    public void Dispose() => _file.Dispose();

    private IReadOnlyDictionary<string, ulong> Notes(long offset, int size)
    {
        var notes = new byte[size];
        return CoreTexts.Symbols(notes.AsSpan(0, RandomAccess.Read(_file, notes, offset)));
    }
}
