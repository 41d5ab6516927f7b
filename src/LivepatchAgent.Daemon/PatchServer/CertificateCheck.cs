using System.Globalization;
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using LivepatchAgent.Core.Trust;

namespace LivepatchAgent.Daemon.PatchServer;

/// <summary>Why a server's certificate is not taken, and what to do about it.</summary>
internal sealed record CertificateRefusal(string Why, string Cure);

/// <summary>
/// Whether a certificate is the server's: by pinned keys when the token named some, else by the configured or the
/// system's CAs.
/// </summary>
/// <param name="authorities">The configured CAs, which stand in the place of the system's.</param>
/// <param name="bundles">Where the system's are.</param>
internal sealed class CertificateCheck(
    IReadOnlyList<string> pins,
    X509Certificate2Collection? authorities,
    IReadOnlyList<string> bundles,
    TimeProvider time)
{
    private static readonly Oid ServerAuthentication = new("1.3.6.1.5.5.7.3.1"); // RFC 5280, 4.2.1.12

    private static readonly CertificateRefusal NotPinned = new(
        "its key is not the one that the token pins",
        "if the server's key was changed, make a new token; otherwise somebody is intercepting the connection");

    private static readonly CertificateRefusal OfAnotherName = new(
        "its certificate is for another name",
        "give it a certificate for this one, or make a token for the other; "
        + "otherwise somebody is intercepting the connection");

    private static readonly CertificateRefusal NotVouchedFor = new(
        "its certificate is not signed by a trusted CA",
        "name its CA by `ca-file` in agent.conf, and let it send the intermediate certificates; "
        + "otherwise somebody is intercepting the connection");

    /// <summary>
    /// Of the chain that the framework builds before it asks us, and which decides nothing here: a certificate must not
    /// make this host call wherever it says.
    /// </summary>
    public static X509ChainPolicy Unasked => new()
    {
        TrustMode = X509ChainTrustMode.CustomRootTrust,
        RevocationMode = X509RevocationMode.NoCheck,
        DisableCertificateDownloads = true,
    };

    /// <summary>Null when it is taken.</summary>
    /// <param name="chain">With what the server sent beside its certificate.</param>
    /// <param name="errors">As the framework found them; only what it says of the name counts.</param>
    public CertificateRefusal? Refusal(X509Certificate2? certificate, X509Chain? chain, SslPolicyErrors errors)
    {
        if (certificate is null) return pins.Count > 0 ? NotPinned : NotVouchedFor;
        // A pinned key is the server, whatever its certificate says of names and dates: nothing to expire on a host
        // whose clock is wrong.
        if (pins.Count > 0) return pins.Contains(Certificates.KeyPin(certificate)) ? null : NotPinned;
        if ((errors & ~SslPolicyErrors.RemoteCertificateChainErrors) != SslPolicyErrors.None) return OfAnotherName;

        var trusted = authorities ?? SystemAuthorities.Read(bundles);
        try
        {
            using var judged = new X509Chain { ChainPolicy = Unasked };
            judged.ChainPolicy.ApplicationPolicy.Add(ServerAuthentication);
            judged.ChainPolicy.CustomTrustStore.AddRange(trusted);
            if (chain is not null) judged.ChainPolicy.ExtraStore.AddRange(chain.ChainPolicy.ExtraStore);
            return judged.Build(certificate) ? null : OutOfTime(judged, time.GetUtcNow()) ?? NotVouchedFor;
        }
        finally
        {
            if (authorities is null) foreach (var read in trusted) read.Dispose();
        }
    }

    /// <summary>
    /// When nothing speaks against it but the dates: as likely it is this host's clock that is wrong.
    /// </summary>
    private static CertificateRefusal? OutOfTime(X509Chain chain, DateTimeOffset now)
    {
        if (!chain.ChainStatus.All(IsDate)) return null;
        if (chain.ChainElements.FirstOrDefault(e => e.ChainElementStatus.Any(IsDate)) is not { } element) return null;
        var whose = element == chain.ChainElements[0] ? "its certificate" : "a CA's certificate above its own";
        var (begin, end) = (Date(element.Certificate.NotBefore), Date(element.Certificate.NotAfter));
        return new CertificateRefusal(
            $"{whose} is valid from {begin} to {end} and this host's clock says {Date(now.UtcDateTime)}",
            "set the clock (`timedatectl`); if it is right, the server needs a new certificate; it is tried again");
    }

    private static bool IsDate(X509ChainStatus status) => status.Status == X509ChainStatusFlags.NotTimeValid;

    private static string Date(DateTime at) =>
        at.ToUniversalTime().ToString("yyyy-MM-dd HH:mm'Z'", CultureInfo.InvariantCulture);
}
