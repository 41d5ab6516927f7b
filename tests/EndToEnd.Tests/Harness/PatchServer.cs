using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;

namespace LivepatchAgent.EndToEnd.Tests.Harness;

/// <summary>The published livepatch-server on a loopback port, which hosts reach as 10.0.2.2.</summary>
internal sealed class PatchServer : IAsyncDisposable
{
    private readonly int _port;
    private readonly int _shownPort;
    private Process? _process;

    private PatchServer(int port, int shownPort) => (_port, _shownPort) = (port, shownPort);

    public int Port => _port;

    public string Data { get; } = Directory.CreateTempSubdirectory("livepatch-e2e-server-").FullName;

    /// <param name="shownPort">The port in the URL that hosts get, where it is not the server's own.</param>
    public static async Task<PatchServer> StartAsync(int? shownPort = null)
    {
        var port = FreePort();
        var server = new PatchServer(port, shownPort ?? port);
        await server.ResumeAsync();
        return server;
    }

    public async Task ResumeAsync()
    {
        string[] words =
        [
            "serve", "--data", Data, "--listen", $"127.0.0.1:{_port}", "--url", $"https://10.0.2.2:{_shownPort}",
            "--publisher-cert", Workshop.PublisherCertificate,
        ];
        _process = Command.Start(Checkout.Server, words);
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

    public Task<string> TokenAsync(string options = "--uses 0") =>
        ToolAsync(["token", "create", .. options.Split(' ')]);

    public Task<string> MachinesAsync() => ToolAsync(["machines"]);

    /// <summary>Uploads the module and the manifest beside it.</summary>
    public async Task PublishAsync(Patch patch) =>
        (await PublisherAsync("publish", patch.Module, patch.Manifest)).Good();

    /// <summary>The publisher's tool, with this server in its options.</summary>
    public async Task<Ran> PublisherAsync(params string[] words)
    {
        string[] server = ["--server", $"https://127.0.0.1:{_port}", "--server-pin", await PinAsync()];
        return await Command.RunAsync(Checkout.Publisher, [.. words, .. server]);
    }

    public Task<string> PinAsync() => ToolAsync(["pin"]);

    public async Task PublishAsync(params Patch[] patches)
    {
        foreach (var patch in patches) await PublishAsync(patch);
    }

    /// <summary>The stored file of the module, for a test that plays a burglar.</summary>
    public string Blob(Patch patch) => Path.Combine(Data, "blobs/modules", Workshop.Sha256(patch.Module));

    /// <summary>One of the server's own keys with its certificate, as a burglar gets them.</summary>
    public X509Certificate2 StolenKey(string name)
    {
        var pem = File.ReadAllText(Path.Combine(Data, "keys", name + ".key"));
        // SslStream wants a key that is not only in this object.
        using var both = X509Certificate2.CreateFromPem(pem, pem);
        return X509CertificateLoader.LoadPkcs12(both.Export(X509ContentType.Pfx), null);
    }

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
