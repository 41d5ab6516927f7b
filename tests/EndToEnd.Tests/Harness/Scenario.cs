namespace LivepatchAgent.EndToEnd.Tests.Harness;

/// <summary>
/// One test's hosts and servers, ended whatever happens. It is run once more when a guest's console shows the
/// emulator's own fault (an `int3` oops while kernel text is rewritten with two CPUs, tests/lab/patches/README.md), and
/// for no other reason.
/// </summary>
internal sealed class Scenario : IAsyncDisposable
{
    private readonly List<IAsyncDisposable> _owned = [];

    private Scenario()
    {
    }

    public static async Task RunAsync(Func<Scenario, Task> play)
    {
        for (var attempt = 1; ; attempt++)
        {
            await using var scenario = new Scenario();
            try
            {
                await play(scenario);
                return;
            }
            catch (Exception e) when (attempt == 1 && e is not OperationCanceledException)
            {
                if (!await scenario.EmulatorFaultAsync()) throw;
                Say("the guest's console shows the emulator's int3 fault; this test is run once more");
                Console.WriteLine($"once more: {TestContext.Current.TestMethod?.MethodName}"); // tests/run counts these
            }
        }
    }

    public async Task<LabHost> HostAsync(HostKind kind, params string[] options)
    {
        var host = await LabHost.UpAsync(kind, kind.SecureBoot ? Workshop.PublisherCertificate : null, options);
        _owned.Add(host);
        return host;
    }

    public async Task<PatchServer> ServerAsync()
    {
        var server = await PatchServer.StartAsync();
        _owned.Add(server);
        return server;
    }

    /// <summary>A server, and before it somebody who has stolen its keys.</summary>
    public async Task<(PatchServer Behind, HostileServer Front)> StolenServerAsync()
    {
        PatchServer? server = null;
        var front = new HostileServer(() => server!.Port);
        _owned.Add(front);
        server = await PatchServer.StartAsync(front.Port);
        _owned.Add(server);
        front.Certificate = server.StolenKey("tls");
        return (server, front);
    }

    /// <summary>For the reader of the test's output.</summary>
    public static void Say(string text)
    {
        TestContext.Current.TestOutputHelper?.WriteLine(text);
        TestContext.Current.SendDiagnosticMessage("{0}", text);
    }

    public async ValueTask DisposeAsync()
    {
        for (var i = _owned.Count - 1; i >= 0; i--) await _owned[i].DisposeAsync();
    }

    private async Task<bool> EmulatorFaultAsync()
    {
        foreach (var host in _owned.OfType<LabHost>())
        {
            if (ShowsEmulatorFault(await host.ConsoleAsync())) return true;
        }

        return false;
    }

    private static bool ShowsEmulatorFault(string console)
    {
        bool Has(string words) => console.Contains(words, StringComparison.Ordinal);
        return Has("Oops: int3") || (Has("Oops") && Has("do_sync_core"));
    }
}
