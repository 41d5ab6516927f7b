using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Core.Trust;

/// <summary>A catalogue that the server's pinned key signed, for this kernel, fresh and not older than one seen before.</summary>
public sealed class VerifiedCatalogue
{
    internal VerifiedCatalogue(Catalogue content) => Content = content;

    public Catalogue Content { get; }
}

public static class CatalogueVerifier
{
    private const int MaxPatches = 4096;

    /// <summary>Whoever holds news back can do it for as long as a catalogue lives.</summary>
    private static readonly TimeSpan MaxLife = TimeSpan.FromDays(30);

    /// <param name="floor">The highest sequence this host has seen.</param>
    /// <param name="now">The host's clock; an hour's difference is forgiven.</param>
    /// <param name="seen">The latest time that a catalogue believed before was issued at: it is later than that, whatever the clock says.</param>
    public static Result<VerifiedCatalogue> Verify(
        ReadOnlySpan<byte> envelope, IReadOnlyList<X509Certificate2> trusted, string architecture, string kernelRelease, long floor, DateTimeOffset now, DateTimeOffset? seen = null)
    {
        if (!CmsEnvelope.Open(envelope, trusted, "the catalogue", ProblemCode.CatalogueSignatureInvalid).TryGet(out var content, out var problem)) return problem;
        Catalogue? catalogue;
        try
        {
            catalogue = JsonSerializer.Deserialize(content, WireJson.Default.Catalogue);
        }
        catch (JsonException)
        {
            return Invalid("it is not a catalogue");
        }

        if (catalogue is null || catalogue.Schema != Catalogue.SchemaName) return Invalid($"its schema is not {Catalogue.SchemaName}");
        if (catalogue.Architecture != architecture || catalogue.KernelRelease != kernelRelease)
            return Invalid($"it is for {Word(catalogue.KernelRelease)} {Word(catalogue.Architecture)}, this host runs {kernelRelease} {architecture}");
        if (catalogue.Patches.Count > MaxPatches || !catalogue.Patches.All(p => p is not null && Hex.IsSha256(p.ManifestDigest) && ManifestRules.IsLine(p.Version) && (p.Withdrawal is null || Hex.IsSha256(p.Withdrawal))))
            return Invalid("its list of patches is too long or malformed");
        if (catalogue.ExpiresAt - catalogue.IssuedAt > MaxLife)
            return Invalid($"it is good for {(catalogue.ExpiresAt - catalogue.IssuedAt).TotalDays:F0} days, and {MaxLife.TotalDays:F0} are allowed");
        if (catalogue.Sequence < floor)
            return new Problem(ProblemCode.CatalogueRolledBack, $"cannot accept the catalogue: it is number {catalogue.Sequence}, and this host has seen number {floor}", "someone replays an old one, or the server was restored from a backup: see docs/trust.md");
        if (now - ClockTolerance > catalogue.ExpiresAt)
            return new Problem(ProblemCode.CatalogueExpired, $"cannot accept the catalogue: it expired at {catalogue.ExpiresAt:u} and this host's clock says {now:u}", "set the clock if it is wrong; otherwise the server or the way to it is not trustworthy");
        if (now + ClockTolerance < catalogue.IssuedAt)
            return new Problem(ProblemCode.ClockWrong, $"cannot accept the catalogue: it was issued at {catalogue.IssuedAt:u} and this host's clock says {now:u}", "set the host's clock");
        // A clock that is set back makes an old catalogue look fresh. One with a higher number than those before is newer than
        // they were: then the time seen before was wrong, and the host shall not be locked out by it.
        if (seen is { } time && time - ClockTolerance > catalogue.ExpiresAt && !(floor > 0 && catalogue.Sequence > floor))
            return new Problem(ProblemCode.CatalogueExpired, $"cannot accept the catalogue: it expired at {catalogue.ExpiresAt:u} and one issued at {time:u} was seen before, whatever this host's clock says ({now:u})", "set the clock; if it is right, the server's was wrong: publish something, or `livepatch-agent disable` and `enable`");
        return new VerifiedCatalogue(catalogue);
    }

    private static string Word(string text) => ManifestRules.IsWord(text) ? text : "something unreadable";

    private static readonly TimeSpan ClockTolerance = TimeSpan.FromHours(1);

    private static Problem Invalid(string why) => new(
        ProblemCode.CatalogueInvalid,
        $"cannot accept the catalogue: {why}",
        "the host keeps what it runs; contact the server's operator");
}
