using System.Threading.Channels;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Agent;
using LivepatchAgent.Core.History;

namespace LivepatchAgent.Daemon.Loop;

/// <summary>What wakes the loop: commands, each with its answer, and plain nudges to have a look.</summary>
internal sealed class Inbox(TimeProvider time)
{
    private static readonly UnboundedChannelOptions OneReader = new() { SingleReader = true };

    /// <summary>However many nudges come before the loop looks, it looks once.</summary>
    private static readonly BoundedChannelOptions OneNudge =
        new(1) { FullMode = BoundedChannelFullMode.DropWrite, SingleReader = true };

    private readonly Channel<Request> _commands = Channel.CreateUnbounded<Request>(OneReader);
    private readonly Channel<bool> _nudges = Channel.CreateBounded<bool>(OneNudge);
    private volatile bool _awaited;
    private int _networkUp;

    public sealed record Request(Command Command, HistoryBy? By, TaskCompletionSource<Result<long>> Answer);

    /// <summary>True while the loop rests.</summary>
    public bool IsAwaited => _awaited;

    /// <summary>Have a look: the kernel's log spoke, the held check-in was answered, a signal came.</summary>
    public void Nudge() => _nudges.Writer.TryWrite(true);

    /// <summary>
    /// An address came. Beside the queue, as it is no reason to break off a call that is under way: on a host with
    /// containers they come and go all the time.
    /// </summary>
    public void NetworkUp()
    {
        Interlocked.Exchange(ref _networkUp, 1);
        Nudge();
    }

    /// <summary>The status revision to follow from, or why the command is not taken.</summary>
    public Task<Result<long>> SendAsync(Command command, HistoryBy? by = null)
    {
        var answer = new TaskCompletionSource<Result<long>>(TaskCreationOptions.RunContinuationsAsynchronously);
        var request = new Request(command, by, answer);
        _commands.Writer.TryWrite(request);
        Nudge();
        return answer.Task;
    }

    /// <summary>People's commands first.</summary>
    public bool TryTake(out Request? request)
    {
        if (_commands.Reader.TryRead(out request)) return true;
        if (Interlocked.Exchange(ref _networkUp, 0) == 0) return false;
        request = new Request(new Command.NetworkUp(), null, new TaskCompletionSource<Result<long>>());
        return true;
    }

    public bool HasCommands => _commands.Reader.TryPeek(out _);

    /// <summary>True when nudged, false when the time was up.</summary>
    public async Task<bool> WaitAsync(TimeSpan atMost, CancellationToken ct)
    {
        using var patience = new CancellationTokenSource(atMost, time);
        using var end = CancellationTokenSource.CreateLinkedTokenSource(ct, patience.Token);
        try
        {
            var nudge = _nudges.Reader.ReadAsync(end.Token).AsTask();
            _awaited = !nudge.IsCompleted;
            await nudge;
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
