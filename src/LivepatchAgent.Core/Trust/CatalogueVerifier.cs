using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Core.Trust;

/// <summary>
/// A catalogue that the server's pinned key signed, for this kernel, fresh and not older than one seen before.
/// </summary>
public sealed class VerifiedCatalogue
{
    internal VerifiedCatalogue(Catalogue content) => Content = content;

    public Catalogue Content { get; }
}

public static class CatalogueVerifier
{
    private const int MaxPatches = 4096;

    /// <summary>News can be held back for as long as a catalogue lives.</summary>
    private static readonly TimeSpan MaxLife = TimeSpan.FromDays(30);

    private static readonly TimeSpan ClockTolerance = TimeSpan.FromHours(1);

    /// <param name="floor">The highest sequence this host has seen.</param>
    /// <param name="now">The host's clock; an hour's difference is forgiven.</param>
    /// <param name="seen">The latest time at which a catalogue believed before was issued: it is later than that now,
    /// whatever the clock says.</param>
    public static Result<VerifiedCatalogue> Verify(
        ReadOnlySpan<byte> envelope,
        IReadOnlyList<X509Certificate2> trusted,
        string architecture,
        string kernelRelease,
        long floor,
        DateTimeOffset now,
        DateTimeOffset? seen = null)
    {
        var opened = CmsEnvelope.Open(envelope, trusted, "the catalogue", ProblemCode.CatalogueSignatureInvalid);
        if (!opened.TryGet(out var content, out var problem)) return problem;
        Catalogue? catalogue;
        try
        {
            catalogue = JsonSerializer.Deserialize(content, WireJson.Default.Catalogue);
        }
        catch (JsonException)
        {
            return Invalid("it is not a catalogue");
        }

        if (catalogue is null || catalogue.Schema != Catalogue.SchemaName)
            return Invalid($"its schema is not {Catalogue.SchemaName}");
        if (Fault(catalogue, architecture, kernelRelease) is { } fault) return Invalid(fault);
        if (catalogue.Sequence < floor) return RolledBack(catalogue, floor);
        if (Stale(catalogue, floor, now, seen) is { } stale) return stale;
        return new VerifiedCatalogue(catalogue);
    }

    private static string? Fault(Catalogue catalogue, string architecture, string kernelRelease)
    {
        if (catalogue.Architecture != architecture || catalogue.KernelRelease != kernelRelease)
        {
            var kernel = $"{Word(catalogue.KernelRelease)} {Word(catalogue.Architecture)}";
            return $"it is for {kernel}, this host runs {kernelRelease} {architecture}";
        }

        if (catalogue.Patches.Count > MaxPatches || !catalogue.Patches.All(IsWhole))
            return "its list of patches is too long or malformed";
        var life = catalogue.ExpiresAt - catalogue.IssuedAt;
        return life > MaxLife
            ? $"it is good for {life.TotalDays:F0} days, and {MaxLife.TotalDays:F0} are allowed"
            : null;
    }

    private static bool IsWhole(CatalogueEntry? patch) =>
        patch is not null
        && Hex.IsSha256(patch.ManifestDigest)
        && ManifestRules.IsLine(patch.Version)
        && (patch.Withdrawal is null || Hex.IsSha256(patch.Withdrawal));

    private static string Word(string text) => ManifestRules.IsWord(text) ? text : "something unreadable";

    private static Problem RolledBack(Catalogue catalogue, long floor) => new(
        ProblemCode.CatalogueRolledBack,
        $"cannot accept the catalogue: its sequence is {catalogue.Sequence}, and this host has seen {floor}",
        "someone is replaying an old one, or the server was restored from a backup: see docs/trust.md");

    /// <summary>Why it is not of this time; null when it is.</summary>
    private static Problem? Stale(Catalogue catalogue, long floor, DateTimeOffset now, DateTimeOffset? seen)
    {
        if (now - ClockTolerance > catalogue.ExpiresAt)
        {
            return new Problem(
                ProblemCode.CatalogueExpired,
                $"cannot accept the catalogue: it expired at {catalogue.ExpiresAt:u} "
                + $"and this host's clock says {now:u}",
                "set the clock if it is wrong; otherwise the server or the way to it is not trustworthy");
        }

        if (now + ClockTolerance < catalogue.IssuedAt)
        {
            return new Problem(
                ProblemCode.ClockWrong,
                $"cannot accept the catalogue: it was issued at {catalogue.IssuedAt:u} "
                + $"and this host's clock says {now:u}",
                "set the host's clock");
        }

        // A clock that is set back makes an old catalogue look fresh. One with a higher number than those before is
        // newer than they were: then the time seen before was wrong, and must not lock the host out.
        var isNewer = floor > 0 && catalogue.Sequence > floor;
        if (seen is not { } time || time - ClockTolerance <= catalogue.ExpiresAt || isNewer) return null;
        return new Problem(
            ProblemCode.CatalogueExpired,
            $"cannot accept the catalogue: it expired at {catalogue.ExpiresAt:u} and one issued at {time:u} "
            + $"was seen before, whatever this host's clock says ({now:u})",
            "set the clock; if it is right, the server's was wrong: publish something, "
            + "or `livepatch-agent disable` and `enable`");
    }

    private static Problem Invalid(string why) => new(
        ProblemCode.CatalogueInvalid,
        $"cannot accept the catalogue: {why}",
        "the host keeps what it runs; contact the server's operator");
}
