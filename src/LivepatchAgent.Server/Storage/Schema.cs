namespace LivepatchAgent.Server.Storage;

/// <summary>The tables. Times are milliseconds since 1970 (UTC), digests lower-case hex.</summary>
internal static class Schema
{
    public const long Version = 2;

    /// <summary>
    /// Brings an older schema up to date and returns the version found: above ours when a newer program wrote it.
    /// </summary>
    public static long Migrate(Session db)
    {
        var version = db.Query("PRAGMA user_version", row => row.GetInt64(0))[0];
        if (version == 0) db.Run(Tables);
        if (version < 2) db.Run(Held);
        if (version < Version) db.Run($"PRAGMA user_version={Version}");
        return version;
    }

    /// <summary>Version 2: hosts that their administrators hold.</summary>
    private const string Held = "ALTER TABLE machines ADD COLUMN held INTEGER NOT NULL DEFAULT 0";

    /// <summary>Version 1.</summary>
    private const string Tables = """
        CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
        CREATE TABLE tokens (
            id TEXT PRIMARY KEY, secret_sha256 TEXT NOT NULL UNIQUE, created_at INTEGER NOT NULL, expires_at INTEGER,
            max_uses INTEGER NOT NULL, uses INTEGER NOT NULL DEFAULT 0, revoked_at INTEGER, note TEXT NOT NULL) STRICT;
        CREATE TABLE machines (
            id TEXT PRIMARY KEY, enrolment_id TEXT NOT NULL UNIQUE, token_id TEXT NOT NULL REFERENCES tokens(id),
            credential_sha256 TEXT NOT NULL, enrolled_at INTEGER NOT NULL, revoked_at INTEGER,
            hostname TEXT NOT NULL, kernel_release TEXT NOT NULL, architecture TEXT NOT NULL,
            operating_system TEXT NOT NULL, agent_version TEXT NOT NULL, boot_id TEXT NOT NULL,
            last_check_in INTEGER, state TEXT, manifest TEXT, version TEXT, taint INTEGER,
            problem_code TEXT, problem_message TEXT, problem_cure TEXT) STRICT;
        CREATE TABLE outcomes (
            machine_id TEXT NOT NULL REFERENCES machines(id), id TEXT NOT NULL, at INTEGER NOT NULL,
            received_at INTEGER NOT NULL, kind TEXT NOT NULL, manifest TEXT,
            problem_code TEXT, problem_message TEXT, problem_cure TEXT,
            PRIMARY KEY (machine_id, id)) STRICT;
        CREATE TABLE kernels (
            architecture TEXT NOT NULL, release TEXT NOT NULL, sequence INTEGER NOT NULL,
            PRIMARY KEY (architecture, release)) STRICT;
        CREATE TABLE patches (
            manifest TEXT PRIMARY KEY,
            architecture TEXT NOT NULL, kernel_release TEXT NOT NULL, sequence INTEGER NOT NULL,
            version TEXT NOT NULL, notice TEXT NOT NULL, fixes TEXT NOT NULL,
            module_sha256 TEXT NOT NULL, module_size INTEGER NOT NULL,
            received_at INTEGER NOT NULL, published_at INTEGER, withdrawal TEXT, withdrawn_reason TEXT,
            UNIQUE (architecture, kernel_release, sequence)) STRICT;
        CREATE INDEX patches_by_module ON patches (module_sha256);
        """;
}
