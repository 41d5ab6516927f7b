using System.Buffers.Text;
using System.Security.Cryptography;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Trust;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Server.Files;
using LivepatchAgent.Server.Model;
using LivepatchAgent.Server.Storage;
using LivepatchAgent.Server.Trust;

namespace LivepatchAgent.Server.Registry;

/// <summary>A token that is wanted.</summary>
/// <param name="Url">The address that it names; null for the one that the server last ran with.</param>
/// <param name="Uses">How many machines it enrols; 0 for no limit.</param>
/// <param name="ExpiresAt">Null for never.</param>
/// <param name="SystemCa">Hosts judge the server's TLS certificate by their own CAs.</param>
/// <param name="Threshold">How many publishers must sign; a pin set says it itself.</param>
internal sealed record NewToken(
    DataFolder Folder, Uri? Url, long Uses, DateTimeOffset? ExpiresAt, string Note, bool SystemCa, int Threshold = 1);

/// <summary>Makes tokens: the only place that ever sees their secrets.</summary>
internal static class TokenIssuer
{
    private const int DefaultPort = 8443;

    public static Result<string> Issue(NewToken wanted, DateTimeOffset now)
    {
        var folder = wanted.Folder;
        var set = new PinSets(folder).Newest;
        if (!PublisherCertificates.InForce(folder, set, wanted.Threshold).TryGet(out var signers, out var problem))
            return problem;
        if (Fault(signers, folder) is { } fault) return fault;
        folder.Create();
        if (!Database.Open(folder.Database).TryGet(out var database, out problem)) return problem;
        using var _ = database;

        var url = wanted.Url ?? database.Read(SettingTable.Url) ?? ServerNames.DefaultUrl(DefaultPort);
        if (!OwnPins(folder, url, now).TryGet(out var own, out problem)) return problem;
        var secret = Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(32));
        Record(database, wanted, signers.Threshold, secret, now);
        return EnrolmentToken.Write(new TokenContent
        {
            Server = url.GetLeftPart(UriPartial.Authority),
            Secret = secret,
            Tls = wanted.SystemCa ? [] : TlsPins(set, own),
            Catalogue = set is null
                ? [own.Catalogue]
                : [.. PinSetVerifier.Certificates(set.Catalogue).Select(Certificates.Fingerprint)],
            Publishers = [.. signers.Certificates.Select(Certificates.Fingerprint)],
            Threshold = signers.Threshold,
            PinsVersion = set?.Version ?? 0,
        });
    }

    /// <summary>Why no token can name these publishers, or null.</summary>
    private static Problem? Fault(Signers signers, DataFolder folder)
    {
        if (signers.Count == 0)
        {
            return CannotIssue(
                $"{folder.Publishers} holds no publisher's certificate, so no host could trust a patch",
                "start the server with --publisher-cert FILE, or put the certificate there");
        }

        var (count, max) = (signers.Certificates.Count, EnrolmentToken.MaxPublishers);
        if (count > max)
        {
            return CannotIssue(
                $"{folder.Publishers} holds {count} certificates, and a token pins at most {max}",
                "remove those that no longer sign anything");
        }

        if (signers.Threshold > signers.Count)
        {
            return CannotIssue(
                $"{signers.Threshold} publishers must sign, but the server knows {signers.Count}",
                "put the others' certificates into its publishers folder, or give a lower --threshold");
        }

        return null;
    }

    private static Problem CannotIssue(string why, string cure) => new(
        ProblemCode.RequestInvalid,
        $"cannot make a token: {why}",
        cure);

    private static void Record(Database database, NewToken wanted, int threshold, string secret, DateTimeOffset now)
    {
        var id = $"t{RandomNumberGenerator.GetHexString(8, lowercase: true)}";
        var row = new TokenRow(id, now, wanted.ExpiresAt, wanted.Uses, 0, null, wanted.Note);
        database.Write(db =>
        {
            SettingTable.RaiseThreshold(db, threshold);
            return TokenTable.Insert(db, row, TokenSecret.Digest(secret));
        });
    }

    private static IReadOnlyList<string> TlsPins(PinSet? set, Pins own) =>
        set?.Tls is { Count: > 0 } tls ? tls : [own.Tls];

    private sealed record Pins(string Tls, string Catalogue);

    /// <summary>
    /// Of the certificates that the server last used; before its first start, of keys made here for it.
    /// </summary>
    private static Result<Pins> OwnPins(DataFolder folder, Uri url, DateTimeOffset now)
    {
        var (tls, catalogue) = (ServerKeys.Known(folder.TlsCertificate), ServerKeys.Known(folder.CatalogueCertificate));
        if (tls is null)
        {
            if (!ServerKeys.Tls(folder, null, ServerNames.Of(url), now).TryGet(out var made, out var problem))
                return problem;
            tls = made[0];
        }

        if (catalogue is null)
        {
            if (!ServerKeys.Catalogue(folder, null, url.Host, now).TryGet(out var made, out var problem))
                return problem;
            catalogue = made[0];
        }

        return new Pins(Certificates.KeyPin(tls), Certificates.Fingerprint(catalogue));
    }
}
