using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;

namespace LivepatchAgent.Daemon.Tests.Surroundings;

/// <summary>The program itself, as a process on a fake root.</summary>
internal sealed partial class DaemonProcess : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);
    private readonly Process _process;
    private readonly StringBuilder _told = new();

    private DaemonProcess(Process process) => _process = process;

    public static DaemonProcess Start(HostUnderTest host, params string[] arguments) =>
        Start(host, new Dictionary<string, string>(), arguments);

    /// <param name="host">Its root.</param>
    /// <param name="variables">Of its environment.</param>
    /// <param name="arguments">Of its command line.</param>
    public static DaemonProcess Start(
        HostUnderTest host, IReadOnlyDictionary<string, string> variables, params string[] arguments)
    {
        var program = Path.Combine(AppContext.BaseDirectory, "livepatch-agentd");
        var start = new ProcessStartInfo(program, arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["LIVEPATCH_AGENTD_ROOT"] = host.Path("");
        string[] ofSystemd = ["JOURNAL_STREAM", "NOTIFY_SOCKET", "WATCHDOG_USEC"];
        foreach (var variable in ofSystemd) start.Environment.Remove(variable);
        foreach (var (name, value) in variables) start.Environment[name] = value;
        return new DaemonProcess(Process.Start(start)!);
    }

    /// <summary>One that listens on its socket and has made its first turn.</summary>
    public static async Task<DaemonProcess> RunningAsync(HostUnderTest host)
    {
        var daemon = Start(host);
        await daemon.SaysAsync("The history has ");
        while (!File.Exists(host.Paths.StatusFile)) await Task.Delay(5, HostUnderTest.Ct);
        return daemon;
    }

    /// <summary>Waits for a line of its log.</summary>
    public async Task SaysAsync(string words)
    {
        using var patience = new CancellationTokenSource(Patience);
        while (await _process.StandardError.ReadLineAsync(patience.Token) is { } line)
        {
            _told.AppendLine(line);
            if (line.Contains(words, StringComparison.Ordinal)) return;
        }

        Assert.Fail($"it ended without a word of \"{words}\": {_told}");
    }

    /// <summary>Its end, of its own accord: exit status, output and log.</summary>
    public async Task<(int Status, string Out, string Error)> EndAsync()
    {
        using var patience = new CancellationTokenSource(Patience);
        var output = _process.StandardOutput.ReadToEndAsync(patience.Token);
        var error = await _process.StandardError.ReadToEndAsync(patience.Token);
        await _process.WaitForExitAsync(patience.Token);
        return (_process.ExitCode, await output, _told + error);
    }

    /// <summary>As systemd does it.</summary>
    public Task<(int Status, string Out, string Error)> TerminateAsync()
    {
        Assert.Equal(0, Kill(_process.Id, 15));
        return EndAsync();
    }

    public async Task KillAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync(HostUnderTest.Ct);
    }

    public void Dispose()
    {
        if (!_process.HasExited) _process.Kill();
        _process.Dispose();
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int pid, int signal);
}
