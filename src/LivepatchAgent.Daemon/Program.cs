using System.Net.Sockets;
using System.Runtime.InteropServices;
using LivepatchAgent.Core.Agent;
using LivepatchAgent.Core.Modules;
using LivepatchAgent.Daemon;
using LivepatchAgent.Daemon.Host;
using LivepatchAgent.Daemon.Kernel;
using LivepatchAgent.Daemon.LocalApi;
using LivepatchAgent.Daemon.Loop;
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
using Serilog.Extensions.Logging;

switch (args)
{
    case []:
        break;
    case ["--version"]:
        Console.WriteLine(AgentVersion.Text);
        return 0;
    case ["--help"]:
        Console.WriteLine("""
            usage: livepatch-agentd [--help | --version]
            Keeps this host's kernel patched, as root. systemd starts it: livepatch-agentd.service.
            It is steered by livepatch-agent; its settings are in /etc/livepatch-agent/agent.conf.
            """);
        return 0;
    default:
        var given = PrintableText.Of(string.Join(' ', args));
        Console.Error.WriteLine(
            $"cannot understand \"{given}\": the daemon takes no arguments; "
            + "settings are in /etc/livepatch-agent/agent.conf, see livepatch-agentd --help");
        return 64;
}

SystemTrust.LeaveUnread(); // a server without a pin is judged by SystemAuthorities

// A root other than / is for tests.
var paths = new HostPaths(Environment.GetEnvironmentVariable("LIVEPATCH_AGENTD_ROOT") ?? "/");
var level = new LoggingLevelSwitch();
using var serilog = new LoggerConfiguration()
    .MinimumLevel.ControlledBy(level)
    .MinimumLevel.Override("Microsoft", LogEventLevel.Warning)
    .WriteTo.Sink(new JournalSink())
    .CreateLogger();

// Before anything of another daemon is touched: its journal, its socket.
using var mine = FolderLock.Take(paths.StateFolder);
if (mine is null)
{
    const string text = "Cannot start: another livepatch-agentd has {Folder}; "
        + "`systemctl status livepatch-agentd` shows it, only one may run";
    serilog.Error(text, paths.StateFolder);
    return 1;
}

using var logs = new SerilogLoggerFactory(serilog);
var log = logs.CreateLogger<AgentLoop>();
var systemd = new SystemdNotifier();
var watchdog = Environment.GetEnvironmentVariable("WATCHDOG_USEC");
using var parts = new DaemonParts(new DaemonOutside(
    paths,
    new ModuleLoader(),
    new ServiceNotifier(systemd, watchdog, TimeProvider.System),
    FailPoint.OfEnvironment(),
    TimeProvider.System,
    log));
var (settings, inbox) = (parts.Settings, parts.Inbox);
level.MinimumLevel = Level(settings.Current);

var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true });
builder.Services.AddSystemd();
builder.Services.AddSingleton<ISystemdNotifier>(systemd);
// Within the unit's TimeoutStopSec=20: a step that cannot be broken off may take seconds, as may the last save on a
// busy disk.
builder.Services.Configure<HostOptions>(o => o.ShutdownTimeout = TimeSpan.FromSeconds(10));
builder.Logging.AddSerilog(serilog);
builder.Services.AddSingleton<IHostedService>(
    s => new OnDemandServer(paths, parts.Routes, s, s.GetRequiredService<ILogger<OnDemandServer>>()));
builder.Services.AddSingleton<IHostedService>(parts.Loop);

using var host = builder.Build();
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
if (!new KernelLog(paths.KernelLog, inbox.Nudge).Start())
    log.LogWarning("Cannot read {KernelLog}: the end of a transition is noticed only by polling", paths.KernelLog);
new NetworkWatch(inbox).Start();
var services = host.Services.GetServices<IHostedService>().ToArray();
try
{
    await host.RunAsync();
}
catch (Exception e) when (e is IOException or UnauthorizedAccessException or SocketException)
{
    const string text = "Cannot serve {Socket}: {Why}; it is for root, look at the folder's owner and mode";
    serilog.Error(text, paths.Socket, e.Message.TrimEnd('.'));
    return 1;
}

return ExitStatus.Of(services);

static LogEventLevel Level(AgentSettings settings) => settings.LogLevel switch
{
    "debug" => LogEventLevel.Debug,
    "warning" => LogEventLevel.Warning,
    "error" => LogEventLevel.Error,
    _ => LogEventLevel.Information,
};
