using System.Net;
using System.Net.Http;
using System.Security.Cryptography.X509Certificates;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Agent;
using LivepatchAgent.Core.Trust;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Daemon.Loop;
using LivepatchAgent.Daemon.Tests.Surroundings;
using LivepatchAgent.Server.Files;
using LivepatchAgent.Server.Registry;
using LivepatchAgent.Server.Trust;
using RealServer = LivepatchAgent.Server.Host.PatchServer;
using ServeSettings = LivepatchAgent.Server.Host.ServeSettings;

namespace LivepatchAgent.Daemon.Tests;

/// <summary>The daemon and the server that is shipped with it.</summary>
public sealed class RealServerTests
{
    [Fact]
    public async Task EnrolPublishReplaceRestart_AgainstTheRealServer()
    {
        await using var host = await HostUnderTest.StartedAsync();
        var folder = new DataFolder(host.Path("server"));
        var settings = Settings(folder);
        var server = (await RealServer.StartAsync(settings, host.Time, HostUnderTest.Ct)).Value;
        var address = server.Address;
        var token = Token(host, folder, address);
        using var publisher = Client(address, seen => token.Tls.Contains(Certificates.KeyPin(seen)));

        await host.EnableAsync(token);
        await host.SettledAsync(PatchState.NothingToApply);
        await host.HappensAsync("held", () => server.Held.Count == 1, timePasses: false);

        var one = Workshop.Patch(1);
        await PublishAsync(publisher, one);
        await host.UntilAsync("1.0", s => s.Settled && s.Patch?.Version == "1.0", timePasses: false);

        await host.HappensAsync("held again", () => server.Held.Count == 1);
        await server.DisposeAsync();
        await host.HappensAsync("let go", () => host.Inbox!.IsAwaited && !host.Board.Current.CheckIn.Listening);
        await host.UntilAsync("away", s => s.CheckIn.Result == CheckInResult.Failed);
        Assert.Equal(PatchState.Applied, host.Board.Current.State);

        settings = settings with { Listen = new IPEndPoint(IPAddress.Loopback, address.Port) };
        server = (await RealServer.StartAsync(settings, host.Time, HostUnderTest.Ct)).Value;
        await host.UntilAsync("back", s => s.CheckIn.Listening);
        await PublishAsync(publisher, Workshop.Patch(2));
        await host.UntilAsync("2.0", s => s.Settled && s.Patch?.Version == "2.0");
        await host.HappensAsync("alone", () => host.Kernel.Modules.Length == 1);

        Assert.Null((await host.SendAsync(new Command.Disable())).Problem);
        await host.SettledAsync(PatchState.NotEnrolled);
        await host.EnableAsync(token);
        var status = await host.UntilAsync("used up", s => s.Settled && s.Problem is not null);
        HostUnderTest.AssertProblem(status.Problem, ProblemCode.TokenUsedUp);
        Assert.Equal(2, host.Kernel.Loaded.Count);
        await server.DisposeAsync();
    }

