using System.Diagnostics;
using System.Net.Http;
using System.Text.RegularExpressions;

namespace LivepatchAgent.Daemon.Tests.Surroundings;

/// <summary>
/// Debian's prometheus-node-exporter with its textfile collector alone, on loopback. Its first use unpacks it into the
/// lab's cache.
/// </summary>
internal sealed partial class NodeExporter : IAsyncDisposable
{
    private const string Package = "prometheus-node-exporter";
    private readonly HttpClient _client = new();
    private readonly Process _process;

    private NodeExporter(Process process) => _process = process;

    public static async Task<NodeExporter> StartAsync(string folder)
    {
        string[] options =
        [
            "--web.listen-address=127.0.0.1:0", "--collector.disable-defaults", "--collector.textfile",
            $"--collector.textfile.directory={folder}",
        ];
        var start = new ProcessStartInfo(await ProgramAsync(), options) { RedirectStandardError = true };
        var exporter = new NodeExporter(Process.Start(start)!);
        while (await exporter._process.StandardError.ReadLineAsync(HostUnderTest.Ct) is { } line)
        {
            if (Listening().Match(line) is not { Success: true } said) continue;
            exporter._client.BaseAddress = new Uri($"http://{said.Groups[1].Value}/");
            _ = exporter._process.StandardError.ReadToEndAsync();
            return exporter;
        }

        throw new InvalidOperationException($"{Package} ended without listening");
    }

    public Task<string> ScrapeAsync() => _client.GetStringAsync("metrics", HostUnderTest.Ct);

    public async ValueTask DisposeAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync();
        _process.Dispose();
        _client.Dispose();
    }

    private static async Task<string> ProgramAsync()
    {
        var home = Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);
        var cache = Environment.GetEnvironmentVariable("LIVEPATCH_LAB_CACHE")
            ?? Path.Combine(home, ".cache/livepatch-agent-lab");
        var program = Path.Combine(cache, Package);
        if (File.Exists(program)) return program;
        var folder = Directory.CreateTempSubdirectory($"{Package}-");
        await Tool.RunAsync("bash", "-euc", $"cd '{folder}' && apt-get -q download {Package} && dpkg-deb -x *.deb .");
        Directory.CreateDirectory(cache);
        var beside = $"{program}.{Environment.ProcessId}";
        File.Copy(Path.Combine(folder.FullName, "usr/bin", Package), beside, overwrite: true);
        File.Move(beside, program, overwrite: true);
        folder.Delete(recursive: true);
        return program;
    }

    [GeneratedRegex("msg=\"Listening on\" address=(\\S+)")]
    private static partial Regex Listening();
}

/// <summary>A program of the system's.</summary>
internal static class Tool
{
    public static async Task RunAsync(string program, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            RedirectStandardError = true,
            RedirectStandardOutput = true,
        };
        using var process = Process.Start(start)!;
        var said = process.StandardOutput.ReadToEndAsync(HostUnderTest.Ct);
        var complained = process.StandardError.ReadToEndAsync(HostUnderTest.Ct);
        await process.WaitForExitAsync(HostUnderTest.Ct);
        Assert.True(process.ExitCode == 0, $"{program}: {await said}{await complained}");
    }
}
