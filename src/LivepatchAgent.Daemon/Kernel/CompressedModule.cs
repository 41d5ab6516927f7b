using System.IO.Compression;
using System.Runtime.InteropServices;
using LivepatchAgent.Core.Trust;

namespace LivepatchAgent.Daemon.Kernel;

/// <summary>
/// A module's file as depmod and modprobe take it: plain, or packed by gzip, xz or zstd. The two last are read by the
/// host's own libraries, which kmod needs as well; where they are missing the file counts as unreadable.
/// </summary>
internal static partial class CompressedModule
{
    private const int MaxPacked = 32 << 20;

    /// <summary>Null when it cannot be read.</summary>
    public static byte[]? Read(string path)
    {
        try
        {
            using var file = File.OpenRead(path);
            if (file.Length > MaxPacked) return null;
            var packed = new byte[file.Length];
            file.ReadExactly(packed);
            return Path.GetExtension(path) switch
            {
                ".ko" => packed,
                ".gz" => Gunzip(packed),
                ".xz" => Unxz(packed),
                ".zst" => Unzstd(packed),
                _ => null,
            };
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or InvalidDataException or DllNotFoundException or EntryPointNotFoundException)
        {
            return null;
        }
    }

    private static byte[] Gunzip(byte[] packed)
    {
        using var stream = new GZipStream(new MemoryStream(packed), CompressionMode.Decompress);
        var plain = new byte[ManifestRules.MaxModuleSize];
        return plain[..stream.ReadAtLeast(plain, plain.Length, throwOnEndOfStream: false)];
    }

    private static byte[]? Unxz(byte[] packed)
    {
        ulong memory = 128 << 20;
        for (var size = Math.Max(packed.Length * 8, 1 << 20); size <= ManifestRules.MaxModuleSize; size *= 4)
        {
            var plain = new byte[size];
            nuint read = 0, written = 0;
            var answer = LzmaDecode(ref memory, 0, 0, packed, ref read, (nuint)packed.Length, plain, ref written, (nuint)size);
            if (answer == 0) return plain[..(int)written];
            if (answer != LzmaBufferError) return null;
        }

        return null;
    }

    private static byte[]? Unzstd(byte[] packed)
    {
        for (var size = Math.Max(packed.Length * 8, 1 << 20); size <= ManifestRules.MaxModuleSize; size *= 4)
        {
            var plain = new byte[size];
            var written = ZstdDecompress(plain, (nuint)size, packed, (nuint)packed.Length);
            if (ZstdIsError(written) == 0) return plain[..(int)written];
        }

        return null;
    }

    private const int LzmaBufferError = 10;

    [LibraryImport("liblzma.so.5", EntryPoint = "lzma_stream_buffer_decode")]
    private static partial int LzmaDecode(ref ulong memory, uint flags, nint allocator, byte[] packed, ref nuint read, nuint size, [Out] byte[] plain, ref nuint written, nuint room);

    [LibraryImport("libzstd.so.1", EntryPoint = "ZSTD_decompress")]
    private static partial nuint ZstdDecompress([Out] byte[] plain, nuint room, byte[] packed, nuint size);

    [LibraryImport("libzstd.so.1", EntryPoint = "ZSTD_isError")]
    private static partial uint ZstdIsError(nuint answer);
}
