using System.Buffers.Binary;

namespace LivepatchAgent.Core.Kernel;

/// <summary>
/// EFI_SIGNATURE_LISTs as a firmware variable holds them (UEFI specification, "Signature Database"): the certificates
/// in them.
/// </summary>
public static class EfiSignatureLists
{
    private const int HeaderSize = 28, OwnerSize = 16, MaxCertificates = 64;

    /// <summary>EFI_CERT_X509_GUID, a5c059a1-94e4-4aa7-87b5-ab155c2bf072, as it stands in memory.</summary>
    private static ReadOnlySpan<byte> X509 =>
    [
        0xa1, 0x59, 0xc0, 0xa5, 0xe4, 0x94, 0xa7, 0x4a,
        0x87, 0xb5, 0xab, 0x15, 0x5c, 0x2b, 0xf0, 0x72,
    ];

    /// <param name="lists">The variable's value, without the attributes that efivarfs puts before it.</param>
    /// <returns>What stands where DER certificates belong; nothing of it is checked.</returns>
    public static IReadOnlyList<byte[]> Certificates(ReadOnlySpan<byte> lists)
    {
        List<byte[]> found = [];
        while (lists.Length > HeaderSize && found.Count < MaxCertificates)
        {
            var size = BinaryPrimitives.ReadUInt32LittleEndian(lists[16..]);
            var header = BinaryPrimitives.ReadUInt32LittleEndian(lists[20..]);
            var each = BinaryPrimitives.ReadUInt32LittleEndian(lists[24..]);
            if (size < HeaderSize || size > lists.Length || header > size - HeaderSize || each <= OwnerSize) break;
            if (lists.StartsWith(X509))
            {
                var entries = lists[(HeaderSize + (int)header)..(int)size];
                for (; entries.Length >= each && found.Count < MaxCertificates; entries = entries[(int)each..])
                    found.Add(entries[OwnerSize..(int)each].ToArray());
            }

            lists = lists[(int)size..];
        }

        return found;
    }
}
