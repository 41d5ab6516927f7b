using System.Collections.Concurrent;
using System.Globalization;
using System.Text.Json;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.EndToEnd.Tests.Harness;

/// <summary>A host of the lab (tests/lab/README.md) that is up until it is disposed of, or this process ends.</summary>
internal sealed class LabHost : IAsyncDisposable
{
    private const string Agent = "livepatch-agent";
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(0.5);
    private static readonly TimeSpan AskedAgain = TimeSpan.FromSeconds(3);

    private readonly string _name;
    private readonly ConcurrentBag<ExecLines> _started = [];
    private readonly ConcurrentBag<ExecLines> _idle = [];
    private StatusWatch? _watch;
    private bool _down;

    private LabHost(string name) => _name = name;

    public static async Task<LabHost> UpAsync(HostKind kind, string? mok, params string[] options)
    {
        var host = new LabHost($"e2e-{Environment.ProcessId}-{Guid.NewGuid().ToString("N")[..6]}");
        var owner = Environment.ProcessId.ToString(CultureInfo.InvariantCulture);
        List<string> words =
        [
            "up", "--name", host._name, "--owner-pid", owner,
            "--kernel", kind.Kernel, "--cpus", $"{kind.Cpus}", "--lifetime", "1200",
        ];
        if (kind.SecureBoot)
        {
            ArgumentNullException.ThrowIfNull(mok);
            words.AddRange(["--secure-boot", "--mok", mok]);
        }

        words.AddRange(options);
        (await Command.RunAsync(Checkout.Lab, words, atMost: TimeSpan.FromMinutes(8))).Good();
        return host;
    }

    /// <summary>A shell script in the host, whatever its status.</summary>
    public Task<Ran> TryAsync(string script, string? input = null, int seconds = 120) =>
        RunAsync(["sh", "-c", script], input, seconds);

    private async Task<Ran> RunAsync(string[] words, string? input = null, int seconds = 120)
    {
        if (!_idle.TryTake(out var lines))
        {
            lines = new ExecLines(_name);
            _started.Add(lines);
        }

        var ran = await lines.RunAsync(words, input, seconds);
        _idle.Add(lines);
        return ran;
    }

    /// <summary>Its standard output; its status must be 0.</summary>
    public async Task<string> DoAsync(string script, string? input = null, int seconds = 120) =>
        (await TryAsync(script, input, seconds)).Good();

    /// <summary>Waits until a condition of the host's shell holds: so many tries, 0.3 s apart.</summary>
    public Task UntilHoldsAsync(string condition, int tries) =>
        DoAsync($"for i in $(seq {tries}); do {condition} && exit; sleep 0.3; done; exit 1");

    /// <summary>Waits until the module is out of the kernel.</summary>
    public Task UntilUnloadedAsync(string module) => UntilHoldsAsync($"[ ! -e /sys/module/{module} ]", tries: 40);

    public async Task PutAsync(string local, string remote) => (await LabAsync("put", _name, local, remote)).Good();

    /// <summary>A power cut, then a real boot of what the disk had.</summary>
    public async Task CutPowerAsync() => (await LabAsync("reset", _name)).Good();

    public async Task RebootAsync() => (await LabAsync("reboot", _name)).Good();

    public async Task<string> ConsoleAsync() => (await LabAsync("console", _name)).Out;

    public Task<Ran> EnableAsync(string token, string options = "", int seconds = 150) =>
        TryAsync($"{Agent} enable - {options}", token, seconds);

    public Task<Ran> RefreshAsync(params string[] options) => RunAsync([Agent, "refresh", .. options]);

    public Task<Ran> StatusTextAsync() => RunAsync([Agent, "status"]);

    /// <summary>The kernel runs a patch of /proc/cmdline.</summary>
    public async Task CmdlineIsPatchedAsync() =>
        Assert.Contains("this has been live patched", await DoAsync("cat /proc/cmdline"), StringComparison.Ordinal);

    /// <summary>The history's chain is proven, to its end.</summary>
    public async Task HistoryIsWholeAsync()
    {
        var verified = await TryAsync($"LANG=C.UTF-8 {Agent} history --verify");
        Assert.StartsWith("✓ whole: ", verified.Good(), StringComparison.Ordinal);
    }

    /// <summary>Options of curl, for a call to the daemon.</summary>
    public const string OnSocket = "--unix-socket /run/livepatch-agent/agent.sock";

