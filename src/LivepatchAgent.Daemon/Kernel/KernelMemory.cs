using System.Buffers.Binary;
using LivepatchAgent.Core.Kernel;
using LivepatchAgent.Daemon.Host;
using Microsoft.Win32.SafeHandles;

namespace LivepatchAgent.Daemon.Kernel;

/// <summary>
/// The running kernel's memory as an ELF core file, /proc/kcore: read only, and not at all under lockdown's
/// confidentiality. It goes on changing while it is read.
/// </summary>
internal sealed class KernelMemory : IDisposable
{
    private const int HeaderSize = 64, ProgramSize = 56, MaxPrograms = 512, MaxNotes = 64 * 1024;
    private const uint Load = 1, Note = 4;

    private readonly ReadAt _read;
    private readonly SafeFileHandle? _file;
    private readonly List<(ulong Address, ulong Size, long Offset)> _segments = [];

    private KernelMemory(SafeFileHandle file)
        : this((bytes, offset) => RandomAccess.Read(file, bytes, offset)) => _file = file;

    /// <summary>Of a file that need not be on a disk, as fuzzing has it.</summary>
    internal KernelMemory(ReadAt read)
    {
        _read = read;
        var header = new byte[HeaderSize];
        if (read(header, 0) < HeaderSize || !header.AsSpan().StartsWith("\u007fELF"u8)) return;
        var count = Math.Min((int)BinaryPrimitives.ReadUInt16LittleEndian(header.AsSpan(56)), MaxPrograms);
        var rows = new byte[count * ProgramSize];
        var length = read(rows, Math.Max(0, BinaryPrimitives.ReadInt64LittleEndian(header.AsSpan(32))));
        var hasNotes = false; // the kernel writes them once
        for (ReadOnlySpan<byte> row = rows.AsSpan(0, length); row.Length >= ProgramSize; row = row[ProgramSize..])
        {
            var kind = BinaryPrimitives.ReadUInt32LittleEndian(row);
            var offset = BinaryPrimitives.ReadInt64LittleEndian(row[8..]);
            var size = BinaryPrimitives.ReadUInt64LittleEndian(row[32..]);
            if (offset < 0) continue;
            if (kind == Load) _segments.Add(Segment(row, offset));
            if (kind != Note || size > MaxNotes || hasNotes) continue;
            (Symbols, hasNotes) = (Notes(offset, (int)size), true);
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
            var start = offset + (long)(at - address);
            var read = 0;
            try
            {
                while (read < length)
                {
                    var more = _read(bytes[read..length], start + read);
                    if (more <= 0) break;
                    read += more;
                }
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
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

    public void Dispose() => _file?.Dispose();

    private static (ulong Address, ulong Size, long Offset) Segment(ReadOnlySpan<byte> row, long offset)
    {
        var address = BinaryPrimitives.ReadUInt64LittleEndian(row[16..]);
        var size = BinaryPrimitives.ReadUInt64LittleEndian(row[40..]);
        var longest = (ulong)(long.MaxValue - offset); // no file is longer
        return (address, Math.Min(size, longest), offset);
    }

    private IReadOnlyDictionary<string, ulong> Notes(long offset, int size)
    {
        var notes = new byte[size];
        return VmcoreinfoText.Symbols(notes.AsSpan(0, _read(notes, offset)));
    }
}
