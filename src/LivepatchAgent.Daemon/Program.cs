using System.Net.Sockets;
using System.Runtime.InteropServices;
using LivepatchAgent.Core.Agent;
using LivepatchAgent.Core.Modules;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Daemon;
using LivepatchAgent.Daemon.Kernel;
using LivepatchAgent.Daemon.LocalApi;
using LivepatchAgent.Daemon.PatchServer;
using LivepatchAgent.Daemon.Store;
using LivepatchAgent.Daemon.Systemd;
using LivepatchAgent.Shared.Tls;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Hosting.Systemd;
using Microsoft.Extensions.Logging;
using Serilog;
using Serilog.Core;
using Serilog.Events;

switch (args)
{
    case []:
        break;
    case ["--version"]:
        Console.WriteLine(Performer.AgentVersion);
        return 0;
    case ["--help"]:
        Console.WriteLine("""
            usage: livepatch-agentd [--help | --version]
            Keeps this host's kernel patched, as root. systemd starts it: livepatch-agentd.service.
            It is steered by livepatch-agent; its settings are in /etc/livepatch-agent/agent.conf.
            """);
        return 0;
    default:
        Console.Error.WriteLine($"cannot understand \"{PrintableText.Of(string.Join(' ', args))}\": the daemon takes no arguments; settings are in /etc/livepatch-agent/agent.conf, see livepatch-agentd --help");
        return 64;
}

SystemTrust.LeaveUnread(); // a server without a pin is judged by SystemAuthorities

// A root other than / is for tests.
var paths = new HostPaths(Environment.GetEnvironmentVariable("LIVEPATCH_AGENTD_ROOT") ?? "/");
var time = TimeProvider.System;
var settings = new LiveSettings(paths);

var level = new LoggingLevelSwitch(Level(settings.Current));
using var serilog = new LoggerConfiguration()
    .MinimumLevel.ControlledBy(level)
    .MinimumLevel.Override("Microsoft", LogEventLevel.Warning)
    .WriteTo.Sink(new JournalSink())
    .CreateLogger();

// Before anything of another daemon is touched: its journal, its socket.
using var mine = FolderLock.Take(paths.StateFolder);
if (mine is null)
{
    serilog.Error("Cannot start: another livepatch-agentd has {Folder}; `systemctl status livepatch-agentd` shows it, only one may run", paths.StateFolder);
    return 1;
}

var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true });
builder.Services.AddSystemd();
// Within the unit's TimeoutStopSec=20: a step that cannot be broken off may take seconds, as may the last save on a
// busy disk.
builder.Services.Configure<HostOptions>(o => o.ShutdownTimeout = TimeSpan.FromSeconds(10));
builder.Logging.AddSerilog(serilog);

// Never disposed of: kernel log and network may call to the last moment.
var inbox = new Inbox(time);
var listener = new Listener(inbox.Nudge);
var observer = new HostObserver(paths, time);
var store = new StateStore(paths.StateFolder);
var history = new HistoryLog(paths.StateFolder);
using var performer = new Performer(paths, new PatchStore(paths.StateFolder), observer, new ModuleLoader(), listener, settings, time);
var board = new StatusBoard(paths, () =>
{
    var state = new AgentState();
    var nothing = new Step.Believe(state, "");
    return Projection.Status(state, observer.Outline(), nothing, null, Performer.AgentVersion, time.GetUtcNow());
});

builder.Services.AddSingleton<IHostedService>(s => new OnDemandServer(paths, new Routes(paths, board, inbox, history, new PreflightRunner(paths, observer)), s, s.GetRequiredService<ILogger<OnDemandServer>>()));
builder.Services.AddSingleton<IHostedService>(s => new AgentLoop(
    store, history, observer, performer, listener, board, inbox, new ServiceNotifier(s.GetService<ISystemdNotifier>() ?? new SystemdNotifier(), Environment.GetEnvironmentVariable("WATCHDOG_USEC"), time), settings, FailPoint.OfEnvironment(), time, s.GetRequiredService<ILogger<AgentLoop>>()));

using var host = builder.Build();
var log = host.Services.GetRequiredService<ILogger<AgentLoop>>();
if (settings.Problem is { } wrong) log.LogWarning("{Problem}", wrong);
using var reload = PosixSignalRegistration.Create(PosixSignal.SIGHUP, context =>
{
    context.Cancel = true;
    settings.Reload();
    level.MinimumLevel = Level(settings.Current);
    if (settings.Problem is { } problem) log.LogWarning("{Problem}", problem);
    else log.LogInformation("Read {Config} again", paths.Config);
    inbox.Nudge();
});
if (!new KernelLog(paths.KernelLog, inbox.Nudge).Start()) log.LogWarning("Cannot read {KernelLog}: the end of a transition is seen by looking only", paths.KernelLog);
new NetworkWatch(inbox).Start();
var services = host.Services.GetServices<IHostedService>().ToArray();
try
{
    await host.RunAsync();
}
catch (Exception e) when (e is IOException or UnauthorizedAccessException or SocketException)
{
    serilog.Error("Cannot serve {Socket}: {Why}; it is for root, look at the folder's owner and mode", paths.Socket, e.Message.TrimEnd('.'));
    return 1;
}

return Ending.Status(services);

static LogEventLevel Level(AgentSettings settings) => settings.LogLevel switch
{
    "debug" => LogEventLevel.Debug,
    "warning" => LogEventLevel.Warning,
    "error" => LogEventLevel.Error,
    _ => LogEventLevel.Information,
};
