using System.Text.Json;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Daemon.Host;
using LivepatchAgent.Daemon.Systemd;
using LivepatchAgent.Shared.Files;

namespace LivepatchAgent.Daemon.Loop;

/// <summary>
/// What the daemon says of itself, as the last word of the loop: read by any number of requests, shown by systemctl,
/// and written to status.json for those who find the daemon gone.
/// </summary>
internal sealed class StatusBoard(HostPaths paths, ServiceNotifier notifier, Func<AgentStatus> initial)
{
    private readonly Lock _lock = new();
    private AgentStatus? _status;
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public AgentStatus Current
    {
        get
        {
            lock (_lock) return _status ??= initial() with { Revision = LastRevision() + 1 };
        }
    }

    /// <summary>Shows it if it says anything new; the revision rises with what is said, not with the time.</summary>
    public AgentStatus Show(AgentStatus status)
    {
        var shown = Replace(status);
        notifier.Say(shown);
        return shown;
    }

    private AgentStatus Replace(AgentStatus status)
    {
        TaskCompletionSource changed;
        lock (_lock)
        {
            var before = Current;
            if (SaysTheSame(before, status)) return before;
            _status = status = status with { Revision = before.Revision + 1 };
            changed = _changed;
            _changed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }

        changed.TrySetResult();
        Write(status);
        return status;
    }

    /// <summary>The first status newer than <paramref name="after"/>, or the present one when the time is up.</summary>
    public async Task<AgentStatus> NewerThanAsync(long after, TimeSpan atMost, CancellationToken ct)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(ct);
        patience.CancelAfter(atMost);
        while (true)
        {
            Task changed;
            lock (_lock)
            {
                if (Current.Revision > after || patience.IsCancellationRequested) return Current;
                changed = _changed.Task;
            }

            try
            {
                await changed.WaitAsync(patience.Token);
            }
            catch (OperationCanceledException)
            {
                return Current;
            }
        }
    }

    /// <summary>
    /// People who follow the status go on following when the daemon is restarted, so the count goes on as well. One
    /// more than the file has: the last word may have been read and not written.
    /// </summary>
    private long LastRevision()
    {
        AtomicFile.RemoveLeftovers(paths.StatusFile);
        try
        {
            if (SmallFile.ReadBytes(paths.StatusFile) is not { } text) return 0;
            return JsonSerializer.Deserialize(text, WireJson.Default.AgentStatus)?.Revision ?? 0;
        }
        catch (JsonException)
        {
            return 0;
        }
    }

    private void Write(AgentStatus status)
    {
        try
        {
            Directory.CreateDirectory(paths.RunFolder);
            var text = JsonSerializer.SerializeToUtf8Bytes(status, WireJson.Readable.AgentStatus);
            AtomicFile.Write(paths.StatusFile, text, FileRights.ReadableByAll);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // A full /run costs the copy, not the daemon; the socket still answers.
        }
    }

    private static bool SaysTheSame(AgentStatus a, AgentStatus b) => Text(a).AsSpan().SequenceEqual(Text(b));

    /// <summary>What is said, without the time of saying it.</summary>
    private static byte[] Text(AgentStatus status)
    {
        var activity = status.Activity is { } a ? a with { Since = default } : null;
        var timeless = status with { Revision = 0, At = default, Activity = activity };
        return JsonSerializer.SerializeToUtf8Bytes(timeless, WireJson.Readable.AgentStatus);
    }
}
