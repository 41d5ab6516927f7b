using LivepatchAgent.Core;
using LivepatchAgent.Shared.Files;
using Microsoft.Data.Sqlite;

namespace LivepatchAgent.Server.Storage;

/// <summary>
/// The SQLite file. Several processes may have it open: the server, and the commands beside it. Every write is one
/// immediate transaction, synced to the disk before it returns.
/// </summary>
internal sealed class Database : IDisposable
{
    private const long SchemaVersion = 1;
    private readonly string _connectionString;

    private Database(string connectionString) => _connectionString = connectionString;

    public static Result<Database> Open(string path)
    {
        var database = new Database(new SqliteConnectionStringBuilder { DataSource = path, Mode = SqliteOpenMode.ReadWriteCreate, DefaultTimeout = 10 }.ToString());
        try
        {
            // A folder that others may enter must not show them machines and tokens' digests.
            new FileStream(path, new FileStreamOptions
            {
                Mode = FileMode.OpenOrCreate, Access = FileAccess.ReadWrite, Share = FileShare.ReadWrite, UnixCreateMode = FileRights.OwnerOnly,
            }).Dispose();
            using (var connection = database.Connect()) connection.Run("PRAGMA journal_mode=WAL");
            var version = database.Write(Migrate);
            if (version <= SchemaVersion) return database;
            database.Dispose();
            return new Problem(ProblemCode.StateNewer, $"cannot open {path}: its schema has version {version}, this program knows {SchemaVersion}", "install the newer livepatch-server again");
        }
        catch (SqliteException e)
        {
            database.Dispose();
            return new Problem(ProblemCode.StateInvalid, $"cannot open {path}: {e.Message.TrimEnd('.')}", "restore it from a backup; hosts keep what they run meanwhile");
        }
    }

    public T Read<T>(Func<SqliteConnection, T> work)
    {
        using var connection = Connect();
        return work(connection);
    }

    public T Write<T>(Func<SqliteConnection, T> work)
    {
        using var connection = Connect();
        using var transaction = connection.BeginTransaction(deferred: false);
        var result = work(connection);
        transaction.Commit();
        return result;
    }

    /// <summary>A connection for a long-lived writer.</summary>
    public SqliteConnection Connect()
    {
        var connection = new SqliteConnection(_connectionString);
        connection.Open();
        connection.Run("PRAGMA busy_timeout=10000; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON");
        return connection;
    }

    public void Dispose()
    {
        using var connection = new SqliteConnection(_connectionString);
        SqliteConnection.ClearPool(connection);
    }

    /// <summary>Brings an older schema up to date and returns the version found, which is above ours when a newer program wrote it.</summary>
    private static long Migrate(SqliteConnection connection)
    {
        var version = connection.Query("PRAGMA user_version", row => row.GetInt64(0))[0];
        if (version == 0)
        {
            connection.Run(Schema);
            connection.Run($"PRAGMA user_version={SchemaVersion}");
        }

        return version;
    }

    // Times are milliseconds since 1970 (UTC), digests lower-case hex.
    private const string Schema = """
        CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
        CREATE TABLE tokens (
            id TEXT PRIMARY KEY, secret_sha256 TEXT NOT NULL UNIQUE, created_at INTEGER NOT NULL, expires_at INTEGER,
            max_uses INTEGER NOT NULL, uses INTEGER NOT NULL DEFAULT 0, revoked_at INTEGER, note TEXT NOT NULL) STRICT;
        CREATE TABLE machines (
            id TEXT PRIMARY KEY, enrolment_id TEXT NOT NULL UNIQUE, token_id TEXT NOT NULL REFERENCES tokens(id),
            credential_sha256 TEXT NOT NULL, enrolled_at INTEGER NOT NULL, revoked_at INTEGER,
            hostname TEXT NOT NULL, kernel_release TEXT NOT NULL, architecture TEXT NOT NULL, operating_system TEXT NOT NULL,
            agent_version TEXT NOT NULL, boot_id TEXT NOT NULL,
            last_check_in INTEGER, state TEXT, manifest TEXT, version TEXT, taint INTEGER,
            problem_code TEXT, problem_message TEXT, problem_cure TEXT) STRICT;
        CREATE TABLE outcomes (
            machine_id TEXT NOT NULL REFERENCES machines(id), id TEXT NOT NULL, at INTEGER NOT NULL, received_at INTEGER NOT NULL,
            kind TEXT NOT NULL, manifest TEXT, problem_code TEXT, problem_message TEXT, problem_cure TEXT,
            PRIMARY KEY (machine_id, id)) STRICT;
        CREATE TABLE kernels (
            architecture TEXT NOT NULL, release TEXT NOT NULL, sequence INTEGER NOT NULL, PRIMARY KEY (architecture, release)) STRICT;
        CREATE TABLE patches (
            manifest TEXT PRIMARY KEY, architecture TEXT NOT NULL, kernel_release TEXT NOT NULL, sequence INTEGER NOT NULL,
            version TEXT NOT NULL, notice TEXT NOT NULL, fixes TEXT NOT NULL, module_sha256 TEXT NOT NULL, module_size INTEGER NOT NULL,
            received_at INTEGER NOT NULL, published_at INTEGER, withdrawal TEXT, withdrawn_reason TEXT,
            UNIQUE (architecture, kernel_release, sequence)) STRICT;
        CREATE INDEX patches_by_module ON patches (module_sha256);
        """;
}
