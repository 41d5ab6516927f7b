namespace LivepatchAgent.Core.Modules;

/// <summary>
/// What algorithms are called, by their object identifiers: in messages, and in short as the kernel's tools do. Which
/// of them are believed is Trust.Algorithms' matter, which takes their names from here and brings the platform's
/// cryptography along.
/// </summary>
internal static class SignatureAlgorithms
{
    private static readonly Dictionary<string, (string Name, string Short)> Digests = new()
    {
        ["1.2.840.113549.2.2"] = ("MD2", "md2"),
        ["1.2.840.113549.2.4"] = ("MD4", "md4"),
        ["1.2.840.113549.2.5"] = ("MD5", "md5"),
        ["1.3.14.3.2.26"] = ("SHA-1", "sha1"),
        ["1.3.36.3.2.1"] = ("RIPEMD-160", "rmd160"),
        ["2.16.840.1.101.3.4.2.1"] = ("SHA-256", "sha256"),
        ["2.16.840.1.101.3.4.2.2"] = ("SHA-384", "sha384"),
        ["2.16.840.1.101.3.4.2.3"] = ("SHA-512", "sha512"),
        ["2.16.840.1.101.3.4.2.4"] = ("SHA-224", "sha224"),
        ["2.16.840.1.101.3.4.2.5"] = ("SHA-512/224", "sha512-224"),
        ["2.16.840.1.101.3.4.2.6"] = ("SHA-512/256", "sha512-256"),
        ["2.16.840.1.101.3.4.2.8"] = ("SHA3-256", "sha3-256"),
        ["2.16.840.1.101.3.4.2.9"] = ("SHA3-384", "sha3-384"),
        ["2.16.840.1.101.3.4.2.10"] = ("SHA3-512", "sha3-512"),
        ["2.16.840.1.101.3.4.2.12"] = ("SHAKE256", "shake256"),
        ["1.2.156.10197.1.401"] = ("SM3", "sm3"),
        ["1.2.643.7.1.1.2.2"] = ("Streebog-256", "streebog256"),
        ["1.2.643.7.1.1.2.3"] = ("Streebog-512", "streebog512"),
    };

    /// <summary>
    /// Of signatures and of keys. The short form of one that names a digest too leaves it out: the signer names it
    /// beside.
    /// </summary>
    private static readonly Dictionary<string, (string Name, string Short)> Signatures = new()
    {
        ["1.2.840.113549.1.1.1"] = ("RSA", "rsa"),
        ["1.2.840.113549.1.1.4"] = ("RSA with MD5", "rsa"),
        ["1.2.840.113549.1.1.5"] = ("RSA with SHA-1", "rsa"),
        ["1.2.840.113549.1.1.10"] = ("RSASSA-PSS", "rsa-pss"),
        ["1.2.840.113549.1.1.11"] = ("RSA with SHA-256", "rsa"),
        ["1.2.840.113549.1.1.12"] = ("RSA with SHA-384", "rsa"),
        ["1.2.840.113549.1.1.13"] = ("RSA with SHA-512", "rsa"),
        ["1.2.840.113549.1.1.14"] = ("RSA with SHA-224", "rsa"),
        ["1.2.840.10045.2.1"] = ("ECDSA", "ecdsa"),
        ["1.2.840.10045.4.1"] = ("ECDSA with SHA-1", "ecdsa"),
        ["1.2.840.10045.4.3.1"] = ("ECDSA with SHA-224", "ecdsa"),
        ["1.2.840.10045.4.3.2"] = ("ECDSA with SHA-256", "ecdsa"),
        ["1.2.840.10045.4.3.3"] = ("ECDSA with SHA-384", "ecdsa"),
        ["1.2.840.10045.4.3.4"] = ("ECDSA with SHA-512", "ecdsa"),
        ["1.2.840.10040.4.1"] = ("DSA", "dsa"),
        ["1.2.840.10040.4.3"] = ("DSA with SHA-1", "dsa"),
        ["2.16.840.1.101.3.4.3.2"] = ("DSA with SHA-256", "dsa"),
        ["1.3.101.112"] = ("Ed25519", "ed25519"),
        ["1.3.101.113"] = ("Ed448", "ed448"),
        ["1.2.643.7.1.1.1.1"] = ("GOST R 34.10-2012", "ecrdsa"),
        ["1.2.643.7.1.1.1.2"] = ("GOST R 34.10-2012", "ecrdsa"),
        ["1.2.156.10197.1.301"] = ("SM2", "sm2"),
        ["1.2.156.10197.1.501"] = ("SM2 with SM3", "sm2"),
        ["2.16.840.1.101.3.4.3.17"] = ("ML-DSA-44", "ml-dsa-44"),
        ["2.16.840.1.101.3.4.3.18"] = ("ML-DSA-65", "ml-dsa-65"),
        ["2.16.840.1.101.3.4.3.19"] = ("ML-DSA-87", "ml-dsa-87"),
    };

    /// <summary>In short; one that is not known by its identifier.</summary>
    public static string Digest(string id) => Digests.TryGetValue(id, out var named) ? named.Short : id;

    /// <inheritdoc cref="Digest"/>
    public static string Signature(string id) => Signatures.TryGetValue(id, out var named) ? named.Short : id;

    /// <summary>For messages; null for one that is not known.</summary>
    public static string? DigestName(string id) => Digests.TryGetValue(id, out var named) ? named.Name : null;

    /// <inheritdoc cref="DigestName"/>
    public static string? SignatureName(string id) => Signatures.TryGetValue(id, out var named) ? named.Name : null;
}
