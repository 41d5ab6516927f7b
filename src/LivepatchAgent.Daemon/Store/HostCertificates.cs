using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Agent;
using LivepatchAgent.Core.Trust;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Daemon.Host;
using LivepatchAgent.Shared.Files;

namespace LivepatchAgent.Daemon.Store;

/// <summary>The certificates this host pins: those of its enrolment, and an administrator's own in trust.d.</summary>
internal sealed class HostCertificates(HostPaths paths)
{
    /// <summary>What was wrong with files of trust.d, when it was last looked whom to trust.</summary>
    public IReadOnlyList<Problem> PassedOver { get; private set; } = [];

    public HostTrust Of(Enrolment enrolment) =>
        new(Publishers(enrolment), Read(enrolment.CatalogueCertificates), enrolment.Threshold);

    /// <summary>
    /// The publishers of the enrolment, if there is one, and an administrator's own. A file that cannot be used takes
    /// its own keys away and nothing else.
    /// </summary>
    public IReadOnlyList<X509Certificate2> Publishers(Enrolment? enrolment)
    {
        var publishers = Read(enrolment?.PublisherCertificates ?? []);
        var faults = new List<Problem>();
        foreach (var file in OwnFiles(faults))
        {
            if (Own(file).TryGet(out var own, out var problem)) publishers.AddRange(own);
            else faults.Add(problem);
        }

        PassedOver = faults;
        return publishers;
    }

    /// <summary>
    /// Files of the administrator's with a key that the next set of pins revokes: on this host it stays trusted.
    /// </summary>
    public IReadOnlyList<string> StillTrusting(Enrolment enrolment, PinSet next)
    {
        var pins = Read(enrolment.PublisherCertificates).Select(Certificates.KeyPin);
        var kept = Read(next.Publishers).Select(Certificates.KeyPin);
        string[] revoked = [.. pins.Except(kept)];
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

        var fault = own.Select(Algorithms.KeyFault).FirstOrDefault(f => f is not null);
        return fault is null ? own : Unusable(file, $"its key is {fault}");
    }

    private static Problem Unusable(string path, string why) =>
        new(
            ProblemCode.RequestInvalid,
            $"cannot use {path}: {why}",
            "correct or remove it; until then its keys do not count");

    /// <summary>
    /// Who may change whom this host trusts: the pinned publishers, without those that an administrator added.
    /// </summary>
    public static IReadOnlyList<X509Certificate2> Pinners(Enrolment enrolment) => Read(enrolment.PublisherCertificates);

    private static List<X509Certificate2> Read(IReadOnlyList<string> certificates) =>
        [.. certificates.Select(Certificates.OfText).OfType<X509Certificate2>()];
}
