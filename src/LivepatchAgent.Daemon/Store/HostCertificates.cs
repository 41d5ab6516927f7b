using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Agent;
using LivepatchAgent.Core.Trust;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Shared.Files;

namespace LivepatchAgent.Daemon.Store;

/// <summary>The certificates this host pins: those of its enrolment, and an administrator's own in trust.d.</summary>
internal sealed class HostCertificates(HostPaths paths)
{
    /// <summary>A server has a handful; of a longer list no more is looked at.</summary>
    private const int MaxOffered = 32;

    /// <summary>What was wrong with files of trust.d, when it was last looked whom to trust.</summary>
    public IReadOnlyList<Problem> PassedOver { get; private set; } = [];

    /// <summary>A file that cannot be used takes its own keys away and nothing else.</summary>
    public HostTrust Of(Enrolment enrolment)
    {
        var publishers = Read(enrolment.PublisherCertificates);
        var faults = new List<Problem>();
        foreach (var file in OwnFiles(faults))
        {
            if (Own(file).TryGet(out var own, out var problem)) publishers.AddRange(own);
            else faults.Add(problem);
        }

        PassedOver = faults;
        return new HostTrust(publishers, Read(enrolment.CatalogueCertificates), enrolment.Threshold);
    }

    /// <summary>Files of the administrator's with a key that the next set of pins revokes: here it is believed all the same.</summary>
    public IReadOnlyList<string> StillTrusting(Enrolment enrolment, PinSet next)
    {
        string[] revoked = [.. Read(enrolment.PublisherCertificates).Select(Certificates.KeyPin).Except(Read(next.Publishers).Select(Certificates.KeyPin))];
        return [.. OwnFiles([]).Where(Revoked)];

        bool Revoked(string file) =>
            Own(file).TryGet(out var own, out _) && own.Any(c => revoked.Contains(Certificates.KeyPin(c)));
    }

    private string[] OwnFiles(List<Problem> faults)
    {
        try
        {
            return [.. Directory.EnumerateFileSystemEntries(paths.TrustFolder, "*.pem").Order(StringComparer.Ordinal)];
        }
        catch (DirectoryNotFoundException)
        {
            return [];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            faults.Add(Unusable(paths.TrustFolder, e.Message.TrimEnd('.')));
            return [];
        }
    }

    private static Result<X509Certificate2Collection> Own(string file)
    {
        var own = new X509Certificate2Collection();
        try
        {
            own.ImportFromPemFile(file);
        }
        catch (Exception e) when (e is CryptographicException or IOException or UnauthorizedAccessException)
        {
            return Unusable(file, FileFault.Reason(e));
        }

        return own.Select(Algorithms.KeyFault).FirstOrDefault(f => f is not null) is { } fault
            ? Unusable(file, $"its key is {fault}")
            : own;
    }

    private static Problem Unusable(string path, string why) =>
        new(
            ProblemCode.RequestInvalid,
            $"cannot use {path}: {why}",
            "mend it or take it away; until then its keys do not count");

    /// <summary>Who may change whom this host trusts: the pinned publishers, without those that an administrator added.</summary>
    public static IReadOnlyList<X509Certificate2> Pinners(Enrolment enrolment) => Read(enrolment.PublisherCertificates);

    /// <summary>Of what the server sends, those that the token names by fingerprint.</summary>
    public static List<string> Pinned(IReadOnlyList<string> offered, IReadOnlyList<string> pins) =>
        [.. offered.Take(MaxOffered).Where(text => Load(text) is { } certificate && pins.Contains(Certificates.Fingerprint(certificate)))];

    private static List<X509Certificate2> Read(IReadOnlyList<string> certificates) => [.. certificates.Select(Load).OfType<X509Certificate2>()];

    /// <summary>Null for what is no certificate, and for the null that JSON can put into any list.</summary>
    private static X509Certificate2? Load(string? text)
    {
        var der = new byte[text?.Length ?? 0];
        return text is not null && Convert.TryFromBase64String(text, der, out var length) && Certificates.TryLoad(der.AsSpan(0, length), out var certificate) ? certificate : null;
    }
}
