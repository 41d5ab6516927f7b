using System.Diagnostics;
using System.Net;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Daemon.Tests.Surroundings;
using LivepatchAgent.Server.Files;
using LivepatchAgent.Server.Registry;
using LivepatchAgent.Server.Storage;
using RealServer = LivepatchAgent.Server.Host.PatchServer;
using ServeSettings = LivepatchAgent.Server.Host.ServeSettings;

namespace LivepatchAgent.Daemon.Tests;

/// <summary>
/// `livepatch-agent enable` with tokens that are no good: the CLI and the daemon as processes, the daemon on a fake
/// root, and the real server.
/// </summary>
public sealed class RefusedTokenTests
{
    private const string NewOne = "; make a new one with `livepatch-server token create`";
    private const string Damaged = "cannot read the token: its check digits do not fit";
    private const string WholeLine = "; copy the whole line that `livepatch-server token create` printed";
    private const string OfToken = "✗ cannot enrol: token t";
    private static readonly DateTimeOffset Now = DateTimeOffset.UtcNow;

    [Fact]
    public async Task Enable_WithATokenThatIsNoGood_EndsWithOneLineAndItsCure()
    {
        await using var host = new HostUnderTest();
        await using var server = await ServeAsync(new DataFolder(host.Path("server")));
        await using var other = await ServeAsync(new DataFolder(host.Path("other")));
        var start = new ProcessStartInfo(Program("livepatch-agentd"));
        start.Environment["LIVEPATCH_AGENTD_ROOT"] = host.Path("");
        using var daemon = Process.Start(start)!;
        try
        {
            await host.HappensAsync("a socket", () => File.Exists(host.Paths.Socket), timePasses: false);
            var good = Token(host, "server", server);
            await RefusedAsync(host, "lpa1.hello", Damaged, WholeLine);
            await RefusedAsync(host, good[..^9], Damaged, WholeLine);
            var expired = Token(host, "server", server, Now.AddHours(-1));
            await RefusedAsync(host, expired, OfToken, $" expired at {Now.AddHours(-1):u}{NewOne}");
            var used = Token(host, "server", server, change: TokenTable.CountUse);
            await RefusedAsync(host, used, OfToken, $" was good for 1 and has been used 1 time{NewOne}");
            var revoked = Token(host, "server", server, change: (db, id) => TokenTable.Revoke(db, id, Now));
            await RefusedAsync(host, revoked, OfToken, $" was revoked at {Now:u}{NewOne}");

            // Of another server, that had this one's address or its keys.
            var foreign = EnrolmentToken.Read(Token(host, "other", other)).Value;
            var here = foreign with { Server = server.Address.GetLeftPart(UriPartial.Authority) };
            await RefusedAsync(host, EnrolmentToken.Write(here), "✗ cannot ", "token");
            var withItsSecret = EnrolmentToken.Read(good).Value with { Secret = foreign.Secret };
            await RefusedAsync(
                host,
                EnrolmentToken.Write(withItsSecret),
                "✗ cannot enrol: this server made no such token",
                "check that the token is from this server");

            var ran = await RunAsync(host, "enable", good);
            Assert.Equal((0, ""), (ran.Code, ran.Error));
        }
        finally
        {
            daemon.Kill();
            await daemon.WaitForExitAsync(HostUnderTest.Ct);
        }
    }

    private static async Task RefusedAsync(HostUnderTest host, string token, string start, string cure)
    {
        var ran = await RunAsync(host, "enable", token);
        Assert.True(ran.Code == 1, ran.ToString());
        Assert.StartsWith(start, ran.Error, StringComparison.Ordinal);
        Assert.Contains(cure, ran.Error, StringComparison.Ordinal);
        Assert.Equal(ran.Error.Length - 1, ran.Error.IndexOf('\n', StringComparison.Ordinal));
        Assert.DoesNotContain(token[5..], ran.Out + ran.Error, StringComparison.Ordinal);
    }

    private static string Token(
        HostUnderTest host,
        string folder,
        RealServer server,
        DateTimeOffset? expires = null,
        Action<Session, string>? change = null)
    {
        var data = new DataFolder(host.Path(folder));
        var asked = new NewToken(data, server.Address, 1, expires ?? Now.AddHours(1), "", SystemCa: false);
        var token = TokenIssuer.Issue(asked, Now).Value;
        using var database = Database.Open(data.Database).Value;
        if (change is not null)
        {
            _ = database.Write(db =>
            {
                var secret = TokenSecret.Digest(EnrolmentToken.Read(token).Value.Secret);
                change(db, TokenTable.FindBySecret(db, secret)!.Id);
                return true;
            });
        }

        return token;
    }

    private static async Task<RealServer> ServeAsync(DataFolder folder)
    {
        var settings = new ServeSettings
        {
            Folder = folder,
            Listen = new IPEndPoint(IPAddress.Loopback, 0),
            Publishers = [X509CertificateLoader.LoadCertificate(Workshop.Publisher.RawData)],
        };
        return (await RealServer.StartAsync(settings, TimeProvider.System, HostUnderTest.Ct)).Value;
    }

    private static async Task<(int Code, string Out, string Error)> RunAsync(
        HostUnderTest host, params string[] arguments)
    {
        var start = new ProcessStartInfo(Program("livepatch-agent"), ["--socket", host.Paths.Socket, .. arguments])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            StandardOutputEncoding = Encoding.UTF8,
            StandardErrorEncoding = Encoding.UTF8,
            Environment = { ["LC_ALL"] = "C.UTF-8" },
        };
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync(HostUnderTest.Ct);
        var error = process.StandardError.ReadToEndAsync(HostUnderTest.Ct);
        await process.WaitForExitAsync(HostUnderTest.Ct);
        return (process.ExitCode, await output, await error);
    }

    private static string Program(string name) => Path.Combine(AppContext.BaseDirectory, name);
}
