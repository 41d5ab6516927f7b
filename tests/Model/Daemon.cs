using LivepatchAgent.Core.Agent;
using LivepatchAgent.Core.Kernel;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Model;

/// <summary>
/// One run of the daemon, from its start to its end: what AgentLoop does, turn by turn, as far as it bears on what is
/// decided or on what is on the disk.
/// </summary>
internal sealed class Daemon
{
    private static readonly TimeSpan DiskPause = TimeSpan.FromSeconds(10);
    private readonly World _world;
    private readonly Effects _effects;
    private bool _hasLooked;

    public Daemon(World world)
    {
        _world = world;
        State = world.Disk.Load() ?? new AgentState();
        Held = new HeldCheckIn(world);
        _effects = new Effects(world, this);
        world.Oracle.Starts(State);
    }

    public AgentState State { get; private set; }

    public HeldCheckIn Held { get; }

    /// <summary>What this turn decided; null where it did not come to that.</summary>
    public Step? Step { get; private set; }

    private bool Gone => _world.Daemon != this;

    public void Turn()
    {
        Step = null;
        if (_world.Strike(Point.Look)) return;
        // No call to the server at all then, not even one that waits.
        if (_world.Mode == KillSwitch.Off) Held.Close();
        var host = _world.Look(Held.State);
        if (!_hasLooked) OpenHistory(host);
        if (_world.Commands.TryDequeue(out var command))
        {
            Answer(command, host);
            return;
        }

        Step = _world.Mind.Next(At(host));
        var intent = Recorded(_world.Mind.Begin(At(host), Step), new Cause.Begun(Step));
        if (_world.Strike(Point.Decided)) return;
        if (!Save(intent)) Step = new Step.Rest(_world.Now + DiskPause);
        if (_world.Strike(Point.Saved)) return;
        var status = Projection.Status(State, host, Step, null, "0", _world.Now);
        _world.Oracle.Shows(status, host, Step);
        if (Step is Step.Rest rest) Rest(rest);
        else Perform(Step, host);
    }

    /// <summary>SIGTERM.</summary>
    public void Stop()
    {
        var boot = _hasLooked ? _world.Kernel.BootId : "";
        _world.Oracle.Stops();
        Save(Recorded(_world.Mind.Stopped(State, boot), new Cause.Stopped()));
    }

    private void Rest(Step.Rest rest)
    {
        var left = rest.Until - _world.Now;
        if (Held.Left < left) left = Held.Left;
        _world.Oracle.Rests(left);
        if (left <= TimeSpan.Zero) return;
        // Something may befall the host in the midst of it.
        if (_world.Pass(left / 3, wakes: true) || _world.Strike(Point.Done) || _world.Woken) return;
        left = rest.Until - _world.Now;
        if (Held.Left < left) left = Held.Left;
        if (left > TimeSpan.Zero && !Held.IsOver) _world.Pass(left, wakes: true);
    }

    private void Perform(Step step, HostSnapshot host)
    {
        _world.Oracle.Performs();
        if (step is Step.Believe believe)
        {
            if (_world.Strike(Point.Done)) return;
            if (Beliefs.TakesHeldAnswer(believe)) Held.Close();
            State = Recorded(believe.After, new Cause.Performed(step, new StepResult.Done()));
        }
        else
        {
            var result = _effects.Perform(step, host);
            if (Gone || result is null || _world.Strike(Point.Done)) return;
            var after = _world.Mind.Apply(At(host), step, result);
            State = Recorded(after, new Cause.Performed(step, result));
        }

        Save(State);
        _world.Strike(Point.End);
    }

    private Turn At(HostSnapshot host) => new(State, host, _world.Policy, _world.Now);

    private void Answer(Command command, HostSnapshot host)
    {
        if (!_world.Mind.Accept(At(host), command).TryGet(out var after, out _)) return;
        if (ReferenceEquals(after, State)) return;
        if (_world.Strike(Point.Saved)) return;
        _world.Oracle.Asks(command);
        var isSaved = Save(Recorded(after, new Cause.Asked(command, null)));
        _world.Oracle.Answers(isSaved);
        if (!isSaved) return;
        if (command is not Command.NetworkUp) Held.Close();
    }

    private bool Save(AgentState state)
    {
        var before = _world.Disk.Journal;
        if (!_world.Disk.Save(state)) return false;
        if (!ReferenceEquals(before, _world.Disk.Journal)) _world.Oracle.Saves(before, state);
        State = state;
        _world.Disk.Write(Beliefs.History(state));
        return true;
    }

    private AgentState Recorded(AgentState after, Cause cause)
    {
        if (cause is Cause.Begun && (ReferenceEquals(after, State) || after.Equals(State))) return State;
        var events = Chronicle.Between(State, after, cause);
        if (events.Count == 0 && ReferenceEquals(Beliefs.History(after), Beliefs.History(State))) return after;
        var (boot, written) = (_world.Kernel.BootId, _world.Disk.HistoryCount);
        return Beliefs.With(after, Beliefs.History(State).With(events, written, null, _world.Now, boot));
    }

    private void OpenHistory(HostSnapshot host)
    {
        _hasLooked = true;
        var start = _world.Disk.Resume(Beliefs.History(State));
        var mark = start.Mark.With(start.Found, start.Written, null, _world.Now, host.BootId);
        State = Beliefs.With(State, mark);
        State = Recorded(State, new Cause.Started("0", host.KernelRelease));
    }
}

/// <summary>The held check-in of one run of the daemon.</summary>
internal sealed class HeldCheckIn(World world)
{
    private static readonly TimeSpan Longest = TimeSpan.FromMinutes(50);
    private static readonly ListenState Off = new ListenState.Off();
    private static readonly ListenState Open = new ListenState.Open();
    private ListenState _state = Off;
    private string? _known;
    private DateTimeOffset _end;

    public ListenState State
    {
        get
        {
            if (ReferenceEquals(_state, Open) && IsOver) _state = Ended();
            return _state;
        }
    }

    /// <summary>Until it ends by its time.</summary>
    public TimeSpan Left => ReferenceEquals(_state, Open) ? _end - world.Time : TimeSpan.MaxValue;

    /// <summary>It has an answer, or it broke.</summary>
    public bool IsOver =>
        ReferenceEquals(_state, Open) && (world.Server.Away || world.Server.Tag != _known || world.Time >= _end);

    public void Begin(string knownTag) => (_state, _known, _end) = (Open, knownTag, world.Time + Longest);

    public void Close() => _state = Off;

    private ListenState Ended() => world.Server.Away
        ? new ListenState.Broken(Effects.Unreachable)
        : new ListenState.Answered(world.Server.Answer(world.Kernel.Release, world.Time));
}
