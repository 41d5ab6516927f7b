using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Daemon.Tests.Surroundings;

namespace LivepatchAgent.Daemon.Tests;

/// <summary>What stands between host and server: a proxy that tunnels, and a company's own CA.</summary>
public sealed class ProxyTests
{
    private static readonly Published One = Workshop.Patch(1);

    [Theory]
    [InlineData(null, "")]
    [InlineData("agent:p@ss word", "agent:p%40ss%20word@")]
    public async Task Proxy_OfTheConfiguration_CarriesEveryCall(string? password, string credentials)
    {
        await using var proxy = new ConnectProxy(password);
        await using var host = new HostUnderTest();
        host.Write("etc/livepatch-agent/agent.conf", $"proxy = http://{credentials}127.0.0.1:{proxy.Port}\n");
        await host.StartAsync();
        host.Server.Publish(One);
        await host.EnableAsync();
        await host.SettledAsync(PatchState.Applied);
        var connect = $"CONNECT {new Uri(host.Server.Url).Authority} HTTP/1.1";
        Assert.All(proxy.Asked, asked => Assert.Equal(connect, asked.Line));
        Assert.Contains(proxy.Asked, asked => asked.Status == 200);
        if (password is null) return;
        var lines = host.Log.Lines.Select(l => l.Line).ToArray();
        Assert.DoesNotContain(lines, line => line.Contains("p@ss", StringComparison.Ordinal));
        Assert.DoesNotContain(lines, line => line.Contains("p%40ss", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Proxy_ThatRefusesOrIsAway_IsNamedAndItsPasswordIsNot()
    {
        await using var proxy = new ConnectProxy("agent:right");
        await using var host = await HostUnderTest.EnrolledAsync(One);
        await ConfiguredAsync($"proxy = http://agent:secret@127.0.0.1:{proxy.Port}\n");
        AssertNamed(await FailedAsync(), $"http://127.0.0.1:{proxy.Port} refused (HTTP 407");

        var port = proxy.Port;
        await proxy.DisposeAsync();
        await host.RefreshAsync();
        const string refused = "connection refused";
        var away = await host.UntilAsync(
            "away", s => s.CheckIn.Problem?.Message.Contains(refused, StringComparison.Ordinal) == true);
        AssertNamed(away, $"proxy http://127.0.0.1:{port}: {refused}");

        await ConfiguredAsync("");
        await host.UntilAsync("back", s => s.CheckIn.Result == CheckInResult.Succeeded);

        async Task ConfiguredAsync(string text)
        {
            host.Write("etc/livepatch-agent/agent.conf", text);
            host.Settings.Reload();
            await host.RefreshAsync();
        }

        Task<AgentStatus> FailedAsync() => host.UntilAsync("failed", s => s.CheckIn.Result == CheckInResult.Failed);

        void AssertNamed(AgentStatus status, string naming)
        {
            var message = status.CheckIn.Problem!.Message;
            Assert.True(message.Contains(naming, StringComparison.Ordinal), message);
            HostUnderTest.AssertProblem(status.CheckIn.Problem, ProblemCode.ServerUnreachable);
            Assert.DoesNotContain("secret", status.CheckIn.Problem!.ToString(), StringComparison.Ordinal);
            Assert.Equal(PatchState.Applied, status.State);
        }
    }

    [Fact]
    public async Task ServerOfACompanysCa_IsBelievedByCaFileAlone()
    {
        using var ca = TestAuthority.Make("CN=Company CA");
        await using var host = new HostUnderTest();
        await host.Server.StopAsync();
        host.Server.Certificate = TestAuthority.Issue(ca, "localhost");
        host.Server.Start();
        host.Write("etc/livepatch-agent/ca.pem", ca.ExportCertificatePem());
        var unpinned = host.Server.Token with { Tls = [] };

        await host.StartAsync();
        await host.EnableAsync(unpinned);
        await IsRefusedAsync(host);

        host.Write("etc/livepatch-agent/agent.conf", $"ca-file = {host.Path("etc/livepatch-agent/ca.pem")}\n");
        host.Settings.Reload();
        host.Server.Publish(One);
        await host.EnableAsync(unpinned);
        await host.SettledAsync(PatchState.Applied);

        await host.Server.StopAsync();
        host.Server.Certificate = TestAuthority.Issue(ca, "elsewhere.example");
        host.Server.Start();
        await host.RefreshAsync();
        var status = await host.UntilAsync(
            "another's name", s => s.CheckIn.Problem?.Code == ProblemCode.ServerCertificateMismatch);
        Assert.Equal(CheckInResult.Failed, status.CheckIn.Result);
        Assert.Equal(PatchState.Applied, status.State);
        var message = status.CheckIn.Problem!.Message;
        Assert.Contains("its certificate is for another name", message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(null, "etc/ssl/certs/ca-certificates.crt")]
    [InlineData("SSL_CERT_FILE", "srv/ca.pem")]
    [InlineData("SSL_CERT_DIR", "srv")]
    public async Task ServerOfACaOfTheSystem_IsBelieved_ByWhatItSendsAlone(string? variable, string path)
    {
        using var ca = TestAuthority.Make("CN=System CA");
        using var between = TestAuthority.Issue(ca, "CA between", authority: true);
        await using var host = new HostUnderTest();
        host.Write(path == "srv" ? "srv/ca.pem" : path, ca.ExportCertificatePem());
        await host.Server.StopAsync();
        using var elsewhere = new TcpListener(IPAddress.Loopback, 0);
        elsewhere.Start();
        var moreAt = $"http://127.0.0.1:{((IPEndPoint)elsewhere.LocalEndpoint).Port}/between.cer";
        host.Server.Certificate = TestAuthority.Issue(between, "localhost", moreAt: moreAt);
        host.Server.Start();
        host.Server.Publish(One);
        string[] variables = ["SSL_CERT_FILE", "SSL_CERT_DIR"];
        var before = variables.Select(Environment.GetEnvironmentVariable).ToArray();
        foreach (var one in variables)
            Environment.SetEnvironmentVariable(one, one == variable ? host.Path(path) : null);
        try
        {
            await host.StartAsync();
            await host.EnableAsync(host.Server.Token with { Tls = [] });
            await IsRefusedAsync(host);
            Assert.False(elsewhere.Pending()); // a certificate makes no host call where it says

            host.Server.CertificatesAbove.Add(between);
            await host.EnableAsync(host.Server.Token with { Tls = [] });
            await host.SettledAsync(PatchState.Applied);
        }
        finally
        {
            foreach (var (one, value) in variables.Zip(before)) Environment.SetEnvironmentVariable(one, value);
        }
    }

    [Theory]
    [InlineData(-20, -10, 2, true)]
    [InlineData(10, 20, 40, true)]
    [InlineData(-20, -10, -9, true)]
    [InlineData(-20, -10, 2, false)]
    public async Task ServerOfACa_OutOfTimeByThisHostsClock_IsReportedWithItsDates(
        int from, int to, int caTo, bool known)
    {
        var now = DateTimeOffset.UtcNow;
        using var ca = TestAuthority.Make("CN=Company CA", now.AddDays(-30), now.AddDays(caTo));
        await using var host = new HostUnderTest();
        await host.Server.StopAsync();
        host.Server.Certificate = TestAuthority.Issue(ca, "localhost", now.AddDays(from), now.AddDays(to));
        host.Server.Start();
        host.Write("etc/livepatch-agent/ca.pem", ca.ExportCertificatePem());
        var settings = $"ca-file = {host.Path("etc/livepatch-agent/ca.pem")}\n";
        if (known) host.Write("etc/livepatch-agent/agent.conf", settings);
        await host.StartAsync();
        await host.EnableAsync(host.Server.Token with { Tls = [] });
        var problem = await IsRefusedAsync(host);
        var (first, last) = (host.Server.Certificate.NotBefore, host.Server.Certificate.NotAfter);
        var naming = $"valid from {first.ToUniversalTime():yyyy-MM-dd HH:mm}Z "
            + $"to {last.ToUniversalTime():yyyy-MM-dd HH:mm}Z "
            + $"and this host's clock says {host.Time.GetUtcNow():yyyy-MM-dd}";
        Assert.Equal(known, problem.Message.Contains(naming, StringComparison.Ordinal));
        Assert.Equal(known, problem.Cure.Contains("set the clock", StringComparison.Ordinal));
        Assert.NotEqual(known, problem.Cure.Contains("somebody is intercepting", StringComparison.Ordinal));
    }

    /// <summary>The problem of a host that does not believe its server's certificate.</summary>
    private static async Task<Problem> IsRefusedAsync(HostUnderTest host)
    {
        var problem = (await host.UntilAsync("refused", s => s.Settled && s.Problem is not null)).Problem!;
        HostUnderTest.AssertProblem(problem, ProblemCode.ServerCertificateMismatch, host.Server.Url);
        return problem;
    }
}
