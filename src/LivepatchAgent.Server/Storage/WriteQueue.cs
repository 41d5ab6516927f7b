using System.Runtime.ExceptionServices;
using System.Threading.Channels;
using Microsoft.Data.Sqlite;

namespace LivepatchAgent.Server.Storage;

/// <summary>
/// All writes of the running server go through one thread, which puts whatever is waiting into one transaction: a fleet
/// that comes back after a restart costs a few syncs of the disk, not one a machine. Each piece of work has its own
/// savepoint, so one that fails takes no other with it; and its caller goes on only when it is on the disk.
/// </summary>
internal sealed class WriteQueue : IAsyncDisposable
{
    private const int MaxBatch = 256;
    private const string Savepoint = "item";
    private const int MaxWaiting = 4096;
    private readonly Channel<Work> _waiting = Channel.CreateBounded<Work>(
        new BoundedChannelOptions(MaxWaiting) { SingleReader = true });
    private readonly Func<SqliteConnection> _connect;
    private readonly Task _writer;

    public WriteQueue(Func<SqliteConnection> connect)
    {
        _connect = connect;
        _writer = Task.Factory.StartNew(
            Write, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    public async Task<T> RunAsync<T>(Func<Session, T> work)
    {
        var item = new Work<T>(work);
        await _waiting.Writer.WriteAsync(item);
        return await item.Done.Task;
    }

    public async ValueTask DisposeAsync()
    {
        _waiting.Writer.TryComplete();
        await _writer;
    }

    private void Write()
    {
        var batch = new List<Work>(MaxBatch);
        while (_waiting.Reader.WaitToReadAsync().AsTask().GetAwaiter().GetResult())
        {
            while (batch.Count < MaxBatch && _waiting.Reader.TryRead(out var item)) batch.Add(item);
            Commit(batch);
            batch.Clear();
        }
    }

    private void Commit(List<Work> batch)
    {
#pragma warning disable CA1031 // edge: what goes wrong is for the waiting callers, and the writer goes on
        try
        {
            using var connection = _connect();
            using var transaction = connection.BeginTransaction(deferred: false);
            foreach (var item in batch) Run(item, transaction, new Session(connection));
            transaction.Commit();
        }
        catch (Exception e)
        {
            foreach (var item in batch) item.Fail(e);
        }
#pragma warning restore CA1031

        foreach (var item in batch) item.Complete();
    }

    private static void Run(Work item, SqliteTransaction transaction, Session db)
    {
        transaction.Save(Savepoint);
#pragma warning disable CA1031 // edge: what goes wrong is for the waiting caller
        try
        {
            item.Run(db);
        }
        catch (Exception e)
        {
            item.Fail(e);
            RollBack(transaction, e);
        }
#pragma warning restore CA1031

        transaction.Release(Savepoint);
    }

    /// <summary>
    /// Some faults end the whole transaction, a full disk above all. The savepoint is gone then, which is no news: the
    /// batch fails for the cause.
    /// </summary>
    private static void RollBack(SqliteTransaction transaction, Exception cause)
    {
        try
        {
            transaction.Rollback(Savepoint);
        }
        catch (SqliteException)
        {
            ExceptionDispatchInfo.Throw(cause);
        }
    }

    private abstract class Work
    {
        public abstract void Run(Session db);

        public abstract void Fail(Exception error);

        /// <summary>Does nothing when it has failed.</summary>
        public abstract void Complete();
    }

    private sealed class Work<T>(Func<Session, T> work) : Work
    {
        private T? _result;

        public TaskCompletionSource<T> Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public override void Run(Session db) => _result = work(db);

        public override void Fail(Exception error) => Done.TrySetException(error);

        public override void Complete() => Done.TrySetResult(_result!);
    }
}
