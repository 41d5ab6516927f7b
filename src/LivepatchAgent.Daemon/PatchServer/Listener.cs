using LivepatchAgent.Core.Agent;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Daemon.PatchServer;

/// <summary>The held check-in: opened once, it wakes the loop when the server has something to say or the line breaks.</summary>
internal sealed class Listener(Action wake)
{
    private CancellationTokenSource? _cancel;
    private ListenState _state = new ListenState.Off();

    public ListenState State
    {
        get => Volatile.Read(ref _state);
        private set => Volatile.Write(ref _state, value);
    }

    public void Open(PatchServerClient client, CheckInRequest request)
    {
        Close();
        var cancel = new CancellationTokenSource();
        _cancel = cancel;
        State = new ListenState.Open();
        _ = HoldAsync(client, request, cancel);
    }

    /// <summary>Hangs up, or takes the answer that was heard.</summary>
    public void Close()
    {
        Interlocked.Exchange(ref _cancel, null)?.Cancel();
        State = new ListenState.Off();
    }

    private async Task HoldAsync(PatchServerClient client, CheckInRequest request, CancellationTokenSource cancel)
    {
        ListenState heard;
        try
        {
            heard = new ListenState.Answered(await client.HoldCheckInAsync(request, cancel.Token));
        }
        catch (OperationCanceledException)
        {
            return;
        }
        catch (ServerException e)
        {
            heard = new ListenState.Broken(e.Problem);
        }

        // Whoever hung up in between is not told.
        if (Interlocked.CompareExchange(ref _cancel, null, cancel) != cancel) return;
        State = heard;
        wake();
    }
}
