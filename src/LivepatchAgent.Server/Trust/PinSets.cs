using System.Globalization;
using System.Security.Cryptography.Pkcs;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Trust;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Server.Files;
using LivepatchAgent.Shared.Files;

namespace LivepatchAgent.Server.Trust;

/// <summary>
/// The pin sets that publishers have signed, each by those of the set before it. All are kept: a host that was away
/// follows them one by one. From the first one on, the newest set says whose patches this server takes.
/// </summary>
internal sealed class PinSets(DataFolder folder)
{
    private const string Ending = ".p7m";
    private readonly Lock _lock = new();

    /// <summary>Null before any was published.</summary>
    public PinSet? Newest
    {
        get
        {
            lock (_lock) return Versions() is [.., var last] ? Read(last) : null;
        }
    }

    /// <summary>The signed set, or null.</summary>
    public byte[]? Find(long version)
    {
        var path = PathOf(version);
        return File.Exists(path) ? File.ReadAllBytes(path) : null;
    }

    /// <summary>Takes the next set; true when it is new, false when it was here already.</summary>
    /// <param name="first">Who may sign the first set: the publishers that tokens pin, and as many of them.</param>
    /// <param name="own">Whose keys this server uses: a set without them would part the hosts from the server.</param>
    public Result<bool> Put(long version, byte[] envelope, Signers first, ServerCertificates own)
    {
        lock (_lock)
        {
            if (Find(version) is { } there)
            {
                var isSame = there.AsSpan().SequenceEqual(envelope);
                return isSame ? false : Refusal($"there is another version {version}", "give it the next version");
            }

            var newest = Newest;
            var signers = newest is null
                ? first
                : new Signers(PinSetVerifier.Certificates(newest.Publishers), newest.Threshold);
            var verified = PinSetVerifier.Verify(
                envelope, signers.Certificates, signers.Threshold, newest?.Version ?? 0);
            if (!verified.TryGet(out var set, out var problem)) return problem;
            if (Fault(set.Content, version, own) is { } fault) return fault;
            AtomicFile.Write(PathOf(version), envelope, FileRights.ReadableByAll);
            return true;
        }
    }

    /// <summary>Why hosts that follow this set could no longer use this server, or null.</summary>
    private static Problem? Fault(PinSet pins, long version, ServerCertificates own)
    {
        if (pins.Version != version)
        {
            return Refusal(
                $"its address says version {version}, but it is version {pins.Version}",
                "publish it under its own version");
        }

        var catalogue = Certificates.Fingerprint(own.Catalogue);
        if (PinSetVerifier.Certificates(pins.Catalogue).All(each => Certificates.Fingerprint(each) != catalogue))
        {
            return Refusal(
                "it lacks this server's catalogue certificate, so hosts would refuse every catalogue",
                "add `catalogue.crt` of the server's folder");
        }

        if (pins.Tls.Count > 0 && !pins.Tls.Contains(Certificates.KeyPin(own.Tls)))
        {
            return Refusal(
                "it lacks this server's TLS key, so hosts could no longer reach it",
                "add the pin that `livepatch-server pin` prints");
        }

        return null;
    }

    private static Problem Refusal(string why, string cure) =>
        new(ProblemCode.PinsInvalid, $"cannot take the pin set: {why}", cure);

    /// <summary>In rising order.</summary>
    private List<long> Versions()
    {
        if (!Directory.Exists(folder.Pins)) return [];
        var names = Directory.EnumerateFiles(folder.Pins, "*" + Ending).Select(Path.GetFileNameWithoutExtension);
        return [.. names.Select(Version).Where(version => version > 0).Order()];
    }

    /// <summary>0 for a file that is no pin set's.</summary>
    private static long Version(string? name) =>
        long.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out var version) ? version : 0;

    /// <summary>From the server's own disk: it was verified when it came.</summary>
    private PinSet Read(long version)
    {
        var cms = new SignedCms();
        cms.Decode(File.ReadAllBytes(PathOf(version)));
        return PinSetVerifier.Read(cms.ContentInfo.Content).Value;
    }

    private string PathOf(long version) =>
        Path.Combine(folder.Pins, version.ToString(CultureInfo.InvariantCulture) + Ending);
}
