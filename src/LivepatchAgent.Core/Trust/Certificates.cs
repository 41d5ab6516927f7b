using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace LivepatchAgent.Core.Trust;

/// <summary>
/// The certificates that a host pins, one set a role: a publisher's key vouches for manifests, withdrawals and modules
/// and for nothing else; a catalogue key (the server's) for catalogues and for nothing else.
/// </summary>
/// <param name="threshold">How many different publishers must have signed a manifest or a withdrawal.</param>
public sealed class HostTrust(
    IReadOnlyList<X509Certificate2> publishers,
    IReadOnlyList<X509Certificate2> catalogue,
    int threshold = 1)
{
    public IReadOnlyList<X509Certificate2> Publishers { get; } = publishers;

    public int Threshold { get; } = threshold;

    public IReadOnlyList<X509Certificate2> Catalogue { get; } = catalogue;
}

public static class Certificates
{
    /// <summary>SHA-256 of the certificate (DER), lower-case hex: what a token pins.</summary>
    public static string Fingerprint(X509Certificate2 certificate) =>
        Convert.ToHexStringLower(SHA256.HashData(certificate.RawData));

    /// <summary>
    /// SHA-256 of the SubjectPublicKeyInfo, lower-case hex: outlives a renewal of the certificate with the same key.
    /// </summary>
    public static string KeyPin(X509Certificate2 certificate) =>
        Convert.ToHexStringLower(SHA256.HashData(certificate.PublicKey.ExportSubjectPublicKeyInfo()));

    /// <summary>
    /// Reads base64 of DER. Null for what is no certificate, and for a null that JSON put into a list.
    /// </summary>
    public static X509Certificate2? OfText(string? text)
    {
        if (text is null) return null;
        var der = new byte[text.Length];
        if (!Convert.TryFromBase64String(text, der, out var length)) return null;
        return TryLoad(der.AsSpan(0, length), out var certificate) ? certificate : null;
    }

    /// <summary>Reads DER, refusing what is not a certificate or has a key that no signature is believed of.</summary>
    public static bool TryLoad(ReadOnlySpan<byte> der, [NotNullWhen(true)] out X509Certificate2? certificate) =>
        TryLoad(der, out certificate, out _);

    /// <param name="fault">Why not, in a few words.</param>
    public static bool TryLoad(
        ReadOnlySpan<byte> der,
        [NotNullWhen(true)] out X509Certificate2? certificate,
        [NotNullWhen(false)] out string? fault)
    {
        certificate = null;
        try
        {
            var loaded = X509CertificateLoader.LoadCertificate(der);
            if (Algorithms.KeyFault(loaded) is { } weak)
            {
                fault = $"its key is {weak}";
                loaded.Dispose();
                return false;
            }

            (certificate, fault) = (loaded, null);
            return true;
        }
        catch (CryptographicException)
        {
            fault = "it is not a certificate";
            return false;
        }
    }
}
