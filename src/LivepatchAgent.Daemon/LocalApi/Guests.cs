using Microsoft.AspNetCore.Connections;

namespace LivepatchAgent.Daemon.LocalApi;

/// <summary>
/// The open connections. The socket is everybody's, so somebody can open hundreds and say nothing: beyond the limit the
/// oldest connection of whoever has most gives way, and all others are answered as ever.
/// </summary>
internal sealed class Guests
{
    public const int Most = 256;
    private readonly Lock _lock = new();
    private readonly List<(ConnectionContext Connection, uint Uid)> _present = [];

    public bool HaveLeft
    {
        get
        {
            lock (_lock) return _present.Count == 0;
        }
    }

    public void Enter(ConnectionContext connection, uint uid)
    {
        ConnectionContext? shownOut = null;
        lock (_lock)
        {
            if (_present.Count >= Most)
            {
                var greedy = _present.CountBy(g => g.Uid).MaxBy(g => g.Value).Key;
                var oldest = _present.FindIndex(g => g.Uid == greedy);
                shownOut = _present[oldest].Connection;
                _present.RemoveAt(oldest);
            }

            _present.Add((connection, uid));
        }

        shownOut?.Abort(new ConnectionAbortedException("too many connections"));
    }

    public void Leave(ConnectionContext connection)
    {
        lock (_lock) _present.RemoveAll(g => g.Connection == connection);
    }
}
