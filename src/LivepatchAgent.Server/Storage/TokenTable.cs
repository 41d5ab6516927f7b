using LivepatchAgent.Server.Model;
using Microsoft.Data.Sqlite;

namespace LivepatchAgent.Server.Storage;

internal static class TokenTable
{
    private const string Select = "SELECT id, created_at, expires_at, max_uses, uses, revoked_at, note FROM tokens";

    public static int Insert(Session db, TokenRow token, string secretSha256) => db.Run(
        """
        INSERT INTO tokens (id, secret_sha256, created_at, expires_at, max_uses, note)
        VALUES ($id, $secret, $created, $expires, $max, $note)
        """,
        ("$id", token.Id), ("$secret", secretSha256), ("$created", token.CreatedAt), ("$expires", token.ExpiresAt),
        ("$max", token.MaxUses), ("$note", token.Note));

    public static TokenRow? FindBySecret(Session db, string secretSha256) =>
        db.Query($"{Select} WHERE secret_sha256 = $secret", Map, ("$secret", secretSha256)).FirstOrDefault();

    public static void CountUse(Session db, string id) =>
        db.Run("UPDATE tokens SET uses = uses + 1 WHERE id = $id", ("$id", id));

    public static List<TokenRow> All(Session db) => db.Query($"{Select} ORDER BY created_at, id", Map);

    /// <summary>False when no token has that id. Revoking twice keeps the first time.</summary>
    public static bool Revoke(Session db, string id, DateTimeOffset now) =>
        db.Run(
            "UPDATE tokens SET revoked_at = coalesce(revoked_at, $now) WHERE id = $id", ("$id", id), ("$now", now)) > 0;

    private static TokenRow Map(SqliteDataReader row) => new(
        Id: row.GetString(0),
        CreatedAt: row.Time(1),
        ExpiresAt: row.TimeOrNull(2),
        MaxUses: row.GetInt64(3),
        Uses: row.GetInt64(4),
        RevokedAt: row.TimeOrNull(5),
        Note: row.GetString(6));
}