    public Task<string> MetricsAsync() => DoAsync($"curl -s {OnSocket} http://localhost/metrics");

    /// <summary>The text of status, of a host whose kernel must still run a patch of /proc/cmdline.</summary>
    public async Task<Ran> StatusTextOfPatchedAsync()
    {
        var ran = await TryAsync(
            $"""
            grep -q 'live patched' /proc/cmdline || echo gone
            read enabled </sys/kernel/livepatch/livepatch_cmdline/enabled
            echo enabled=$enabled
            exec {Agent} status
            """);
        Assert.StartsWith("enabled=1\n", ran.Out, StringComparison.Ordinal);
        return ran;
    }

    /// <summary>What the daemon says; null while it is away.</summary>
    public async Task<AgentStatus?> StatusAsync()
    {
        var ran = await RunAsync([Agent, "status", "--format", "json"]);
        if (ran.Status == 4) return null;
        return JsonSerializer.Deserialize(ran.Out, WireJson.Default.AgentStatus)
            ?? throw new InvalidOperationException($"{ran}");
    }

    /// <summary>The first status that is as it should be; a failure shows the last one and the journal.</summary>
    public async Task<AgentStatus> UntilAsync(string what, Func<AgentStatus, bool> asItShould, int seconds = 60)
    {
        var end = DateTime.UtcNow.AddSeconds(seconds);
        var (last, asked) = (await StatusAsync(), DateTime.UtcNow);
        while (last is null || !asItShould(last))
        {
            if (DateTime.UtcNow > end)
            {
                var status = last is null
                    ? "the daemon is away"
                    : JsonSerializer.Serialize(last, WireJson.Readable.AgentStatus);
                Assert.Fail($"{what}: not within {seconds} s. Status: {status}\n{await JournalAsync()}");
            }

            if (_watch is null or { HasEnded: true })
            {
                _watch?.Dispose();
                _watch = new StatusWatch(_name);
            }

            // What is waited for may be no news of the daemon's.
            if (await _watch.AboveAsync(last?.Revision ?? 0, Pause) is { } news) last = news;
            else if (DateTime.UtcNow > asked + AskedAgain) (last, asked) = (await StatusAsync(), DateTime.UtcNow);
        }

        return last;
    }

    public Task<AgentStatus> UntilAppliedAsync(string version, int seconds = 60) => UntilAsync(
        $"patch {version} applied",
        s => s is { State: PatchState.Applied, Settled: true } && s.Patch?.Version == version,
        seconds);

    /// <summary>
    /// systemctl stop, which must take less than 2 s whatever the daemon does at the time. Beside other hosts on this
    /// machine it may take as long again.
    /// </summary>
    public async Task StopsAtOnceAsync(string when, bool alone = false)
    {
        var milliseconds = await DoAsync(
            "a=$(date +%s%N); systemctl stop livepatch-agentd; b=$(date +%s%N); echo $(( (b - a) / 1000000 ))");
        var took = double.Parse(milliseconds, CultureInfo.InvariantCulture);
        Scenario.Say($"stopped in {took:F0} ms, {when}");
        Assert.InRange(took, 0, alone ? 2000 : 4000);
        Assert.Equal("Result=success", await DoAsync("systemctl show -p Result livepatch-agentd"));
    }

    /// <summary>
    /// journalctl of this boot: a resumed host has another machine id than the folder of its journal.
    /// </summary>
    public const string Journal = "journalctl --no-pager --boot";

    public async Task<string> JournalAsync()
    {
        const string unit = "_SYSTEMD_UNIT=livepatch-agentd.service";
        return (await TryAsync($"{Journal} -o short-monotonic {unit}; dmesg | tail -n 25")).Out;
    }

    /// <summary>What a unit's limits forbade (1326 is the audit record of seccomp), and who crashed.</summary>
    public async Task<string> ComplaintsAsync()
    {
        const string complaints = "type=1326|EPERM|Operation not permitted|dumped core";
        return (await TryAsync($"{Journal} | grep -E '{complaints}'")).Out;
    }

    private static Task<Ran> LabAsync(params string[] words) =>
        Command.RunAsync(Checkout.Lab, words, atMost: TimeSpan.FromMinutes(8));

    public async ValueTask DisposeAsync()
    {
        if (_down) return;
        _down = true;
        foreach (var lines in _started) lines.Dispose();
        _watch?.Dispose();
        await LabAsync("down", _name);
    }
}
