using LivepatchAgent.Core.Agent;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Daemon.Host;
using LivepatchAgent.Daemon.Kernel;
using LivepatchAgent.Daemon.LocalApi;
using LivepatchAgent.Daemon.Loop;
using LivepatchAgent.Daemon.PatchServer;
using LivepatchAgent.Daemon.Store;
using LivepatchAgent.Daemon.Systemd;
using Microsoft.Extensions.Logging;

namespace LivepatchAgent.Daemon;

/// <summary>The one place where the daemon's parts are put together, for the program and for its tests.</summary>
internal sealed class DaemonParts : IDisposable
{
    private readonly Performer _performer;
    private readonly ServerLine _line;
    private readonly Listener _listener;

    /// <param name="outside">What differs between a host and a test.</param>
    public DaemonParts(DaemonOutside outside)
    {
        var (paths, time, log) = (outside.Paths, outside.Time, outside.Log);
        Settings = new LiveSettings(paths);
        // Never disposed of: kernel log and network may call to the last moment.
        Inbox = new Inbox(time);
        var observer = new HostObserver(paths, time);
        Board = new StatusBoard(paths, outside.Notifier, () => Unread(observer, time));
        History = new HistoryLog(paths.StateFolder);
        var journal = new AgentJournal(paths.StateFolder, History, time, log);
        var store = new PatchStore(paths.StateFolder);
        var collector = new HostFactsCollector(paths, observer);
        Preflight = new PreflightRunner(paths, collector, store, () => journal.State);

        _listener = new Listener(Inbox.Nudge);
        _line = new ServerLine(paths, Settings, time);
        var certificates = new HostCertificates(paths);
        var terms = new ServerTerms(Settings, time);
        var server = new ServerSteps(_line, _listener, store, certificates, observer, terms);
        var kernel = new KernelSteps(paths, store, certificates, Preflight, outside.Loader);
        _performer = new Performer(paths, store, certificates, server, kernel);
        var watch = new HostWatch(observer, _listener, Settings, time);
        var runner = new StepRunner(_performer, new StepLog(log), Inbox, outside.FailPoint);
        var desk = new CommandDesk(journal, watch, Inbox, Board, log);
        var pacer = new Pacer(Inbox, outside.Notifier, time);
        Loop = new AgentLoop(journal, watch, runner, desk, pacer, log);
        Routes = new Routes(paths, Board, Inbox, History, Preflight);
    }

    public LiveSettings Settings { get; }

    public Inbox Inbox { get; }

    public StatusBoard Board { get; }

    public HistoryLog History { get; }

    public PreflightRunner Preflight { get; }

    public AgentLoop Loop { get; }

    public Routes Routes { get; }

    public void Dispose()
    {
        _listener.Close();
        _performer.Dispose();
        _line.Dispose();
        Loop.Dispose();
    }

    /// <summary>What is shown until the journal was read.</summary>
    private static AgentStatus Unread(HostObserver observer, TimeProvider time)
    {
        var state = new AgentState();
        var nothing = new Step.Believe(state, "");
        return Projection.Status(state, observer.Outline(), nothing, null, AgentVersion.Text, time.GetUtcNow());
    }
}

/// <summary>What the daemon is given from outside.</summary>
/// <param name="Paths">Of the host, or of a test's folder.</param>
/// <param name="Loader">Into the kernel.</param>
/// <param name="Notifier">To systemd.</param>
/// <param name="FailPoint">Where tests end the daemon.</param>
/// <param name="Time">The clock.</param>
/// <param name="Log">Where the daemon logs.</param>
internal sealed record DaemonOutside(
    HostPaths Paths,
    ModuleLoader Loader,
    ServiceNotifier Notifier,
    FailPoint FailPoint,
    TimeProvider Time,
    ILogger<AgentLoop> Log);
