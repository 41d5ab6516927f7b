using System.Globalization;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Trust;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Server.Files;
using LivepatchAgent.Shared.Files;

namespace LivepatchAgent.Server.Trust;

/// <summary>
/// The pin sets that publishers have signed, each by those of the one before. All are kept: a host that was away follows
/// them one by one. From the first one on it is the newest set that says whose patches this server takes.
/// </summary>
internal sealed class PinSets(DataFolder folder)
{
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
        var path = Path(version);
        return File.Exists(path) ? File.ReadAllBytes(path) : null;
    }

    /// <summary>Takes the next set; true when it is new, false when it was here already.</summary>
    /// <param name="first">Who may sign the first set: before any, those whom tokens pin, and as many.</param>
    /// <param name="own">Whose keys this server uses: a set without them would part the hosts from the server.</param>
    public Result<bool> Put(long version, byte[] envelope, Signers first, ServerCertificates own)
    {
        lock (_lock)
        {
            if (Find(version) is { } there)
            {
                return there.AsSpan().SequenceEqual(envelope)
                    ? false
                    : new Problem(ProblemCode.PinsInvalid, $"cannot take the pin set: there is another version {version}", "give it the next version");
            }

            var newest = Newest;
            var signers = newest is null ? first : new Signers(PinSetVerifier.Certificates(newest.Publishers), newest.Threshold);
            if (!PinSetVerifier.Verify(envelope, signers.Certificates, signers.Threshold, newest?.Version ?? 0).TryGet(out var verified, out var problem)) return problem;
            var pins = verified.Content;
            if (pins.Version != version) return new Problem(ProblemCode.PinsInvalid, $"cannot take the pin set: its address says version {version} and it is version {pins.Version}", "publish it under its own version");
            if (!PinSetVerifier.Certificates(pins.Catalogue).Any(c => Certificates.Fingerprint(c) == Certificates.Fingerprint(own.Catalogue)))
                return new Problem(ProblemCode.PinsInvalid, "cannot take the pin set: it does not have this server's catalogue certificate, so hosts would refuse every catalogue", "add `catalogue.crt` of the server's folder");
            if (pins.Tls.Count > 0 && !pins.Tls.Contains(Certificates.KeyPin(own.Tls)))
                return new Problem(ProblemCode.PinsInvalid, "cannot take the pin set: it does not have this server's TLS key, so hosts could not reach it any more", "add what `livepatch-server pin` prints");
            AtomicFile.Write(Path(version), envelope, FileRights.ReadableByAll);
            return true;
        }
    }

    private List<long> Versions() => !Directory.Exists(folder.Pins)
        ? []
        : [.. Directory.EnumerateFiles(folder.Pins, "*.p7m").Select(f => long.TryParse(System.IO.Path.GetFileNameWithoutExtension(f), NumberStyles.None, CultureInfo.InvariantCulture, out var n) ? n : 0).Where(n => n > 0).Order()];

    /// <summary>Of the own disk: it was verified when it came.</summary>
    private PinSet Read(long version)
    {
        var cms = new System.Security.Cryptography.Pkcs.SignedCms();
        cms.Decode(File.ReadAllBytes(Path(version)));
        return PinSetVerifier.Read(cms.ContentInfo.Content).Value;
    }

    private string Path(long version) => System.IO.Path.Combine(folder.Pins, string.Create(CultureInfo.InvariantCulture, $"{version}.p7m"));
}
