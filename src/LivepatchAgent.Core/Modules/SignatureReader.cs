using System.Buffers.Binary;
using System.Formats.Asn1;

namespace LivepatchAgent.Core.Modules;

/// <summary>What is appended to a module: the signatures, one over the other, and who made them.</summary>
internal static class SignatureReader
{
    /// <summary>Twice is a mistake that happens; more than this is no module.</summary>
    private const int MaxNested = 8;

    /// <summary>How far from the end a signature is looked for that has bytes behind it.</summary>
    private const int SearchLength = 64 * 1024;

    public const int MaxSigners = 16;

    private const string SignedDataId = "1.2.840.113549.1.7.2";

    /// <summary>Names of issuers have some tens of bytes.</summary>
    private const int MaxQuery = 1024;

    /// <summary>
    /// All signatures, the last one first. Null with a reason when the last one's trailer is such that no kernel takes
    /// the file, signed or not.
    /// </summary>
    public static IReadOnlyList<AppendedSignature>? Read(ReadOnlySpan<byte> file, out string? fault)
    {
        fault = null;
        List<AppendedSignature> found = [];
        while (found.Count < MaxNested && ModuleSignature.IsMarked(file))
        {
            var trailer = file[Math.Max(0, file.Length - ModuleSignature.TrailerLength)..];
            if (ModuleSignature.TryFind(trailer, file.Length, out var signature, out var why))
                found.Add(Pkcs7(file, signature));
            else if (Foreign(trailer, file.Length, why) is { } foreign) found.Add(foreign);
            // Content that only looks like a signature.
            else if (found.Count > 0) break;
            else
            {
                fault = why;
                return null;
            }

            file = file[..(int)found[^1].ContentLength];
        }

        return found;
    }

    /// <summary>
    /// Bytes behind the last signature near the end of a file that does not end with one; 0 if nothing stands there.
    /// </summary>
    public static long BytesBehind(ReadOnlySpan<byte> file)
    {
        if (ModuleSignature.IsMarked(file)) return 0;
        var start = Math.Max(0, file.Length - SearchLength);
        var at = file[start..].LastIndexOf(ModuleSignature.Marker);
        if (at < 0) return 0;
        var end = start + at + ModuleSignature.Marker.Length;
        var trailer = file[Math.Max(0, end - ModuleSignature.TrailerLength)..end];
        return ModuleSignature.TryFind(trailer, end, out _, out _) ? file.Length - end : 0;
    }

    /// <summary>
    /// A kernel knows PKCS#7 only; another type (enum pkey_id_type) makes it take the module for an unsigned one.
    /// </summary>
    private static AppendedSignature? Foreign(ReadOnlySpan<byte> trailer, long fileLength, string why)
    {
        if (trailer.Length < ModuleSignature.TrailerLength || trailer[2] == ModuleSignature.Pkcs7IdType) return null;
        var length = BinaryPrimitives.ReadUInt32BigEndian(trailer[8..]);
        var room = fileLength - ModuleSignature.TrailerLength;
        if (length is 0 or > ModuleSignature.MaxPkcs7Length || length > room) return null;
        return new AppendedSignature
        {
            ContentLength = room - length,
            Length = (int)length,
            Type = trailer[2] switch { 0 => "PGP", 1 => "X.509", var other => $"type {other}" },
            Fault = why,
        };
    }

    private static AppendedSignature Pkcs7(ReadOnlySpan<byte> file, ModuleSignature signature)
    {
        var read = new AppendedSignature
        {
            ContentLength = signature.ContentLength,
            Length = signature.Pkcs7Length,
            Type = "PKCS#7",
        };
        try
        {
            return SignedData(file.Slice((int)signature.ContentLength, signature.Pkcs7Length), read);
        }
        catch (AsnContentException)
        {
            return read with { Fault = "it is not a PKCS#7 message" };
        }
    }

