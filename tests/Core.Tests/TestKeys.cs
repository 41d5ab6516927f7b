using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace LivepatchAgent.Core.Tests;

/// <summary>Keys made once a run: RSA takes its time.</summary>
internal static class TestKeys
{
    public static X509Certificate2 Publisher { get; } = Rsa("CN=publisher");

    public static X509Certificate2 Stranger { get; } = Rsa("CN=stranger");

    private static X509Certificate2 Rsa(string subject)
    {
        using var key = RSA.Create(3072);
        return new CertificateRequest(subject, key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1)
            .CreateSelfSigned(DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch.AddYears(200));
    }
}
