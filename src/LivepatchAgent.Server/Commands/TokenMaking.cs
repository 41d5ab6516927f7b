using System.Buffers.Text;
using System.Security.Cryptography;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Trust;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Server.Api;
using LivepatchAgent.Server.Storage;
using LivepatchAgent.Server.Trust;

namespace LivepatchAgent.Server.Commands;

/// <summary>A token that is wanted.</summary>
internal sealed record NewToken(DataFolder Folder, Uri? Url, long Uses, DateTimeOffset? ExpiresAt, string Note, bool SystemCa, int Threshold = 1);

/// <summary>Makes a token: the only place that ever sees its secret.</summary>
internal static class TokenMaking
{
    public static Result<string> Make(NewToken wanted, DateTimeOffset now)
    {
        var folder = wanted.Folder;
        var set = new PinSets(folder).Newest;
        if (!PublisherCertificates.InForce(folder, set, wanted.Threshold).TryGet(out var signers, out var problem)) return problem;
        if (signers.Count == 0)
            return new Problem(ProblemCode.RequestInvalid, $"cannot make a token: {folder.Publishers} holds no publisher's certificate, so no host could trust a patch", "start the server with --publisher-cert FILE, or put the certificate there");
        if (signers.Certificates.Count > EnrolmentToken.MaxPublishers)
            return new Problem(ProblemCode.RequestInvalid, $"cannot make a token: {folder.Publishers} holds {signers.Certificates.Count} certificates, and a token pins at most {EnrolmentToken.MaxPublishers}", "take those out that sign nothing any more");

        // From the first pin set on it is the publishers who say how many of them must sign.
        var threshold = signers.Threshold;
        if (threshold > signers.Count)
            return new Problem(ProblemCode.RequestInvalid, $"cannot make a token: {threshold} publishers are to sign and the server knows {signers.Count}", "put the others' certificates into its publishers folder, or give a lower --threshold");
        folder.Create();
        if (!Database.Open(folder.Database).TryGet(out var database, out problem)) return problem;
        using var _ = database;

        var url = wanted.Url ?? (database.Read(db => SettingTable.Get(db, SettingTable.Url)) is { } told ? new Uri(told) : ServerNames.DefaultUrl(8443));
        if (!Pins(folder, url, now).TryGet(out var pins, out problem)) return problem;
        var secret = Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(32));
        var row = new TokenRow($"t{RandomNumberGenerator.GetHexString(8, lowercase: true)}", now, wanted.ExpiresAt, wanted.Uses, 0, null, wanted.Note);
        database.Write(db =>
        {
            SettingTable.RaiseThreshold(db, threshold);
            return TokenTable.Insert(db, row, EnrolmentEndpoint.SecretDigest(secret));
        });
        return EnrolmentToken.Write(new TokenContent
        {
            Server = url.GetLeftPart(UriPartial.Authority),
            Secret = secret,
            Tls = wanted.SystemCa ? [] : set?.Tls is { Count: > 0 } tls ? tls : [pins.Tls],
            Catalogue = set is null ? [pins.Catalogue] : [.. PinSetVerifier.Certificates(set.Catalogue).Select(Certificates.Fingerprint)],
            Publishers = [.. signers.Certificates.Select(Certificates.Fingerprint)],
            Threshold = threshold,
            PinsVersion = set?.Version ?? 0,
        });
    }

    private sealed record PinSet(string Tls, string Catalogue);

    /// <summary>Of the certificates that the server told last; before its first start, of keys made here for it.</summary>
    private static Result<PinSet> Pins(DataFolder folder, Uri url, DateTimeOffset now)
    {
        var (tls, catalogue) = (ServerKeys.Known(folder.TlsCertificate), ServerKeys.Known(folder.CatalogueCertificate));
        if (tls is null)
        {
            if (!ServerKeys.Tls(folder, null, ServerNames.Of(url), now).TryGet(out var made, out var problem)) return problem;
            tls = made[0];
        }

        if (catalogue is null)
        {
            if (!ServerKeys.Catalogue(folder, null, url.Host, now).TryGet(out var made, out var problem)) return problem;
            catalogue = made[0];
        }

        return new PinSet(Certificates.KeyPin(tls), Certificates.Fingerprint(catalogue));
    }
}
