using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;

namespace LivepatchAgent.Core.Modules;

/// <summary>
/// The signature at the end of a module, as the kernel's scripts/sign-file leaves it: a detached PKCS#7 over all bytes
/// before it, a 12-byte <c>struct module_signature</c> with its length (include/linux/module_signature.h), and a
/// marker.
/// </summary>
/// <param name="ContentLength">Bytes that are signed.</param>
/// <param name="Pkcs7Length">Bytes of the PKCS#7 that follow them.</param>
public readonly record struct ModuleSignature(long ContentLength, int Pkcs7Length)
{
    /// <summary>
    /// A PKCS#7 with one signer has a few hundred bytes; the bound keeps a hostile file from costing memory.
    /// </summary>
    public const int MaxPkcs7Length = 64 * 1024;

    /// <summary>Bytes at the end of the file that <see cref="TryFind"/> needs.</summary>
    public const int TrailerLength = DescriptorLength + 28;

    private const int DescriptorLength = 12;
    internal const byte Pkcs7IdType = 2;

    internal static ReadOnlySpan<byte> Marker => "~Module signature appended~\n"u8;

    /// <summary>Whether the file claims to be signed; a claim may still be malformed.</summary>
    public static bool IsMarked(ReadOnlySpan<byte> trailer) => trailer.EndsWith(Marker);

    /// <summary>
    /// Reads the trailer. False with a reason when there is no signature or its descriptor is not one.
    /// </summary>
    /// <param name="trailer">The file's last <see cref="TrailerLength"/> bytes, or all of a shorter file.</param>
    public static bool TryFind(
        ReadOnlySpan<byte> trailer,
        long fileLength,
        out ModuleSignature signature,
        [NotNullWhen(false)] out string? fault)
    {
        signature = default;
        if (!IsMarked(trailer) || trailer.Length < TrailerLength)
        {
            fault = "it has no appended signature";
            return false;
        }

        var descriptor = trailer.Slice(trailer.Length - TrailerLength, DescriptorLength);
        var length = BinaryPrimitives.ReadUInt32BigEndian(descriptor[8..]);
        if (descriptor[2] != Pkcs7IdType)
        {
            fault = $"its signature is of type {descriptor[2]}, not PKCS#7 (2)";
            return false;
        }

        // The kernel's mod_check_sig() refuses any other value here.
        if (descriptor[..2].ContainsAnyExcept((byte)0) || descriptor[3..8].ContainsAnyExcept((byte)0))
        {
            fault = "its signature descriptor has unexpected fields";
            return false;
        }

        if (length is 0 or > MaxPkcs7Length || length > fileLength - TrailerLength)
        {
            fault = $"its signature descriptor claims {length} bytes";
            return false;
        }

        signature = new ModuleSignature(fileLength - TrailerLength - length, (int)length);
        fault = null;
        return true;
    }

    /// <summary>The whole signed file.</summary>
    public static byte[] Append(ReadOnlySpan<byte> module, ReadOnlySpan<byte> pkcs7)
    {
        var file = new byte[module.Length + pkcs7.Length + TrailerLength];
        module.CopyTo(file);
        pkcs7.CopyTo(file.AsSpan(module.Length));
        var descriptor = file.AsSpan(module.Length + pkcs7.Length, DescriptorLength);
        descriptor[2] = Pkcs7IdType;
        BinaryPrimitives.WriteUInt32BigEndian(descriptor[8..], (uint)pkcs7.Length);
        Marker.CopyTo(file.AsSpan(file.Length - Marker.Length));
        return file;
    }
}
