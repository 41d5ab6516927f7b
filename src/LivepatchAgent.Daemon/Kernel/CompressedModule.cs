using System.Buffers.Binary;
using System.IO.Compression;
using System.Runtime.InteropServices;

namespace LivepatchAgent.Daemon.Kernel;

/// <summary>
/// A module's file as depmod and modprobe take it: plain, or packed by gzip, xz or zstd. The two last are read by the
/// host's own libraries, which kmod needs as well; where they are missing the file counts as unreadable. A packed file
/// says how large it will be, and what says more than fits into the daemon's memory is not unpacked.
/// </summary>
internal static partial class CompressedModule
{
    /// <summary>
    /// The daemon may use 256 MiB in all. Modules with all their debug information reach this at most.
    /// </summary>
    public const int MaxSize = 64 << 20;

    private const int MaxPacked = 32 << 20;

    /// <summary>
    /// Modules shrink to a third or a tenth. What says that it shrank to far less does not get the memory to try.
    /// </summary>
    private const int MaxRatio = 256;

    /// <summary>Null when it cannot be read.</summary>
    public static byte[]? Read(string path)
    {
        try
        {
            using var file = File.OpenRead(path);
            var kind = Path.GetExtension(path);
            if (file.Length > (kind == ".ko" ? MaxSize : MaxPacked)) return null;
            var packed = new byte[file.Length];
            file.ReadExactly(packed);
            return Unpack(packed, kind);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <param name="kind">The end of the file's name.</param>
    /// <returns>Null when it is not packed so, or cannot be unpacked here.</returns>
    public static byte[]? Unpack(byte[] packed, string kind)
    {
        try
        {
            return kind switch
            {
                ".ko" => packed,
                ".gz" => Gunzip(packed),
                ".xz" => Unxz(packed),
                ".zst" => Unzstd(packed),
                _ => null,
            };
        }
        catch (Exception e) when (e is InvalidDataException or DllNotFoundException or EntryPointNotFoundException)
        {
            return null;
        }
    }

    /// <summary>The last four bytes are the length of what was packed (RFC 1952).</summary>
    private static byte[]? Gunzip(byte[] packed)
    {
        if (packed.Length < sizeof(uint)) return null;
        var size = BinaryPrimitives.ReadUInt32LittleEndian(packed.AsSpan(packed.Length - sizeof(uint)));
        if (size > Room(packed)) return null;
        using var stream = new GZipStream(new MemoryStream(packed), CompressionMode.Decompress);
        var plain = new byte[(int)size];
        var length = stream.ReadAtLeast(plain, plain.Length, throwOnEndOfStream: false);
        return length == plain.Length && stream.ReadByte() < 0 ? plain : null;
    }

    /// <summary>
    /// The index before the footer of 12 bytes has the lengths of all blocks (The .xz File Format, 2.1.2.2).
    /// </summary>
    private static byte[]? Unxz(byte[] packed)
    {
        const int Footer = 12, BackwardSize = 4;
        if (packed.Length < Footer) return null;
        var backwardSize = packed.AsSpan(packed.Length - Footer + BackwardSize);
        var length = (BinaryPrimitives.ReadUInt32LittleEndian(backwardSize) + 1L) * 4;
        if (length > packed.Length - Footer) return null;
        ulong memory = 16 << 20;
        nuint at = (nuint)(packed.Length - Footer - length);
        nint index = 0;
        if (LzmaIndex(ref index, ref memory, 0, packed, ref at, (nuint)(packed.Length - Footer)) != 0) return null;
        var size = LzmaSize(index);
        LzmaEnd(index, 0);
        if (size > Room(packed)) return null;

        var plain = new byte[(int)size];
        memory = 128 << 20; // what xz -9 needs to unpack is 65 MiB, and not the heap's
        nuint read = 0, written = 0;
        var (packedSize, room) = ((nuint)packed.Length, (nuint)plain.Length);
        var fault = LzmaDecode(ref memory, 0, 0, packed, ref read, packedSize, plain, ref written, room);
        return fault == 0 ? plain[..(int)written] : null;
    }

    /// <summary>
    /// The frame's header has the length, unless a pipe was packed: then the most that is taken has to be tried.
    /// </summary>
    private static byte[]? Unzstd(byte[] packed)
    {
        const ulong Unknown = ulong.MaxValue;
        var size = ZstdSize(packed, (nuint)packed.Length);
        if (size > Room(packed) && size != Unknown) return null;
        var plain = size == Unknown ? GC.AllocateUninitializedArray<byte>((int)Room(packed)) : new byte[(int)size];
        var written = ZstdDecompress(plain, (nuint)plain.Length, packed, (nuint)packed.Length);
        if (ZstdIsError(written) != 0) return null;
        return (int)written == plain.Length ? plain : plain[..(int)written];
    }

    private static ulong Room(byte[] packed) => Math.Min(MaxSize, (ulong)packed.Length * MaxRatio);

    [LibraryImport("liblzma.so.5", EntryPoint = "lzma_stream_buffer_decode")]
    private static partial int LzmaDecode(
        ref ulong memory,
        uint flags,
        nint allocator,
        byte[] packed,
        ref nuint read,
        nuint size,
        [Out] byte[] plain,
        ref nuint written,
        nuint room);

    [LibraryImport("liblzma.so.5", EntryPoint = "lzma_index_buffer_decode")]
    private static partial int LzmaIndex(
        ref nint index, ref ulong memory, nint allocator, byte[] packed, ref nuint at, nuint size);

    [LibraryImport("liblzma.so.5", EntryPoint = "lzma_index_uncompressed_size")]
    private static partial ulong LzmaSize(nint index);

    [LibraryImport("liblzma.so.5", EntryPoint = "lzma_index_end")]
    private static partial void LzmaEnd(nint index, nint allocator);

    [LibraryImport("libzstd.so.1", EntryPoint = "ZSTD_getFrameContentSize")]
    private static partial ulong ZstdSize(byte[] packed, nuint size);

    [LibraryImport("libzstd.so.1", EntryPoint = "ZSTD_decompress")]
    private static partial nuint ZstdDecompress([Out] byte[] plain, nuint room, byte[] packed, nuint size);

    [LibraryImport("libzstd.so.1", EntryPoint = "ZSTD_isError")]
    private static partial uint ZstdIsError(nuint answer);
}
