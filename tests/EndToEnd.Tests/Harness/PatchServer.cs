using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace LivepatchAgent.EndToEnd.Tests.Harness;

/// <summary>The published livepatch-server on a loopback port, which hosts reach as 10.0.2.2.</summary>
internal sealed class PatchServer : IAsyncDisposable
{
    private readonly int _port;
    private Process? _process;

    private PatchServer(int port) => _port = port;

    public string Data { get; } = Directory.CreateTempSubdirectory("livepatch-e2e-server-").FullName;

    public static async Task<PatchServer> StartAsync()
    {
        var server = new PatchServer(FreePort());
        await server.ResumeAsync();
        return server;
    }

    public async Task ResumeAsync()
    {
        _process = Process.Start(Command.Starting(Checkout.Server, ["serve", "--data", Data, "--listen", $"127.0.0.1:{_port}", "--url", $"https://10.0.2.2:{_port}", "--publisher-cert", Workshop.PublisherCertificate]))!;
        var ready = await _process.StandardOutput.ReadLineAsync();
        Assert.True(ready?.Contains("is ready", StringComparison.Ordinal), $"the server said: {ready}");
        // Its log would fill the pipe.
        _ = _process.StandardOutput.ReadToEndAsync();
        _ = _process.StandardError.ReadToEndAsync();
    }

    public async Task StopAsync()
    {
        if (_process is null) return;
        _process.Kill();
        await _process.WaitForExitAsync();
        _process.Dispose();
        _process = null;
    }

    public Task<string> TokenAsync(string options = "--uses 0") => ToolAsync(["token", "create", .. options.Split(' ')]);

    public Task<string> MachinesAsync() => ToolAsync(["machines"]);

    /// <summary>Uploads the module and the manifest beside it.</summary>
    public async Task PublishAsync(Patch patch) => (await Command.RunAsync(
        Checkout.Publisher, ["publish", patch.Module, patch.Manifest, "--server", $"https://127.0.0.1:{_port}", "--server-pin", await ToolAsync(["pin"])])).Good();

    public async Task PublishAsync(params Patch[] patches)
    {
        foreach (var patch in patches) await PublishAsync(patch);
    }

    /// <summary>The stored file of the module, for a test that plays a burglar.</summary>
    public string Blob(Patch patch) => Path.Combine(Data, "blobs/modules", Workshop.Sha256(patch.Module));

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        Directory.Delete(Data, recursive: true);
    }

    private async Task<string> ToolAsync(IEnumerable<string> words)
    {
        string[] all = [.. words, "--data", Data];
        return (await Command.RunAsync(Checkout.Server, all)).Good();
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
