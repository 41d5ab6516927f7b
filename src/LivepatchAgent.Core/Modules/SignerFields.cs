using System.Formats.Asn1;

namespace LivepatchAgent.Core.Modules;

/// <summary>
/// A SignerInfo of RFC 5652, where it stands. What does not fit is an <see cref="AsnContentException"/>.
/// </summary>
internal readonly ref struct SignerFields
{
    private SignerFields(BerReader info)
    {
        Version = info.Value();
        IsByKeyId = info.IsNext(BerReader.Context(0));
        if (IsByKeyId)
        {
            KeyId = info.Value();
        }
        else
        {
            var id = info.Sequence();
            Issuer = id.Sequence().Rest;
            Serial = id.Integer();
        }

        Digest = info.Sequence().ObjectId();
        HasSignedAttributes = info.IsNext(BerReader.Context(0));
        if (HasSignedAttributes) info.Skip();
        Algorithm = info.Sequence().ObjectId();
        Rest = info.Rest;
    }

    private ReadOnlySpan<byte> Version { get; }

    /// <summary>
    /// Whether the signer is named by <see cref="KeyId"/>, and not by <see cref="Issuer"/> and <see cref="Serial"/>.
    /// </summary>
    public bool IsByKeyId { get; }

    public ReadOnlySpan<byte> KeyId { get; }

    /// <summary>What is in the Name.</summary>
    public ReadOnlySpan<byte> Issuer { get; }

    public ReadOnlySpan<byte> Serial { get; }

    /// <summary>As dotted numbers.</summary>
    public string Digest { get; }

    /// <inheritdoc cref="Digest"/>
    public string Algorithm { get; }

    public bool HasSignedAttributes { get; }

    private ReadOnlySpan<byte> Rest { get; }

    /// <summary>
    /// The signature itself, strictly: with nothing but attributes that are not signed behind it, of the version that
    /// goes with the name.
    /// </summary>
    public byte[] Signature()
    {
        var octets = new Asn1Tag(UniversalTagNumber.OctetString);
        var rest = new BerReader(Rest);
        var isVersion = Version.SequenceEqual([IsByKeyId ? (byte)3 : (byte)1]);
        if (!isVersion || rest.IsEmpty || Asn1Tag.Decode(Rest, out _) != octets)
            throw new AsnContentException("there is no signature");
        var signature = rest.Value();
        if (rest.IsNext(BerReader.Context(1))) rest.Skip();
        rest.End();
        return signature.ToArray();
    }

    public static SignerFields Of(BerReader info) => new(info);
}
