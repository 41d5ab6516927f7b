using System.Security.Cryptography;
using System.Text.Json;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Agent;

namespace LivepatchAgent.Cli.Tests;

/// <summary><c>check</c> and <c>facts</c>: asked of a daemon, or answered here for a described host.</summary>
public sealed class CheckCommandTests
{
    private const string NoDaemon = "/nonexistent";
    private static readonly string Module = CorpusModule.Path;

    private static readonly HostFacts Host = new()
    {
        KernelRelease = "6.12.117+deb12-cloud-amd64",
        KernelVersion = "#1 SMP PREEMPT_DYNAMIC",
        Architecture = "x86_64",
        Livepatch = true,
        FtraceEnabled = true,
        Lockdown = "none",
        Modules = [],
        LoadedModules = [],
        MemoryAvailable = 500 << 20,
    };

    private static readonly PreflightReport Report = new()
    {
        Module = "livepatch_x",
        Checks =
        [
            new("vermagic", CheckOutcome.Refused, "found\u001b[31m", "cure"),
            new("memory", CheckOutcome.Ok, "300 MiB are available"),
            new("function-hooks", CheckOutcome.CannotTell, "f", "c"),
            new("patch-stack", CheckOutcome.Warning, "f", "c"),
        ],
    };

    [Fact]
    public void Check_OfAFileForADescribedHost_NeedsNoDaemon()
    {
        using var folder = new TestDaemon((_, _) => null);
        var ran = Run.Of(NoDaemon, "check", Module, "--host", Described(folder, Host));
        Assert.Equal((ExitCode.Ok, ""), (ran.Code, ran.Error));
        Assert.Contains("livepatch_cmdline: nothing found against it;", ran.Out, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("text", "livepatch_cmdline: refused: one check against it\n")]
    [InlineData("json", "\"verdict\":\"refused\"")]
    [InlineData("yaml", "verdict: refused\n")]
    public void Check_ForAHostThatRefuses_SaysSoInEveryFormat(string format, string words)
    {
        using var folder = new TestDaemon((_, _) => null);
        var host = Described(folder, Host with { FtraceEnabled = false });
        var ran = Run.Of(NoDaemon, "check", Module, "--host", host, "--format", format);
        Assert.Equal((ExitCode.Failed, ""), (ran.Code, ran.Error));
        Assert.Contains(words, ran.Out, StringComparison.Ordinal);
    }

    [Fact]
    public void Check_OfWhatIsNoModule_IsRefused()
    {
        using var folder = new TestDaemon((_, _) => null);
        var host = Described(folder, Host);
        var ran = Run.Of(NoDaemon, "check", host, "--host", host);
        Assert.Equal((ExitCode.Failed, ""), (ran.Code, ran.Error));
        Assert.Contains("it is not an ELF file", ran.Out, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/nonexistent.json")]
    [InlineData("/")]
    [InlineData("/dev/zero")]
    public void Check_ForAHostThatCannotBeRead_SaysSo(string host)
    {
        var ran = Run.Of(NoDaemon, "check", Module, "--host", host);
        Assert.Equal((ExitCode.Failed, ""), (ran.Code, ran.Out));
        Assert.Equal(
            $"cannot use {host}: it cannot be read, or has more than 64 MiB; make it with `livepatch-agent facts`\n",
            ran.Error);
    }

    /// <summary>Debian's real-time kernels have both options; which of them counts changed after 6.12.</summary>
    [Theory]
    [InlineData("7.3.4+deb13-rt-amd64", "preempt_rt", true)]
    [InlineData("7.3.4+deb13-rt-amd64", "preempt", false)]
    [InlineData("6.12.117+deb12-rt-amd64", "preempt", true)]
    [InlineData("6.12.117+deb12-rt-amd64", "preempt_rt", false)]
    public void Check_ForARealTimeKernel_KnowsItsVermagic(string release, string preempt, bool isTaken)
    {
        using var folder = new TestDaemon((_, _) => null);
        string[] options = ["MODULES", "SMP", "PREEMPT_BUILD", "PREEMPT_RT", "MODULE_UNLOAD", "MODVERSIONS"];
        var facts = Host with
        {
            KernelRelease = release,
            KernelVersion = "#1 SMP PREEMPT_RT Debian",
            Config = options.ToDictionary(o => o, _ => "y"),
        };
        var host = Described(folder, facts);
        var module = folder.File("rt.ko", "");
        File.WriteAllBytes(module, BuiltFor($"{release} SMP {preempt} mod_unload modversions "));
        using var json = JsonDocument.Parse(Run.Of(NoDaemon, "check", module, "--host", host, "--format", "json").Out);
        var checks = json.RootElement.GetProperty("checks").EnumerateArray();
        var finding = checks.Single(c => c.GetProperty("check").GetString() == "vermagic");
        Assert.Equal(isTaken ? "ok" : "refused", finding.GetProperty("outcome").GetString());
    }

    [Fact]
    public void Check_OfAFileThatADescribedHostRevokes_IsRefused()
    {
        using var folder = new TestDaemon((_, _) => null);
        var digest = Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(Module)));
        var host = Host with { Keys = new KeyringFacts([new("bin:" + digest, ".blacklist")]) };
        var ran = Run.Of(NoDaemon, "check", Module, "--host", Described(folder, host));
        Assert.Equal(ExitCode.Failed, ran.Code);
        Assert.Contains("this very file is revoked", ran.Out, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("not JSON")]
    [InlineData("{}")]
    [InlineData("""{"schema":9,"kernelRelease":"x","architecture":"y"}""")]
    public void Check_ForAHostThatIsNotDescribed_IsOneLine(string facts)
    {
        using var folder = new TestDaemon((_, _) => null);
        var ran = Run.Of(NoDaemon, "check", Module, "--host", folder.File("host.json", facts));
        Assert.Equal((ExitCode.Failed, "", 1), (ran.Code, ran.Out, ran.Error.Count(c => c == '\n')));
        Assert.Contains("livepatch-agent facts", ran.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Check_WithAHostAndNoFile_IsWrongUsage()
    {
        var ran = Run.Of(NoDaemon, "check", "--host", "/dev/null");
        Assert.Equal((ExitCode.Usage, ""), (ran.Code, ran.Out));
        Assert.Equal("cannot check: --host answers for a module's file; name one\n", ran.Error);
    }

    [Fact]
    public void Check_WithoutADaemon_SaysSo() =>
        Assert.Equal(ExitCode.DaemonAway, Run.Of(NoDaemon, "check", Module).Code);

    [Theory]
    [InlineData("POST /v1/check HTTP/1.0", "check")]
    [InlineData("POST /v1/check?version=1.0%2B2 HTTP/1.0", "check", "1.0+2")]
    public void Check_OfAPatchThatTheDaemonHolds_AsksForIt(string request, params string[] args)
    {
        var asked = new List<string>();
        using var daemon = TestDaemon.Keeping(asked, Json(Report));
        var ran = Run.Of(daemon.SocketPath, args);
        Assert.Equal((ExitCode.Failed, ""), (ran.Code, ran.Error));
        Assert.Equal([request], asked);
        Golden.Verify("check", ran.Out);
    }

    [Fact]
    public void Check_ThatTheDaemonRefuses_SaysWhy()
    {
        var refusal = new Problem(ProblemCode.NotPermitted, "cannot change anything: you are nobody", "use sudo");
        using var daemon = new TestDaemon((_, _) => TestDaemon.Error(403, refusal));
        var ran = Run.Of(daemon.SocketPath, "check", Module);
        Assert.Equal((ExitCode.NotPermitted, ""), (ran.Code, ran.Out));
        Assert.Equal(ExitCode.NotPermitted, Run.Of(daemon.SocketPath, "facts").Code);
    }

    [Theory]
    [InlineData("nonsense")]
    [InlineData("null")]
    [InlineData("""{"module":"x","checks":[null]}""")]
    public void Check_WithAnAnswerThatCannotBeRead_IsOneLine(string answer)
    {
        using var daemon = new TestDaemon((_, _) => TestDaemon.Http(200, answer));
        var ran = Run.Of(daemon.SocketPath, "check", Module);
        Assert.Equal((ExitCode.DaemonAway, "", 1), (ran.Code, ran.Out, ran.Error.Count(c => c == '\n')));
    }

    [Fact]
    public void Facts_AreWhatTheDaemonSent()
    {
        // Larger than a status may be.
        string[] modules = [.. Enumerable.Range(0, 200_000).Select(n => $"module{n}")];
        var facts = JsonSerializer.Serialize(Host with { Modules = modules }, PreflightJson.Default.HostFacts);
        using var daemon = new TestDaemon((_, _) => TestDaemon.Http(200, facts));
        var ran = Run.Of(daemon.SocketPath, "facts");
        Assert.Equal((ExitCode.Ok, facts + "\n"), (ran.Code, ran.Out));
    }

    [Fact]
    public void Facts_OfObjects_AsksForThem()
    {
        var asked = new List<string>();
        using var daemon = TestDaemon.Keeping(asked, "{}");
        Assert.Equal(ExitCode.Ok, Run.Of(daemon.SocketPath, "facts").Code);
        Assert.Equal(ExitCode.Ok, Run.Of(daemon.SocketPath, "facts", "--object", "ext4", "--object", "a&b").Code);
        Assert.Equal(["GET /v1/facts HTTP/1.0", "GET /v1/facts?object=ext4&object=a%26b HTTP/1.0"], asked);
    }

    /// <summary>The kernel's four verdicts, in words and by exit code.</summary>
    [Theory]
    [InlineData(CheckOutcome.Ok, 0, "nothing found against it")]
    [InlineData(CheckOutcome.Warning, 0, "the kernel would take it; one check worth knowing")]
    [InlineData(CheckOutcome.CannotTell, 0, "nothing found against it; one check could not be carried out")]
    [InlineData(CheckOutcome.Refused, 1, "refused: one check against it")]
    public void Check_OfEachOutcome_EndsWithItsVerdict(CheckOutcome outcome, int code, string words)
    {
        var report = Report with { Checks = [new("memory", CheckOutcome.Ok, "f"), new("vermagic", outcome, "f", "c")] };
        using var daemon = new TestDaemon((_, _) => TestDaemon.Http(200, Json(report)));
        var ran = Run.Of(daemon.SocketPath, "check");
        Assert.Equal(code, ran.Code);
        Assert.EndsWith($"\nlivepatch_x: {words}\n", ran.Out, StringComparison.Ordinal);
    }

    private static string Json(PreflightReport report) =>
        JsonSerializer.Serialize(report, PreflightJson.Default.PreflightReport);

    private static string Described(TestDaemon folder, HostFacts host) =>
        folder.File("host.json", JsonSerializer.Serialize(host, PreflightJson.Default.HostFacts));

    /// <summary>The module with another vermagic in the place of its own; zeros fill what is left of that.</summary>
    private static byte[] BuiltFor(string vermagic)
    {
        var file = File.ReadAllBytes(Module);
        var place = file.AsSpan(file.AsSpan().IndexOf("vermagic="u8) + "vermagic=".Length);
        place = place[..place.IndexOf((byte)0)];
        place.Clear();
        System.Text.Encoding.ASCII.GetBytes(vermagic, place);
        return file;
    }
}
