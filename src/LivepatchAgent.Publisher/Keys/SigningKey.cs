using System.CommandLine;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Trust;
using LivepatchAgent.Publisher.Files;

namespace LivepatchAgent.Publisher.Keys;

/// <summary>
/// The options <c>--key</c>, <c>--cert</c>, <c>--passphrase-file</c> of every verb that signs, and the key they name.
/// </summary>
internal sealed class SigningKey
{
    private readonly Passphrase _passphrase;

    public SigningKey(Surroundings surroundings) => _passphrase = new Passphrase(surroundings);

    public Option<string> KeyOption { get; } = new("--key")
    {
        Description = "The publisher's private key (PEM, PKCS#8)",
        HelpName = "FILE",
        Required = true,
    };

    public Option<string> CertOption { get; } = new("--cert")
    {
        Description = "Its certificate (PEM or DER)",
        HelpName = "FILE",
        Required = true,
    };

    public void AddTo(Command command)
    {
        command.Add(KeyOption);
        command.Add(CertOption);
        command.Add(_passphrase.FileOption);
    }

    /// <summary>The certificate with its private key; they are checked to belong together.</summary>
    public Result<X509Certificate2> Load(ParseResult parsed)
    {
        var (keyPath, certPath) = (parsed.GetRequiredValue(KeyOption), parsed.GetRequiredValue(CertOption));
        if (!LoadCertificate(certPath).TryGet(out var certificate, out var problem)) return problem;
        using (certificate)
        {
            if (!LocalFile.ReadPrivate(keyPath).TryGet(out var bytes, out problem)) return problem;
            var pem = Encoding.UTF8.GetString(bytes);
            string? passphrase = null;
            if (pem.Contains("BEGIN ENCRYPTED PRIVATE KEY", StringComparison.Ordinal))
            {
                if (!_passphrase.Get(parsed, keyPath).TryGet(out var given, out problem)) return problem;
                passphrase = given;
            }

            return Join(certificate, pem, passphrase, keyPath, certPath);
        }
    }

    public static Result<X509Certificate2> LoadCertificate(string path)
    {
        if (!LocalFile.ReadSmall(path).TryGet(out var bytes, out var problem)) return problem;
        var der = bytes;
        if (PemEncoding.TryFindUtf8(bytes, out var fields)
            && bytes.AsSpan()[fields.Label].SequenceEqual("CERTIFICATE"u8))
            der = Convert.FromBase64String(Encoding.ASCII.GetString(bytes.AsSpan()[fields.Base64Data]));
        return Certificates.TryLoad(der, out var certificate, out var fault)
            ? certificate
            : new Problem(
                ProblemCode.RequestInvalid,
                $"cannot use {path}: {fault}",
                "make one with `livepatch-publisher keygen`");
    }

    private static Result<X509Certificate2> Join(
        X509Certificate2 certificate, string pem, string? passphrase, string keyPath, string certPath)
    {
        try
        {
            if (certificate.GetRSAPublicKey() is { } rsaPublic)
            {
                rsaPublic.Dispose();
                using var rsa = RSA.Create();
                if (passphrase is null) rsa.ImportFromPem(pem);
                else rsa.ImportFromEncryptedPem(pem, passphrase);
                return certificate.CopyWithPrivateKey(rsa);
            }

            using var ecdsa = ECDsa.Create();
            if (passphrase is null) ecdsa.ImportFromPem(pem);
            else ecdsa.ImportFromEncryptedPem(pem, passphrase);
            return certificate.CopyWithPrivateKey(ecdsa);
        }
        catch (CryptographicException) when (passphrase is not null)
        {
            return new Problem(
                ProblemCode.RequestInvalid,
                $"cannot use {keyPath}: the passphrase is wrong or the file is damaged",
                "check the passphrase");
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException)
        {
            return new Problem(
                ProblemCode.RequestInvalid,
                $"cannot use {keyPath}: it is not the private key of {certPath}",
                "give the key and the certificate that keygen made together");
        }
    }
}
