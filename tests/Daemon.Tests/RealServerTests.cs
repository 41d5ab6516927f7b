using System.Net;
using System.Net.Http;
using System.Security.Cryptography.X509Certificates;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Agent;
using LivepatchAgent.Core.Trust;
using LivepatchAgent.Core.Wire;
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
        var settings = new ServeSettings { Folder = folder, Listen = new IPEndPoint(IPAddress.Loopback, 0), Publishers = [X509CertificateLoader.LoadCertificate(Workshop.Publisher.RawData)] };
        var server = (await RealServer.StartAsync(settings, host.Time, HostUnderTest.Ct)).Value;
        var address = server.Address;
        var token = EnrolmentToken.Read(TokenIssuer.Issue(new NewToken(folder, address, 1, host.Time.GetUtcNow().AddDays(1), "test", SystemCa: false), host.Time.GetUtcNow()).Value).Value;
        using var publisher = new HttpClient(new SocketsHttpHandler { SslOptions = { RemoteCertificateValidationCallback = (_, seen, _, _) => seen is X509Certificate2 certificate && token.Tls.Contains(Certificates.KeyPin(certificate)) } }) { BaseAddress = address };

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

        server = (await RealServer.StartAsync(settings with { Listen = new IPEndPoint(IPAddress.Loopback, address.Port) }, host.Time, HostUnderTest.Ct)).Value;
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

    /// <summary>The three steps of docs/trust.md: a set with both keys, the server with the new one, a set with the new one alone.</summary>
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
        var settings = new ServeSettings { Folder = folder, Listen = new IPEndPoint(IPAddress.Loopback, 0), Publishers = [X509CertificateLoader.LoadCertificate(Workshop.Publisher.RawData)] };
        var server = (await RealServer.StartAsync(settings, host.Time, HostUnderTest.Ct)).Value;
        var address = server.Address;
        var token = EnrolmentToken.Read(TokenIssuer.Issue(new NewToken(folder, address, 1, host.Time.GetUtcNow().AddDays(1), "test", SystemCa: false), host.Time.GetUtcNow()).Value).Value;
        using var before = X509CertificateLoader.LoadCertificateFromFile(folder.CatalogueCertificate);
        using var publisher = new HttpClient(new SocketsHttpHandler { SslOptions = { RemoteCertificateValidationCallback = (_, seen, _, _) => seen is X509Certificate2 c && (token.Tls.Contains(Certificates.KeyPin(c)) || c.Equals(next)) } }) { BaseAddress = address };
        await PublishAsync(publisher, Workshop.Patch(1));
        await host.EnableAsync(token);
        await host.SettledAsync(PatchState.Applied);

        X509Certificate2[] catalogues = catalogue ? [before, next] : [before];
        string[] tls = catalogue ? [.. token.Tls] : [.. token.Tls, Certificates.KeyPin(next)];
        await PinAsync(1, catalogues, tls);
        await server.DisposeAsync();

        settings = settings with { Listen = new IPEndPoint(IPAddress.Loopback, address.Port) };
        server = (await RealServer.StartAsync(catalogue ? settings with { Catalogue = pair } : settings with { Tls = pair }, host.Time, HostUnderTest.Ct)).Value;
        await PublishAsync(publisher, Workshop.Patch(2));
        await host.UntilAsync("2.0", s => s is { Settled: true, Problem: null, Patch.Version: "2.0" });

        await PinAsync(2, [catalogues[^1]], [tls[^1]]);
        await host.RefreshAsync();
        await host.UntilAsync("well", s => s is { Settled: true, Problem: null, State: PatchState.Applied, CheckIn: { Result: CheckInResult.Succeeded, Listening: true } });
        Assert.Equal((Convert.ToBase64String(catalogues[^1].RawData), tls[^1]), (Assert.Single(host.State.Enrolment!.CatalogueCertificates), Assert.Single(host.State.Enrolment.TlsPins)));
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
            using var answer = await publisher.PutAsync($"/v1/pins/{version}", new ByteArrayContent(PinsTests.Signed(set, Workshop.Publisher)), HostUnderTest.Ct);
            Assert.Equal(HttpStatusCode.Created, answer.StatusCode);
            await host.HappensAsync($"version {version} is followed", () => host.State.Enrolment?.PinsVersion == version);
        }
    }

    private static async Task PublishAsync(HttpClient publisher, Published patch)
    {
        using var manifest = await publisher.PutAsync(patch.ManifestPath, new ByteArrayContent(patch.Envelope), HostUnderTest.Ct);
        using var module = await publisher.PutAsync(patch.ModulePath, new ByteArrayContent(patch.Module), HostUnderTest.Ct);
        Assert.Equal((HttpStatusCode.Created, HttpStatusCode.Created), (manifest.StatusCode, module.StatusCode));
    }
}
