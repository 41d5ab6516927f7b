using Microsoft.AspNetCore.Connections;

namespace LivepatchAgent.Daemon.LocalApi;

/// <summary>
/// The open connections. The socket is open to every user, so one can open hundreds and say nothing: beyond the limit,
/// the oldest connection of the user with the most of them is closed, and all others are answered as before.
/// </summary>
internal sealed class Connections
{
    public const int MaxOpen = 256;
    private readonly Lock _lock = new();
    private readonly List<(ConnectionContext Connection, uint Uid)> _open = [];

    public bool AreClosed
    {
        get
        {
            lock (_lock) return _open.Count == 0;
        }
    }

    public void Add(ConnectionContext connection, uint uid)
    {
        ConnectionContext? closed = null;
        lock (_lock)
        {
            if (_open.Count >= MaxOpen)
            {
                var greedy = _open.CountBy(c => c.Uid).MaxBy(c => c.Value).Key;
                var oldest = _open.FindIndex(c => c.Uid == greedy);
                closed = _open[oldest].Connection;
                _open.RemoveAt(oldest);
            }

            _open.Add((connection, uid));
        }

        closed?.Abort(new ConnectionAbortedException("too many connections"));
    }

    public void Remove(ConnectionContext connection)
    {
        lock (_lock) _open.RemoveAll(c => c.Connection == connection);
    }
}