    /// <summary>
    /// The three steps of docs/trust.md: a set with both keys, the server with the new one, a set with the new one
    /// alone.
    /// </summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Key_OfTheServer_IsRotatedInThreeSteps(bool catalogue)
    {
        await using var host = await HostUnderTest.StartedAsync();
        using var next = Workshop.Key("CN=next");
        host.Write("next.crt", next.ExportCertificatePem());
        host.Write("next.key", next.GetECDsaPrivateKey()!.ExportPkcs8PrivateKeyPem());
        var pair = new KeyFiles(host.Path("next.crt"), host.Path("next.key"));
        var folder = new DataFolder(host.Path("server"));
        var settings = Settings(folder);
        var server = (await RealServer.StartAsync(settings, host.Time, HostUnderTest.Ct)).Value;
        var address = server.Address;
        var token = Token(host, folder, address);
        using var before = X509CertificateLoader.LoadCertificateFromFile(folder.CatalogueCertificate);
        using var publisher = Client(
            address, seen => token.Tls.Contains(Certificates.KeyPin(seen)) || seen.Equals(next));
        await PublishAsync(publisher, Workshop.Patch(1));
        await host.EnableAsync(token);
        await host.SettledAsync(PatchState.Applied);

        X509Certificate2[] catalogues = catalogue ? [before, next] : [before];
        string[] tls = catalogue ? [.. token.Tls] : [.. token.Tls, Certificates.KeyPin(next)];
        await PinAsync(1, catalogues, tls);
        await server.DisposeAsync();

        settings = settings with { Listen = new IPEndPoint(IPAddress.Loopback, address.Port) };
        settings = catalogue ? settings with { Catalogue = pair } : settings with { Tls = pair };
        server = (await RealServer.StartAsync(settings, host.Time, HostUnderTest.Ct)).Value;
        await PublishAsync(publisher, Workshop.Patch(2));
        await host.UntilAsync("2.0", s => s is { Settled: true, Problem: null, Patch.Version: "2.0" });

        await PinAsync(2, [catalogues[^1]], [tls[^1]]);
        await host.RefreshAsync();
        await host.UntilAsync("well", IsWell);
        var enrolment = host.State.Enrolment!;
        var trusted = Assert.Single(enrolment.CatalogueCertificates);
        Assert.Equal(Convert.ToBase64String(catalogues[^1].RawData), trusted);
        Assert.Equal(tls[^1], Assert.Single(enrolment.TlsPins));
        await server.DisposeAsync();

        async Task PinAsync(long version, X509Certificate2[] catalogueKeys, string[] tlsKeys)
        {
            var set = new PinSet
            {
                Schema = PinSet.SchemaName,
                Version = version,
                Threshold = 1,
                Publishers = [Convert.ToBase64String(Workshop.Publisher.RawData)],
                Catalogue = [.. catalogueKeys.Select(c => Convert.ToBase64String(c.RawData))],
                Tls = tlsKeys,
            };
            var content = new ByteArrayContent(TestPins.Signed(set, Workshop.Publisher));
            using var answer = await publisher.PutAsync($"/v1/pins/{version}", content, HostUnderTest.Ct);
            Assert.Equal(HttpStatusCode.Created, answer.StatusCode);
            await host.HappensAsync(
                $"version {version} is followed", () => host.State.Enrolment?.PinsVersion == version);
        }
    }

    private static bool IsWell(AgentStatus status) => status is
    {
        Settled: true,
        Problem: null,
        State: PatchState.Applied,
        CheckIn: { Result: CheckInResult.Succeeded, Listening: true },
    };

    private static ServeSettings Settings(DataFolder folder) => new()
    {
        Folder = folder,
        Listen = new IPEndPoint(IPAddress.Loopback, 0),
        Publishers = [X509CertificateLoader.LoadCertificate(Workshop.Publisher.RawData)],
    };

    private static TokenContent Token(HostUnderTest host, DataFolder folder, Uri address)
    {
        var now = host.Time.GetUtcNow();
        var asked = new NewToken(folder, address, 1, now.AddDays(1), "test", SystemCa: false);
        return EnrolmentToken.Read(TokenIssuer.Issue(asked, now).Value).Value;
    }

    private static HttpClient Client(Uri address, Func<X509Certificate2, bool> isKnown)
    {
        var handler = new SocketsHttpHandler();
        handler.SslOptions.RemoteCertificateValidationCallback =
            (_, seen, _, _) => seen is X509Certificate2 certificate && isKnown(certificate);
        return new HttpClient(handler) { BaseAddress = address };
    }

    private static async Task PublishAsync(HttpClient publisher, Published patch)
    {
        var (envelope, content) = (new ByteArrayContent(patch.Envelope), new ByteArrayContent(patch.Module));
        using var manifest = await publisher.PutAsync(patch.ManifestPath, envelope, HostUnderTest.Ct);
        using var module = await publisher.PutAsync(patch.ModulePath, content, HostUnderTest.Ct);
        Assert.Equal((HttpStatusCode.Created, HttpStatusCode.Created), (manifest.StatusCode, module.StatusCode));
    }
}