    /// <summary>ContentInfo and SignedData of RFC 5652, BER as in the kernel.</summary>
    private static AppendedSignature SignedData(ReadOnlySpan<byte> message, AppendedSignature read)
    {
        var outer = new BerReader(message);
        var info = outer.Sequence();
        read = read with { TrailingBytes = outer.Rest.Length };
        if (info.ObjectId() != SignedDataId) return read with { Fault = "it is a CMS message, not a signed one" };
        var content = info.Constructed(BerReader.Context(0));
        var signed = content.Sequence();
        // The version, then digestAlgorithms: the signers name theirs.
        signed.Skip();
        signed.Skip();
        var encapsulated = signed.Sequence();
        encapsulated.Skip();
        var fault = encapsulated.IsEmpty ? null : "it holds content of its own, which no kernel takes";
        if (signed.IsNext(BerReader.Context(0)))
        {
            var count = read.Certificates;
            for (var certificates = signed.Constructed(BerReader.Context(0)); !certificates.IsEmpty; count++)
                certificates.Skip();
            read = read with { Certificates = count };
        }

        if (signed.IsNext(BerReader.Context(1))) signed.Skip();
        List<SignatureSigner> signers = [];
        for (var infos = signed.Set(); !infos.IsEmpty;)
        {
            if (signers.Count == MaxSigners)
            {
                fault ??= $"it has more than {MaxSigners} signers";
                break;
            }

            signers.Add(Signer(infos.Sequence()));
        }

        return read with { Signers = signers, Fault = fault ?? (signers.Count == 0 ? "it has no signer" : null) };
    }

    /// <summary>
    /// The SignerInfos of a detached message, strictly: what does not fit is an <see cref="AsnContentException"/>.
    /// </summary>
    internal static BerReader SignerInfos(ReadOnlySpan<byte> message)
    {
        var info = new BerReader(message).Sequence();
        if (info.ObjectId() != SignedDataId) throw new AsnContentException("it is no signed message");
        var content = info.Constructed(BerReader.Context(0));
        var signed = content.Sequence();
        // The version.
        signed.Integer();
        for (var digests = signed.Set(); !digests.IsEmpty;) Algorithm(digests.Sequence());
        var encapsulated = signed.Sequence();
        encapsulated.ObjectId();
        encapsulated.End();
        // Certificates, then CRLs.
        for (var tag = 0; tag < 2; tag++)
        {
            if (signed.IsNext(BerReader.Context(tag))) signed.Constructed(BerReader.Context(tag));
        }

        var infos = signed.Set();
        signed.End();
        content.End();
        info.End();
        return infos;
    }

    private static void Algorithm(BerReader algorithm)
    {
        algorithm.ObjectId();
        // Parameters.
        if (!algorithm.IsEmpty) algorithm.Skip();
        algorithm.End();
    }

    private static SignatureSigner Signer(BerReader info)
    {
        var signer = SignerFields.Of(info);
        return new SignatureSigner
        {
            Issuer = signer.IsByKeyId ? null : DistinguishedName.Of(new BerReader(signer.Issuer)),
            Serial = signer.IsByKeyId ? null : Hex(signer.Serial.TrimStart((byte)0)),
            KeyId = signer.IsByKeyId ? Hex(signer.KeyId) : null,
            KeyringQuery = signer.IsByKeyId
                ? Query("id:", signer.KeyId, [])
                : Query("ex:", signer.Serial, signer.Issuer),
            Digest = SignatureAlgorithms.Digest(signer.Digest),
            Algorithm = SignatureAlgorithms.Signature(signer.Algorithm),
            HasSignedAttributes = signer.HasSignedAttributes,
        };
    }

    private static string Query(string how, ReadOnlySpan<byte> first, ReadOnlySpan<byte> second)
    {
        if (first.Length + second.Length > MaxQuery) return "";
        return how + Convert.ToHexStringLower(first) + Convert.ToHexStringLower(second);
    }

    /// <summary>Serial numbers have at most 20 bytes, key ids are digests.</summary>
    private static string Hex(ReadOnlySpan<byte> bytes) =>
        bytes.Length <= 64 ? Convert.ToHexStringLower(bytes) : Convert.ToHexStringLower(bytes[..64]) + "…";
}
