using System.Threading.Channels;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Agent;
using LivepatchAgent.Core.History;

namespace LivepatchAgent.Daemon;

/// <summary>What wakes the loop: commands, each with its answer, and plain nudges to have a look.</summary>
internal sealed class Inbox(TimeProvider time) : IDisposable
{
    private readonly Channel<Request> _commands = Channel.CreateUnbounded<Request>(new UnboundedChannelOptions { SingleReader = true });
    private readonly SemaphoreSlim _nudge = new(0);
    private int _nudged;
    private volatile bool _awaited;

    public sealed record Request(Command Command, HistoryBy? By, TaskCompletionSource<Result<long>> Answer);

    /// <summary>True while the loop rests.</summary>
    public bool IsAwaited => _awaited;

    /// <summary>Have a look: the kernel's log spoke, the held check-in was answered, a signal came.</summary>
    public void Nudge()
    {
        // However many come before the loop looks, it looks once.
        if (Interlocked.Exchange(ref _nudged, 1) == 0) _nudge.Release();
    }

    /// <summary>The status revision to follow from, or why the command is not taken.</summary>
    public Task<Result<long>> SendAsync(Command command, HistoryBy? by = null)
    {
        var request = new Request(command, by, new TaskCompletionSource<Result<long>>(TaskCreationOptions.RunContinuationsAsynchronously));
        _commands.Writer.TryWrite(request);
        Nudge();
        return request.Answer.Task;
    }

    public bool TryTake(out Request? request) => _commands.Reader.TryRead(out request);

    public bool HasCommands => _commands.Reader.TryPeek(out _);

    /// <summary>True when nudged, false when the time was up.</summary>
    public async Task<bool> WaitAsync(TimeSpan atMost, CancellationToken ct)
    {
        using var patience = new CancellationTokenSource(atMost, time);
        using var end = CancellationTokenSource.CreateLinkedTokenSource(ct, patience.Token);
        try
        {
            var nudge = _nudge.WaitAsync(end.Token);
            _awaited = !nudge.IsCompleted;
            await nudge;
            Volatile.Write(ref _nudged, 0);
            return true;
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            return false;
        }
        finally
        {
            _awaited = false;
        }
    }

    public void Dispose() => _nudge.Dispose();

    /// <summary>Completes when a command waits; used to break off a slow effect.</summary>
    public async Task CommandWaitsAsync(CancellationToken ct)
    {
        try
        {
            await _commands.Reader.WaitToReadAsync(ct);
        }
        catch (OperationCanceledException)
        {
            // the effect ended first
        }
    }
}
