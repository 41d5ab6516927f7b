using System.Diagnostics;
using LivepatchAgent.Core.Trust;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Server.Commands;
using LivepatchAgent.Server.Model;
using static LivepatchAgent.Server.Tests.ServerUnderTest;

namespace LivepatchAgent.Server.Tests;

/// <summary>The program itself, as a person or a script runs it.</summary>
public sealed class CommandTests : IDisposable
{
    private readonly DirectoryInfo _root = Directory.CreateTempSubdirectory("livepatch-commands-");

    private string Data => Path.Combine(_root.FullName, "data");

    [Fact]
    public async Task Serve_AndTheCommandsBesideIt_WorkTogether()
    {
        var certificate = Path.Combine(_root.FullName, "publisher.crt");
        await File.WriteAllTextAsync(certificate, new Publisher().Certificate.ExportCertificatePem(), Ct);
        using var serve = Start(
            "serve",
            "--data",
            Data,
            "--listen",
            "127.0.0.1:0",
            "--url",
            "https://127.0.0.1:8443",
            "--publisher-cert",
            certificate);
        Assert.StartsWith(
            "livepatch-server is ready:", await serve.StandardOutput.ReadLineAsync(Ct), StringComparison.Ordinal);

        var token = await RunAsync(
            "token", "create", "--data", Data, "--uses", "2", "--expires", "7d", "--note", "lab");
        Assert.Equal(0, token.Code);
        Assert.Equal("https://127.0.0.1:8443", EnrolmentToken.Read(token.Output).Value.Server);
        Assert.Single(token.Output.TrimEnd('\n').Split('\n'));
        var list = await RunAsync("token", "list", "--data", Data);
        Assert.Contains("0/2   good   lab", list.Output, StringComparison.Ordinal);
        var id = list.Output.Split('\n')[1].Split(' ')[0];
        Assert.Equal(0, (await RunAsync("token", "revoke", id, "--data", Data)).Code);
        Assert.Contains(
            "0/2   revoked  lab", (await RunAsync("token", "list", "--data", Data)).Output, StringComparison.Ordinal);
        Assert.Equal("no machine is enrolled\n", (await RunAsync("machines", "--data", Data)).Output);
        Assert.Equal("[]\n", (await RunAsync("patches", "--data", Data, "--format", "json")).Output);

        var clock = Stopwatch.StartNew();
        using var term = Process.Start("kill", ["-TERM", $"{serve.Id}"]);
        await serve.WaitForExitAsync(Ct);
        Assert.Equal(0, serve.ExitCode);
        Assert.True(clock.Elapsed < TimeSpan.FromSeconds(2), $"took {clock.Elapsed}");
    }

    [Fact]
    public async Task Serve_WithACatalogueKeyOfThePublishersTool_SignsWithIt()
    {
        var made = await RunAsync("livepatch-publisher", "keygen", "--kind", "catalogue", "--out", _root.FullName);
        Assert.Equal((0, ""), (made.Code, made.Error));
        var keys = new Trust.KeyFiles(
            Path.Combine(_root.FullName, "catalogue.pem"), Path.Combine(_root.FullName, "catalogue.key"));
        await using var server = await StartAsync(catalogue: keys);
        var patch = server.Publisher.Patch(1);
        await server.PublishAsync(patch);
        Assert.Equal(patch.Digest, (await server.AssignmentAsync(await server.EnrolAsync())).ManifestDigest);
        using var certificate = System.Security.Cryptography.X509Certificates.X509Certificate2.CreateFromPem(
            await File.ReadAllTextAsync(keys.Certificate, Ct));
        var (catalogue, now) = (await server.CatalogueBytesAsync(), server.Time.GetUtcNow());
        var verified = CatalogueVerifier.Verify(catalogue, [certificate], "x86_64", Machine.Release, 0, now);
        Assert.Null(verified.Problem);
    }

