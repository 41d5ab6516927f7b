using LivepatchAgent.Core.Agent;
using LivepatchAgent.Core.Kernel;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Model;

/// <summary>A simulated host with its kernel, disk, clock and daemon, and the server that it talks to.</summary>
internal sealed partial class World
{
    private static readonly DateTimeOffset Start = new(2026, 11, 23, 12, 0, 0, TimeSpan.Zero);
    private static readonly AgentPolicy Patient = new();
    private static readonly AgentPolicy Impatient = new() { ReverseAfter = TimeSpan.FromMinutes(2) };
    private readonly Sequence _sequence;
    private int _next;

    public World(Sequence sequence, Mind mind, Oracle oracle, bool thorough)
    {
        _sequence = sequence;
        Mind = mind;
        Oracle = oracle;
        Disk = new Disk { Thorough = thorough };
        Kernel = new Kernel(0, 0);
        oracle.Begin(this);
    }

    public Mind Mind { get; }

    public Oracle Oracle { get; }

    public Disk Disk { get; }

    public PatchServer Server { get; } = new();

    public Kernel Kernel { get; private set; }

    /// <summary>Null while no daemon runs; the next turn starts one.</summary>
    public Daemon? Daemon { get; private set; }

    /// <summary>The turn that is under way.</summary>
    public int Turn { get; private set; }

    /// <summary>The right time, as the server has it.</summary>
    public DateTimeOffset Time { get; private set; } = Start;

    public TimeSpan Elapsed => Time - Start;

    /// <summary>By how much the host's clock is wrong.</summary>
    public TimeSpan ClockError { get; private set; }

    /// <summary>The host's clock.</summary>
    public DateTimeOffset Now => Time + ClockError;

    public KillSwitch Mode { get; private set; }

    public AgentPolicy Policy { get; private set; } = Patient;

    /// <summary>
    /// Somebody has switched a patch off, set the mode or left the server, or the host refused a patch for a time: what
    /// the host falls back to may have been given up for that.
    /// </summary>
    public bool IsMeddledWith { get; private set; }

    /// <summary>What somebody asked the daemon for.</summary>
    public Queue<Command> Commands { get; } = new();

    /// <summary>The kernel reported something while time passed last, and that wakes the daemon.</summary>
    public bool Woken { get; private set; }

    /// <summary>One turn of the daemon's loop, with what befalls the host meanwhile.</summary>
    public void RunTurn(int turn)
    {
        Turn = turn;
        if (Daemon is null && !Started()) return;
        Daemon!.Turn();
        // What was to happen at a point that this turn did not come to happens now.
        Strike(Point.End);
    }

    /// <summary>False while the journal cannot be read: the daemon waits and does nothing.</summary>
    private bool Started()
    {
        if (Disk.Unreadable > 0)
        {
            Disk.Unreadable--;
            Pass(TimeSpan.FromSeconds(10));
            Strike(Point.End);
            return false;
        }

        Daemon = new Daemon(this);
        return true;
    }

    /// <summary>What was to happen up to this point of the turn happens. True when the daemon is gone by it.</summary>
    public bool Strike(Point point)
    {
        var daemon = Daemon;
        var incidents = _sequence.Incidents;
        while (_next < incidents.Count && (incidents[_next].Turn, incidents[_next].Point).CompareTo((Turn, point)) <= 0)
        {
            var incident = incidents[_next++];
            Oracle.Befalls(incident);
            Befall(incident);
            Woken = true;
        }

        return Daemon != daemon;
    }

    /// <summary>Time passes for the host. True when the daemon is gone by then.</summary>
    /// <param name="span">So long.</param>
    /// <param name="wakes">Stop at the first thing that the kernel reports.</param>
    public bool Pass(TimeSpan span, bool wakes = false)
    {
        var (boot, daemon) = (Kernel.Boot, Daemon);
        Woken = false;
        var end = span > TimeSpan.FromDays(400) ? Kernel.Uptime + TimeSpan.FromDays(1) : Kernel.Uptime + span;
        while (Kernel.Uptime < end)
        {
            var to = Kernel.Next < end ? Kernel.Next : end;
            Time += to - Kernel.Uptime;
            var reports = Kernel.Next <= to;
            if (Kernel.PassTo(to) is { } killer) GoDown(killer);
            if (Kernel.Boot != boot) break;
            if (reports) Oracle.Stirs();
            Woken |= reports;
            if (reports && wakes) break;
        }

        return Daemon != daemon;
    }

    /// <summary>The host goes down without an orderly end, by a patch or by the power, and boots.</summary>
    public void GoDown(Patch? killer)
    {
        Oracle.BootEnds(orderly: false, killer);
        Boot(Kernel.Release);
    }

    private void Reboot(int release)
    {
        Daemon?.Stop();
        // An end that the disk does not take the mark of cannot be told from a crash.
        Oracle.BootEnds(orderly: !Disk.Failing, null);
        Disk.Note(Kernel.BootId);
        Boot(release);
    }

    private void Boot(int release)
    {
        Daemon = null;
        Time += TimeSpan.FromSeconds(30);
        Kernel = new Kernel(Kernel.Boot + 1, release) { IsCalm = Kernel.IsCalm };
        Oracle.Stirs();
    }

    /// <summary>One look, as the daemon's observer takes it.</summary>
    public HostSnapshot Look(ListenState listen) => new()
    {
        At = Now,
        Uptime = Kernel.Uptime,
        BootId = Kernel.BootId,
        CleanEnds = Disk.CleanEnds,
        KernelRelease = Papers.Releases[Kernel.Release],
        Architecture = Papers.Architecture,
        LivepatchSupported = true,
        KillSwitch = Mode,
        Patches = Kernel.Patches,
        Modules = Kernel.Files,
        Listen = listen,
        Jitter = Jitter(),
    };

    /// <summary>From 0 to 1, another one each turn, and the same in each run.</summary>
    private double Jitter() => ((ulong)(Turn + 1) * 0x9E3779B97F4A7C15 >> 11) / (double)(1UL << 53);
}
