using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Trust;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Server.Files;
using LivepatchAgent.Shared.Files;

namespace LivepatchAgent.Server.Trust;

/// <summary>Publishers, and how many different ones of them must sign.</summary>
internal sealed record Signers(IReadOnlyList<X509Certificate2> Certificates, int Threshold)
{
    /// <summary>A publisher with two certificates is still one.</summary>
    public int Count => Certificates.Select(Core.Trust.Certificates.KeyPin).Distinct().Count();
}

/// <summary>
/// Whose patches this server takes: the certificates in its publishers folder. Read each time they are needed (an
/// enrolment, a publish), so that one put there counts at once.
/// </summary>
internal static class PublisherCertificates
{
    /// <summary>Reads PEM or DER, refusing weak keys; a private key beside the certificate is left alone.</summary>
    public static Result<X509Certificate2> Read(string file)
    {
        const string cure =
            "give the publisher's certificate as PEM or DER, with RSA of at least 3072 bits or ECDSA P-256 or P-384";
        try
        {
            var bytes = File.ReadAllBytes(file);
            var der = PemEncoding.TryFindUtf8(bytes, out _) ? PemToDer(bytes) : bytes;
            return Certificates.TryLoad(der, out var certificate, out var fault)
                ? certificate
                : new Problem(ProblemCode.RequestInvalid, $"cannot use {file} as a publisher: {fault}", cure);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException
            or CryptographicException or ArgumentException)
        {
            return new Problem(
                ProblemCode.RequestInvalid,
                $"cannot use {file} as a publisher: {e.Message.TrimEnd('.')}",
                cure);
        }
    }

    public static void Add(DataFolder folder, X509Certificate2 certificate) =>
        AtomicFile.Write(
            Path.Combine(folder.Publishers, $"{Certificates.Fingerprint(certificate)}.pem"),
            certificate.ExportCertificatePem() + "\n",
            FileRights.ReadableByAll);

    /// <summary>Whose patches this server takes: those of the newest pin set, before any those of the folder.</summary>
    /// <param name="threshold">Of tokens; a pin set says it itself.</param>
    public static Result<Signers> InForce(DataFolder folder, PinSet? pins, int threshold)
    {
        if (pins is not null) return new Signers(PinSetVerifier.Certificates(pins.Publishers), pins.Threshold);
        return Load(folder).TryGet(out var certificates, out var problem)
            ? new Signers(certificates, threshold)
            : problem;
    }

    /// <summary>
    /// All of them, each once; a file that is no certificate is a problem, never passed over in silence.
    /// </summary>
    public static Result<IReadOnlyList<X509Certificate2>> Load(DataFolder folder)
    {
        var found = new Dictionary<string, X509Certificate2>(StringComparer.Ordinal);
        if (!Directory.Exists(folder.Publishers)) return found.Values.ToList();
        var files = Directory.EnumerateFiles(folder.Publishers).Where(IsCertificate);
        foreach (var file in files.Order(StringComparer.Ordinal))
        {
            if (!Read(file).TryGet(out var certificate, out var problem)) return problem;
            found.TryAdd(Certificates.Fingerprint(certificate), certificate);
        }

        return found.Values.ToList();
    }

    private static bool IsCertificate(string file) => Path.GetExtension(file) is ".pem" or ".crt" or ".cer" or ".der";

    private static byte[] PemToDer(byte[] pem)
    {
        using var certificate = X509Certificate2.CreateFromPem(System.Text.Encoding.UTF8.GetString(pem));
        return certificate.RawData;
    }
}
