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
    private const int MaxWaiting = 4096;
    private readonly Channel<Work> _waiting = Channel.CreateBounded<Work>(new BoundedChannelOptions(MaxWaiting) { SingleReader = true });
    private readonly Func<SqliteConnection> _connect;
    private readonly Task _writer;

    public WriteQueue(Func<SqliteConnection> connect)
    {
        _connect = connect;
        _writer = Task.Factory.StartNew(Write, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
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
#pragma warning disable CA1031 // edge: whatever went wrong belongs to the callers that wait for it, and the writer goes on
        try
        {
            using var connection = _connect();
            using var transaction = connection.BeginTransaction(deferred: false);
            foreach (var item in batch)
            {
                transaction.Save("item");
                try
                {
                    item.Run(new Session(connection));
                }
                catch (Exception e)
                {
                    transaction.Rollback("item");
                    item.Fail(e);
                }

                transaction.Release("item");
            }

            transaction.Commit();
        }
        catch (Exception e)
        {
            foreach (var item in batch) item.Fail(e);
        }
#pragma warning restore CA1031

        foreach (var item in batch) item.Complete();
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
