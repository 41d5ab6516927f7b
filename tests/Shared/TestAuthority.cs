using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace LivepatchAgent.Tests;

/// <summary>A CA and what it signs.</summary>
internal static class TestAuthority
{
    public static X509Certificate2 Make(string subject) =>
        Make(subject, DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(2));

    public static X509Certificate2 Make(string subject, DateTimeOffset from, DateTimeOffset to)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest(subject, key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign, true));
        return request.CreateSelfSigned(from, to);
    }

    public static X509Certificate2 Issue(
        X509Certificate2 ca, string name, bool authority = false, string? moreAt = null) =>
        Issue(ca, name, DateTimeOffset.UtcNow.AddHours(-1), DateTimeOffset.UtcNow.AddDays(1), authority, moreAt);

    /// <param name="name">Of a host, or its address.</param>
    /// <param name="moreAt">Where, by the certificate, its issuer's is to be had.</param>
    public static X509Certificate2 Issue(
        X509Certificate2 ca,
        string name,
        DateTimeOffset from,
        DateTimeOffset to,
        bool authority = false,
        string? moreAt = null)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        if (IPAddress.TryParse(name, out var address)) names.AddIpAddress(address);
        else names.AddDnsName(name);
        request.CertificateExtensions.Add(names.Build());
        if (authority) request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        if (moreAt is not null)
            request.CertificateExtensions.Add(new X509AuthorityInformationAccessExtension([], [moreAt]));
        using var certificate = request.Create(
            ca.SubjectName, X509SignatureGenerator.CreateForECDsa(ca.GetECDsaPrivateKey()!), from, to, [1, 2, 3, 4]);
        return certificate.CopyWithPrivateKey(key);
    }
}
