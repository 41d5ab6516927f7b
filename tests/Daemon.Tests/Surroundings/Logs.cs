using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace LivepatchAgent.Daemon.Tests.Surroundings;

/// <summary>What the daemon logged, line by line.</summary>
internal sealed class Logs<T> : ILogger<T>
{
    public ConcurrentQueue<(LogLevel Level, string Line)> Lines { get; } = [];

    public string[] Of(LogLevel level) => [.. Lines.Where(l => l.Level == level).Select(l => l.Line)];

    public string[] From(LogLevel least) => [.. Lines.Where(l => l.Level >= least).Select(l => l.Line)];

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(
        LogLevel logLevel,
        EventId eventId,
        TState state,
        Exception? exception,
        Func<TState, Exception?, string> formatter) =>
        Lines.Enqueue((logLevel, formatter(state, exception) + (exception is null ? "" : $" [{exception}]")));
}
