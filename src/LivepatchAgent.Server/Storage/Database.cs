using LivepatchAgent.Core;
using LivepatchAgent.Shared.Files;
using Microsoft.Data.Sqlite;

namespace LivepatchAgent.Server.Storage;

/// <summary>
/// The SQLite file. Several processes may have it open: the server, and the commands beside it. Every write is one
/// immediate transaction, synced to the disk before it returns. What goes wrong below is an <see cref="IOException"/>;
/// its HResult is ENOSPC when the disk is full.
/// </summary>
internal sealed class Database : IDisposable, IAsyncDisposable
{
    private const int ENOSPC = 28;
    private const int SQLITE_FULL = 13;
    private readonly string _connectionString;
    private readonly Lazy<WriteQueue> _writes;

    private Database(string path)
    {
        _connectionString = new SqliteConnectionStringBuilder
        {
            DataSource = path,
            Mode = SqliteOpenMode.ReadWriteCreate,
            DefaultTimeout = 10,
        }.ToString();
        _writes = new Lazy<WriteQueue>(() => new WriteQueue(Connect));
    }

    /// <summary>Makes the file, for its owner alone, or brings it up to date.</summary>
    public static Result<Database> Open(string path)
    {
        var database = new Database(path);
        try
        {
            Touch(path);
            using (var connection = database.Connect()) new Session(connection).Run("PRAGMA journal_mode=WAL");
            var version = database.Write(Schema.Migrate);
            if (version <= Schema.Version) return database;
            database.Dispose();
            return new Problem(
                ProblemCode.StateNewer,
                $"cannot open {path}: its schema has version {version}, this program knows {Schema.Version}",
                "install the newer livepatch-server again");
        }
        catch (Exception e) when (e is SqliteException or { InnerException: SqliteException })
        {
            database.Dispose();
            return new Problem(
                ProblemCode.StateInvalid,
                $"cannot open {path}: {e.Message.TrimEnd('.')}",
                "restore it from a backup; hosts keep what they run meanwhile");
        }
    }

    public T Read<T>(Func<Session, T> work)
    {
        try
        {
            using var connection = Connect();
            return work(new Session(connection));
        }
        catch (SqliteException e)
        {
            throw Fault(e);
        }
    }

    /// <summary>In a transaction of its own: for the commands beside the server.</summary>
    public T Write<T>(Func<Session, T> work)
    {
        try
        {
            using var connection = Connect();
            using var transaction = connection.BeginTransaction(deferred: false);
            var result = work(new Session(connection));
            transaction.Commit();
            return result;
        }
        catch (SqliteException e)
        {
            throw Fault(e);
        }
    }

    /// <summary>
    /// The same through the <see cref="WriteQueue"/>: for the running server, whose callers write at once.
    /// </summary>
    public async Task<T> WriteAsync<T>(Func<Session, T> work)
    {
        try
        {
            return await _writes.Value.RunAsync(work);
        }
        catch (SqliteException e)
        {
            throw Fault(e);
        }
    }

    public void Dispose()
    {
        using var connection = new SqliteConnection(_connectionString);
        SqliteConnection.ClearPool(connection);
    }

    /// <summary>Once all that was given to <see cref="WriteAsync"/> is on the disk.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_writes.IsValueCreated) await _writes.Value.DisposeAsync();
        Dispose();
    }

    private SqliteConnection Connect()
    {
        var connection = new SqliteConnection(_connectionString);
        connection.Open();
        new Session(connection).Run("PRAGMA busy_timeout=10000; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON");
        return connection;
    }

    /// <summary>A folder that others may enter must not show them machines and tokens' digests.</summary>
    private static void Touch(string path) => new FileStream(path, new FileStreamOptions
    {
        Mode = FileMode.OpenOrCreate,
        Access = FileAccess.ReadWrite,
        Share = FileShare.ReadWrite,
        UnixCreateMode = FileRights.OwnerOnly,
    }).Dispose();

    private static IOException Fault(SqliteException e)
    {
        var fault = new IOException(e.Message, e);
        if (e.SqliteErrorCode == SQLITE_FULL) fault.HResult = ENOSPC;
        return fault;
    }
}
