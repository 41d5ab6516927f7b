namespace LivepatchAgent.Core.Modules;

/// <summary>
/// Short names, for people, of the algorithms that signatures of modules are seen with; any other is told by its object
/// identifier. Which of them are believed is Trust.Algorithms' matter, which brings the platform's cryptography along.
/// </summary>
internal static class SignatureAlgorithms
{
    public static string Digest(string id) => id switch
    {
        "1.2.840.113549.2.5" => "md5",
        "1.3.14.3.2.26" => "sha1",
        "2.16.840.1.101.3.4.2.1" => "sha256",
        "2.16.840.1.101.3.4.2.2" => "sha384",
        "2.16.840.1.101.3.4.2.3" => "sha512",
        "2.16.840.1.101.3.4.2.4" => "sha224",
        "2.16.840.1.101.3.4.2.8" => "sha3-256",
        "2.16.840.1.101.3.4.2.9" => "sha3-384",
        "2.16.840.1.101.3.4.2.10" => "sha3-512",
        "2.16.840.1.101.3.4.2.12" => "shake256",
        _ => id,
    };

    /// <summary>Those that name a digest too are told without it: the signer names it beside.</summary>
    public static string Signature(string id) => id switch
    {
        "1.2.840.113549.1.1.1" or "1.2.840.113549.1.1.4" or "1.2.840.113549.1.1.5" or "1.2.840.113549.1.1.11"
            or "1.2.840.113549.1.1.12" or "1.2.840.113549.1.1.13" or "1.2.840.113549.1.1.14" => "rsa",
        "1.2.840.113549.1.1.10" => "rsa-pss",
        "1.2.840.10045.2.1" or "1.2.840.10045.4.1" or "1.2.840.10045.4.3.1" or "1.2.840.10045.4.3.2"
            or "1.2.840.10045.4.3.3" or "1.2.840.10045.4.3.4" => "ecdsa",
        "1.3.101.112" => "ed25519",
        "1.3.101.113" => "ed448",
        "1.2.643.7.1.1.1.1" or "1.2.643.7.1.1.1.2" => "ecrdsa",
        "1.2.156.10197.1.301" or "1.2.156.10197.1.501" => "sm2",
        "2.16.840.1.101.3.4.3.17" => "ml-dsa-44",
        "2.16.840.1.101.3.4.3.18" => "ml-dsa-65",
        "2.16.840.1.101.3.4.3.19" => "ml-dsa-87",
        _ => id,
    };
}
