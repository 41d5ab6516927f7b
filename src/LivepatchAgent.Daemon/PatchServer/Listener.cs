using LivepatchAgent.Core.Agent;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Daemon.PatchServer;

/// <summary>
/// The held check-in: opened once, it wakes the loop when the server has something to say or the line breaks.
/// </summary>
internal sealed class Listener(Action wake)
{
    private readonly Lock _lock = new();
    private CancellationTokenSource? _cancel;
    private ListenState _state = new ListenState.Off();

    public ListenState State
    {
        get
        {
            lock (_lock) return _state;
        }
    }

    /// <param name="client">Who is asked.</param>
    /// <param name="request">What is said.</param>
    /// <param name="accept">How an answer is taken here.</param>
    public void Open(PatchServerClient client, CheckInRequest request, Func<Assignment, Assignment> accept)
    {
        var cancel = new CancellationTokenSource();
        Become(new ListenState.Open(), cancel)?.Cancel();
        _ = HoldAsync(client, request, accept, cancel);
    }

    /// <summary>Hangs up, or takes the answer that has come.</summary>
    public void Close() => Become(new ListenState.Off(), null)?.Cancel();

    /// <summary>The call that was under way before.</summary>
    private CancellationTokenSource? Become(ListenState state, CancellationTokenSource? cancel)
    {
        lock (_lock)
        {
            var before = _cancel;
            (_state, _cancel) = (state, cancel);
            return before;
        }
    }

    private async Task HoldAsync(
        PatchServerClient client,
        CheckInRequest request,
        Func<Assignment, Assignment> accept,
        CancellationTokenSource cancel)
    {
        ListenState end;
        try
        {
            end = new ListenState.Answered(accept(await client.HoldCheckInAsync(request, cancel.Token)));
        }
        catch (ServerException e)
        {
            end = new ListenState.Broken(e.Problem);
        }
#pragma warning disable CA1031 // hung up: however the call ends then, nobody waits for it
        catch (Exception) when (cancel.IsCancellationRequested)
        {
            return;
        }
#pragma warning restore CA1031

        lock (_lock)
        {
            // After hanging up in between, nobody waits for it.
            if (_cancel != cancel) return;
            (_state, _cancel) = (end, null);
        }

        wake();
    }
}
