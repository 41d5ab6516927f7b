using System.Globalization;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using LivepatchAgent.Core.Trust;

namespace LivepatchAgent.Daemon.PatchServer;

/// <summary>Why a server's certificate is not taken, and what to do about it.</summary>
internal sealed record CertificateRefusal(string Why, string Cure);

/// <summary>Whether a certificate is the server's: by pinned keys when the token named some, else by the system's or the configured CAs.</summary>
internal static class CertificateCheck
{
    private static readonly CertificateRefusal NotTheServer = new(
        "its certificate is not the one that the token pins, nor signed by a trusted CA", "if the server's key was changed, make a new token; otherwise somebody is in the way");

    /// <summary>Null when it is taken.</summary>
    public static CertificateRefusal? Refusal(X509Certificate2? certificate, X509Chain? chain, SslPolicyErrors errors, IReadOnlyList<string> pins, X509Certificate2Collection? authorities, DateTimeOffset now)
    {
        if (certificate is null) return NotTheServer;
        // A pinned key is the server, whatever its certificate says of names and dates: nothing to expire on a host whose clock is wrong.
        if (pins.Count > 0) return pins.Contains(Certificates.KeyPin(certificate)) ? null : NotTheServer;
        if (errors == SslPolicyErrors.None) return null;
        if (chain is null || errors != SslPolicyErrors.RemoteCertificateChainErrors) return NotTheServer;
        if (authorities is not null)
        {
            chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
            chain.ChainPolicy.CustomTrustStore.AddRange(authorities);
            if (chain.Build(certificate)) return null;
        }

        return OutOfTime(chain, now) ?? NotTheServer;
    }

    /// <summary>When nothing speaks against it but the dates: as likely it is this host's clock that is wrong.</summary>
    private static CertificateRefusal? OutOfTime(X509Chain chain, DateTimeOffset now)
    {
        if (chain.ChainStatus.Any(s => s.Status != X509ChainStatusFlags.NotTimeValid)) return null;
        if (chain.ChainElements.FirstOrDefault(e => e.ChainElementStatus.Any(s => s.Status == X509ChainStatusFlags.NotTimeValid)) is not { Certificate: var dated } element) return null;
        var whose = element == chain.ChainElements[0] ? "its certificate" : "a CA's certificate above its own";
        return new CertificateRefusal(
            $"{whose} is valid from {Date(dated.NotBefore)} to {Date(dated.NotAfter)} and this host's clock says {Date(now.UtcDateTime)}",
            "set the clock (`timedatectl`); if it is right, the server needs a new certificate; it is tried again");
    }

    private static string Date(DateTime at) => at.ToUniversalTime().ToString("yyyy-MM-dd HH:mm'Z'", CultureInfo.InvariantCulture);
}