    [Theory]
    [InlineData(64, "")]
    [InlineData(64, "serve --listen nowhere")]
    [InlineData(64, "serve --listen 127.0.0.1")]
    [InlineData(64, "serve --url http://h")]
    [InlineData(64, "serve --tls-cert only.pem")]
    [InlineData(64, "token create --expires soon")]
    [InlineData(64, "token create --uses -1")]
    [InlineData(64, "machines --format xml")]
    [InlineData(1, "token create --data DATA")]
    [InlineData(1, "machines --data DATA")]
    [InlineData(1, "machines revoke x --data DATA")]
    [InlineData(1, "serve --data DATA --publisher-cert /nowhere")]
    [InlineData(0, "version")]
    [InlineData(0, "help")]
    [InlineData(0, "--help")]
    public async Task Command_EndsWithTheRightCode_AndOneLine(int code, string line)
    {
        var result = await RunAsync(
            line.Replace("DATA", Data, StringComparison.Ordinal).Split(' ', StringSplitOptions.RemoveEmptyEntries));
        Assert.Equal(code, result.Code);
        if (code != 0) Assert.Matches("^livepatch-server: [^\n]+\n$", result.Error);
        Assert.False(Directory.Exists(Data), "a command that fails makes no folder");
    }

    [Fact]
    public void Views_AreTables()
    {
        var now = new DateTimeOffset(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);
        var machine = new MachineRow
        {
            Id = "m1", Hostname = "host-1", KernelRelease = "6.12", Architecture = "x86_64",
            OperatingSystem = "Debian", AgentVersion = "0.1.0", EnrolledAt = now,
            LastCheckIn = now, State = "applied", Version = "2.1",
        };
        Assert.Equal(
            """
            ID  HOSTNAME  KERNEL  STATE    VERSION  LAST CHECK-IN         PROBLEM
            m1  host-1    6.12    applied  2.1      2026-03-01T12:00:00Z  -
            """, Views.Machines([machine]));
        var patch = new PatchRow
        {
            ManifestDigest = "a",
            Architecture = "x86_64",
            KernelRelease = "6.12",
            Sequence = 2,
            Version = "2.1",
            Notice = "LPN-0002",
            Fixes = ["CVE-1", "CVE-2"],
            ReceivedAt = now,
        };
        var published = patch with { PublishedAt = now };
        Assert.Equal(
            """
            KERNEL  ARCH    VERSION  SEQUENCE  NOTICE    FIXES         STATE
            6.12    x86_64  2.1      2         LPN-0002  CVE-1, CVE-2  waits for its module
            6.12    x86_64  2.1      2         LPN-0002  CVE-1, CVE-2  published
            6.12    x86_64  2.1      2         LPN-0002  CVE-1, CVE-2  withdrawn: it stalls
            """, Views.Patches([patch, published, published with { Withdrawal = "b", WithdrawnReason = "it stalls" }]));
    }

    [Fact]
    public void Views_WithTextThatTurnsItsDirection_ShowItAsItIs()
    {
        var machine = new MachineRow
        {
            Id = "m1",
            Hostname = "a\u202ecod\u200b",
            KernelRelease = "6.12",
            Architecture = "x86_64",
            OperatingSystem = "Debian",
            AgentVersion = "0.1.0",
            EnrolledAt = default,
        };
        Assert.Contains("a\\u202ecod\\u200b  6.12", Views.Machines([machine]), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Serve_WithFewerFilesThanItsConnectionsNeed_SaysSo()
    {
        var program = Path.Combine(AppContext.BaseDirectory, "livepatch-server");
        var start = new ProcessStartInfo(
            "sh",
            ["-c", $"ulimit -n 2000; exec {program} serve --data {Data} --listen 127.0.0.1:0"])
        {
            RedirectStandardOutput = true,
        };
        using var serve = Process.Start(start)!;
        Assert.StartsWith(
            "livepatch-server is ready:", await serve.StandardOutput.ReadLineAsync(Ct), StringComparison.Ordinal);
        Assert.Contains(
            "may open 2000 files, which is less than 32768 connections need",
            await serve.StandardOutput.ReadLineAsync(Ct),
            StringComparison.Ordinal);
        using var term = Process.Start("kill", ["-TERM", $"{serve.Id}"]);
        await serve.WaitForExitAsync(Ct);
    }

    public void Dispose() => _root.Delete(recursive: true);

    private static Process Start(params string[] words)
    {
        var (program, arguments) = words is ["livepatch-publisher", ..]
            ? (words[0], words[1..])
            : ("livepatch-server", words);
        var start = new ProcessStartInfo(Path.Combine(AppContext.BaseDirectory, program), arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        return Process.Start(start)!;
    }

    private static async Task<(int Code, string Output, string Error)> RunAsync(params string[] arguments)
    {
        using var process = Start(arguments);
        var (output, error) = (process.StandardOutput.ReadToEndAsync(Ct), process.StandardError.ReadToEndAsync(Ct));
        await process.WaitForExitAsync(Ct);
        return (process.ExitCode, await output, await error);
    }
}
