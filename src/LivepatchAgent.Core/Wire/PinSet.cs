namespace LivepatchAgent.Core.Wire;

/// <summary>
/// Whom hosts trust from now on: a whole set that takes the place of the one before, signed by as many publishers of
/// the set before as that one demands. It travels as a <see cref="Trust.CmsEnvelope"/>.
/// </summary>
public sealed record PinSet
{
    public const string SchemaName = "livepatch-pins/1";

    public required string Schema { get; init; }

    /// <summary>Rises by one with each set; what a token pins is version 0. A host never goes back.</summary>
    public required long Version { get; init; }

    /// <summary>How many different publishers must sign a manifest, a withdrawal, and the next pin set.</summary>
    public required int Threshold { get; init; }

    /// <summary>Certificates (DER, base64) of the publishers.</summary>
    public required IReadOnlyList<string> Publishers { get; init; }

    /// <summary>Certificates (DER, base64) of catalogue keys; two while one takes over from the other.</summary>
    public required IReadOnlyList<string> Catalogue { get; init; }

    /// <summary>
    /// SHA-256 of the SubjectPublicKeyInfo of TLS keys, hex; empty where the system's CAs are to judge.
    /// </summary>
    public required IReadOnlyList<string> Tls { get; init; }
}
