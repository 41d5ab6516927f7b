using LivepatchAgent.Core;
using LivepatchAgent.Core.Agent;
using LivepatchAgent.Core.History;
using LivepatchAgent.Daemon.Host;
using LivepatchAgent.Daemon.Store;
using Microsoft.Extensions.Logging;

namespace LivepatchAgent.Daemon.Loop;

/// <summary>
/// What the agent believes, in memory and on the disk, and the history that goes with each change. The loop alone
/// changes it; anybody may read <see cref="State"/>.
/// </summary>
internal sealed class AgentJournal(string folder, HistoryLog history, TimeProvider time, ILogger log)
{
    private readonly StateStore _store = new(folder);
    private AgentState _state = new();
    private Problem? _historyProblem;
    private bool _isHistoryOpen;

    /// <summary>What is believed now. It is empty until the journal was read.</summary>
    public AgentState State => Volatile.Read(ref _state);

    /// <summary>True when a newer agent's file is there: then nothing may be written.</summary>
    public bool ReadOnly => _store.ReadOnly;

    /// <summary>Why the last save failed; null when it is on the disk.</summary>
    public Problem? DiskProblem { get; private set; }

    /// <summary>The boot that entries of the history are written in; empty before the first look at the host.</summary>
    public string BootId { get; private set; } = "";

    /// <summary>
    /// Reads the journal once. Null when that is done; else why the disk does not give it: it may say that a patch took
    /// this host down, so nothing is done until it is read.
    /// </summary>
    public Problem? Load()
    {
        var (state, problem) = _store.Load();
        Volatile.Write(ref _state, state);
        if (_store.Unread) return problem;
        if (problem is not null) log.LogWarning("{Problem}", problem);
        return null;
    }

    /// <summary>Called at each look at the host; the first one opens the history.</summary>
    public void EnterBoot(HostSnapshot host)
    {
        BootId = host.BootId;
        if (_isHistoryOpen) return;
        _isHistoryOpen = true;
        if (!ReadOnly) OpenHistory(host.KernelRelease);
    }

    /// <summary>Believes this from now on, with what the history says of it. It is not on the disk yet.</summary>
    public void Believe(AgentState after, Cause cause) => Volatile.Write(ref _state, WithHistory(after, cause));

    /// <summary>Believes and saves this, or nothing of it. True when it is on the disk.</summary>
    public bool Save(AgentState after, Cause cause) => Save(WithHistory(after, cause));

    /// <summary>Saves what is believed. True when it is on the disk.</summary>
    public bool Save() => Save(State);

    private bool Save(AgentState state)
    {
        var problem = _store.Save(state);
        Log(DiskProblem, problem, "The journal can be saved again");
        DiskProblem = problem;
        if (problem is not null) return false;
        Volatile.Write(ref _state, state);
        // The history is no reason to leave a host unpatched: its lines wait in the journal, and losses are counted.
        problem = history.Write(state.History);
        Log(_historyProblem, problem, "The history can be saved again");
        _historyProblem = problem;
        return true;
    }

    private void Log(Problem? before, Problem? now, string recovered)
    {
        if (now is not null && before is null) log.LogWarning("{Problem}", now);
        if (now is null && before is not null) log.LogInformation("{Recovered}", recovered);
    }

    private AgentState WithHistory(AgentState after, Cause cause)
    {
        var before = State;
        var events = Chronicle.Between(before, after, cause);
        return after with { History = history.Add(before.History, events, time.GetUtcNow(), BootId) };
    }

    private void OpenHistory(string kernelRelease)
    {
        var start = history.Start(State.History);
        foreach (var found in start.Found)
        {
            var level = found.Kind == HistoryKind.Damaged ? LogLevel.Error : LogLevel.Information;
            log.Log(level, "Looked at the history: {Found}", found.Note);
        }

        var mark = history.Add(start.Mark, start.Found, time.GetUtcNow(), BootId);
        Volatile.Write(ref _state, State with { History = mark });
        Believe(State, new Cause.Started(AgentVersion.Text, kernelRelease));
        mark = State.History;
        log.LogInformation("The history has {Count} entries, the last is {Hash}", mark.Count, mark.Hash);
    }
}
