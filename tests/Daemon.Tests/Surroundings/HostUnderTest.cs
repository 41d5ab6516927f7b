using System.Diagnostics;
using System.Text.Json;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Agent;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Daemon.Host;
using LivepatchAgent.Daemon.Kernel;
using LivepatchAgent.Daemon.LocalApi;
using LivepatchAgent.Daemon.Loop;
using LivepatchAgent.Daemon.PatchServer;
using LivepatchAgent.Daemon.Store;
using LivepatchAgent.Daemon.Systemd;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting.Systemd;
using Microsoft.Extensions.Logging;

namespace LivepatchAgent.Daemon.Tests.Surroundings;

/// <summary>As kill -9 would: whatever the daemon was at ends here.</summary>
internal sealed class Killed : OperationCanceledException;

/// <summary>
/// A whole daemon on a fake root, beside a patch server on loopback. The clock moves only when everybody waits.
/// </summary>
internal sealed class HostUnderTest : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);
    private readonly FakeRoot _root = new();
    private readonly ServiceProvider _services = new ServiceCollection().AddLogging().BuildServiceProvider();
    private DaemonParts? _parts;
    private OnDemandServer? _socket;
    private bool _isBuried;

    public HostUnderTest()
    {
        Write("proc/sys/kernel/random/boot_id", "boot-1\n");
        Write("proc/sys/kernel/osrelease", Workshop.Release + "\n");
        Write("proc/sys/kernel/hostname", "host-1\n");
        Write("proc/sys/kernel/tainted", "0\n");
        Write("proc/cmdline", "BOOT_IMAGE=/vmlinuz quiet\n");
        Write("sys/kernel/security/lockdown", "none [integrity] confidentiality\n");
        Write("etc/os-release", "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n");
        Write("etc/group", "root:x:0:\nlivepatch:x:4711:\n");
        Directory.CreateDirectory(Path("sys/kernel/livepatch"));
        Directory.CreateDirectory(Path("sys/module"));
        Directory.CreateDirectory(Path("var/lib"));
        Directory.CreateDirectory(Path("run"));
        Kernel = new FakeKernel(_root.Folder) { Said = () => Inbox?.Nudge() };
        Server = new TestServer(Time).Start();
    }

    public static CancellationToken Ct => Deadline.Token;

    public ManualTime Time { get; } = new();

    public HostPaths Paths => _root.Paths;

    public FakeKernel Kernel { get; }

    public TestServer Server { get; }

    public Logs<AgentLoop> Log { get; } = new();

    public Inbox? Inbox => _parts?.Inbox;

    public StatusBoard Board => _parts!.Board;

    public LiveSettings Settings => _parts!.Settings;

    public PreflightRunner Preflight => _parts!.Preflight;

    public string Path(string path) => _root.Path(path);

    public string Journal => Path("var/lib/livepatch-agent/journal.json");

    public AgentState State => StateJson.Read(File.ReadAllBytes(Journal), Journal).Value;

    public void Write(string path, string text) => _root.Write(path, text);

    public static async Task<HostUnderTest> StartedAsync() => await new HostUnderTest().StartAsync();

    /// <summary>Enrolled and at rest, and running the patch if one is given.</summary>
    public static async Task<HostUnderTest> EnrolledAsync(Published? patch = null)
    {
        var host = await StartedAsync();
        host.Server.Publish(patch);
        await host.EnableAsync();
        await host.SettledAsync(patch is null ? PatchState.NothingToApply : PatchState.Applied);
        await host.HappensAsync(
            "held", () => host.Server.Count(TestServer.CheckIns, held: true) > 0, timePasses: false);
        return host;
    }

    public async Task<HostUnderTest> StartAsync(string? failPoint = null)
    {
        var notifier = new ServiceNotifier(new SystemdNotifier(), null, Time);
        var end = new FailPoint(failPoint, () => throw new Killed());
        _parts = new DaemonParts(new DaemonOutside(Paths, Kernel, notifier, end, Time, Log));
        await _parts.Loop.StartAsync(Ct);
        _isBuried = false;
        return this;
    }

    public async Task StartSocketAsync()
    {
        var log = _services.GetRequiredService<ILogger<OnDemandServer>>();
        _socket = new OnDemandServer(Paths, _parts!.Routes, _services, log);
        await _socket.StartAsync(Ct);
    }

    public bool SocketIsAwake => _socket!.IsAwake;

    public async Task StopSocketAsync()
    {
        if (_socket is not null) await _socket.StopAsync(CancellationToken.None);
        _socket = null;
    }

    public async Task StopAsync()
    {
        if (_parts is null || _isBuried) return;
        await _parts.Loop.StopAsync(CancellationToken.None);
        Buried();
    }

    /// <summary>Waits until the daemon has died where the fail point said.</summary>
    public async Task DeadAsync()
    {
        var watch = Stopwatch.StartNew();
        while (!_parts!.Loop.ExecuteTask!.IsCompleted)
        {
            if (watch.Elapsed > Patience) throw new TimeoutException("it did not die: " + Story());
            await Task.Delay(5, Ct);
            SkipAhead();
        }

        Assert.True(_parts.Loop.ExecuteTask.IsCanceled);
        Buried();
    }

    public async Task RebootAsync(bool cleanly)
    {
        if (cleanly) await StopAsync();
        Kernel.Reboot();
        Write("proc/sys/kernel/random/boot_id", $"boot-{Guid.NewGuid()}\n");
        await StartAsync();
    }

    public Task<Result<long>> SendAsync(Command command) => Inbox!.SendAsync(command).WaitAsync(Patience, Ct);

    public async Task<long> EnableAsync(TokenContent? token = null) =>
        (await SendAsync(
            new Command.Enable(
                new EnrolmentIntent(
                    Guid.NewGuid().ToString("N"),
                    EnrolmentToken.Read(EnrolmentToken.Write(token ?? Server.Token)).Value,
                    new string('A', 43))))).Value;

    public async Task RefreshAsync() => Assert.Null((await SendAsync(new Command.Refresh())).Problem);

    /// <summary>The first status that is as wanted. Time passes as long as nothing else happens.</summary>
    public async Task<AgentStatus> UntilAsync(string what, Func<AgentStatus, bool> wanted, bool timePasses = true)
    {
        var watch = Stopwatch.StartNew();
        while (true)
        {
            var status = Board.Current;
            if (wanted(status)) return status;
            if (watch.Elapsed > Patience) throw new TimeoutException($"never {what}: {Story()}");
            var newer = await Board.NewerThanAsync(status.Revision, TimeSpan.FromMilliseconds(5), Ct);
            if (newer.Revision == status.Revision && timePasses) SkipAhead();
        }
    }

    public Task<AgentStatus> SettledAsync(PatchState state) =>
        UntilAsync($"settled {state}", s => s.Settled && s.State == state && Inbox!.IsAwaited);

    /// <summary>
    /// Until the server has been asked so often, or whatever else is to happen outside of the status.
    /// </summary>
    public async Task HappensAsync(string what, Func<bool> happened, bool timePasses = true)
    {
        var watch = Stopwatch.StartNew();
        while (!happened())
        {
            if (watch.Elapsed > Patience) throw new TimeoutException($"never {what}: {Story()}");
            await Task.Delay(3, Ct);
            if (timePasses) SkipAhead();
        }
    }

    /// <summary>The problem as people get it: in one line, with its cure.</summary>
    public static void AssertProblem(Problem? problem, ProblemCode code, string? naming = null)
    {
        Assert.NotNull(problem);
        Assert.Equal(code, problem.Code);
        Assert.NotEmpty(problem.Cure);
        Assert.DoesNotContain(problem.ToString(), char.IsControl);
        Assert.StartsWith("cannot ", problem.Message, StringComparison.Ordinal);
        Assert.InRange(problem.ToString().Length, 1, 700);
        if (naming is not null) Assert.Contains(naming, problem.Message, StringComparison.Ordinal);
    }

    public async ValueTask DisposeAsync()
    {
        await StopSocketAsync();
        await StopAsync();
        await Server.DisposeAsync();
        await _services.DisposeAsync();
        _root.Dispose();
    }

    private void SkipAhead()
    {
        if (Server.Busy > 0 || Time.ToNextTimer is not { } next) return;
        // While an effect is under way only its short pauses pass, not its patience.
        if (Inbox!.IsAwaited || next < TimeSpan.FromSeconds(5)) Time.Advance(next);
    }

    private void Buried()
    {
        _parts!.Dispose();
        _isBuried = true;
    }

    private string Story() =>
        JsonSerializer.Serialize(Board.Current, WireJson.Readable.AgentStatus) + "\n" + string.Join(
            "\n", Log.Lines.Select(l => $"{l.Level}: {l.Line}"));
}
