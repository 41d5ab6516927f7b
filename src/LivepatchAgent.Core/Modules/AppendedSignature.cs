namespace LivepatchAgent.Core.Modules;

/// <summary>
/// A signature at a module's end, as far as its bytes show. Nothing here was checked: anybody can write any name into
/// one.
/// </summary>
public sealed record AppendedSignature
{
    /// <summary>Bytes of the file that it covers: all before it.</summary>
    public required long ContentLength { get; init; }

    /// <summary>Bytes of the signature without its descriptor and marker.</summary>
    public required int Length { get; init; }

    /// <summary><c>PKCS#7</c>; a kernel takes no other.</summary>
    public required string Type { get; init; }

    public IReadOnlyList<SignatureSigner> Signers { get; init; } = [];

    /// <summary>Certificates that it brings along. They count for nothing.</summary>
    public int Certificates { get; init; }

    /// <summary>Bytes behind the PKCS#7 and within the length that the descriptor gives.</summary>
    public int TrailingBytes { get; init; }

    /// <summary>Why it cannot be read, or not as a whole; null when it could.</summary>
    public string? Fault { get; init; }
}

/// <summary>One signer of a PKCS#7: named by issuer and serial number, or by a key id.</summary>
public sealed record SignatureSigner
{
    /// <summary>The issuer's name as <c>CN=…, O=…</c>; null when the signer is named by its key id.</summary>
    public string? Issuer { get; init; }

    /// <summary>
    /// Of the certificate, lower-case hex without leading zeros; null when the signer is named by its key id.
    /// </summary>
    public string? Serial { get; init; }

    /// <summary>Subject key identifier, lower-case hex; null when the signer is named by issuer and serial.</summary>
    public string? KeyId { get; init; }

    /// <summary>
    /// How a kernel's keyring is asked for the key (crypto/asymmetric_keys): <c>ex:</c> and serial number and issuer,
    /// or <c>id:</c> and the key id, in hex. Empty when it is longer than any that a key has.
    /// </summary>
    [System.Text.Json.Serialization.JsonIgnore] // serial number or key id say it to people
    public string KeyringQuery { get; init; } = "";

    /// <summary>E.g. <c>sha512</c>; an algorithm that has no name here is its object identifier.</summary>
    public required string Digest { get; init; }

    /// <summary>E.g. <c>rsa</c>, <c>rsa-pss</c>, <c>ecdsa</c>.</summary>
    public required string Algorithm { get; init; }

    /// <summary>Whether it signs attributes that name the content's digest, and not the content itself.</summary>
    public bool HasSignedAttributes { get; init; }
}
