using System.Globalization;
using LivepatchAgent.Core;
using Microsoft.Data.Sqlite;

namespace LivepatchAgent.Server.Storage;

/// <summary>An enrolment token as the server knows it: everything but its secret.</summary>
/// <param name="MaxUses">0 is no limit.</param>
internal sealed record TokenRow(string Id, DateTimeOffset CreatedAt, DateTimeOffset? ExpiresAt, long MaxUses, long Uses, DateTimeOffset? RevokedAt, string Note)
{
    /// <summary>Why it admits no machine now, or null.</summary>
    public Problem? Refusal(DateTimeOffset now)
    {
        const string cure = "make a new one with `livepatch-server token create`";
        if (RevokedAt is not null) return new Problem(ProblemCode.TokenRevoked, $"cannot enrol: token {Id} was revoked at {RevokedAt:u}", cure);
        if (ExpiresAt <= now) return new Problem(ProblemCode.TokenExpired, $"cannot enrol: token {Id} expired at {ExpiresAt:u}", cure);
        if (MaxUses > 0 && Uses >= MaxUses) return new Problem(ProblemCode.TokenUsedUp, $"cannot enrol: token {Id} was good for {MaxUses} and has been used {Uses} {(Uses == 1 ? "time" : "times")}", cure);
        return null;
    }
}

internal static class TokenTable
{
    private const string Columns = "SELECT id, created_at, expires_at, max_uses, uses, revoked_at, note FROM tokens";

    public static int Insert(SqliteConnection db, TokenRow token, string secretSha256) => db.Run(
        "INSERT INTO tokens (id, secret_sha256, created_at, expires_at, max_uses, note) VALUES ($id, $secret, $created, $expires, $max, $note)",
        ("$id", token.Id), ("$secret", secretSha256), ("$created", token.CreatedAt), ("$expires", token.ExpiresAt), ("$max", token.MaxUses), ("$note", token.Note));

    public static TokenRow? FindBySecret(SqliteConnection db, string secretSha256) =>
        db.Query($"{Columns} WHERE secret_sha256 = $secret", Map, ("$secret", secretSha256)).FirstOrDefault();

    public static void CountUse(SqliteConnection db, string id) => db.Run("UPDATE tokens SET uses = uses + 1 WHERE id = $id", ("$id", id));

    public static List<TokenRow> All(SqliteConnection db) => db.Query($"{Columns} ORDER BY created_at, id", Map);

    /// <summary>False when there is none of that id; revoking twice keeps the first time.</summary>
    public static bool Revoke(SqliteConnection db, string id, DateTimeOffset now) =>
        db.Run("UPDATE tokens SET revoked_at = coalesce(revoked_at, $now) WHERE id = $id", ("$id", id), ("$now", now)) > 0;

    private static TokenRow Map(SqliteDataReader row) =>
        new(row.GetString(0), row.Time(1), row.TimeOrNull(2), row.GetInt64(3), row.GetInt64(4), row.TimeOrNull(5), row.GetString(6));
}

/// <summary>Things that the commands beside the server must know of it.</summary>
internal static class SettingTable
{
    /// <summary>The address that tokens name.</summary>
    public const string Url = "url";

    private const string ThresholdName = "threshold";

    /// <summary>The highest that a token was ever made with: hosts that it enrolled load nothing that fewer publishers have signed.</summary>
    public static int Threshold(SqliteConnection db) => int.TryParse(Get(db, ThresholdName), NumberStyles.None, CultureInfo.InvariantCulture, out var threshold) ? threshold : 1;

    public static void RaiseThreshold(SqliteConnection db, int threshold)
    {
        if (threshold > Threshold(db)) Set(db, ThresholdName, threshold.ToString(CultureInfo.InvariantCulture));
    }

    public static string? Get(SqliteConnection db, string name) =>
        db.Query("SELECT value FROM settings WHERE name = $name", row => row.GetString(0), ("$name", name)).FirstOrDefault();

    public static int Set(SqliteConnection db, string name, string value) => db.Run(
        "INSERT INTO settings (name, value) VALUES ($name, $value) ON CONFLICT (name) DO UPDATE SET value = excluded.value", ("$name", name), ("$value", value));
}
