using System.Net;
using System.Net.Http;
using System.Text;
using System.Text.Json;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Agent;
using LivepatchAgent.Core.Modules;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Daemon.Kernel;
using LivepatchAgent.Daemon.Tests.Surroundings;
using Microsoft.Extensions.Logging;
using static LivepatchAgent.Daemon.Tests.Surroundings.HostUnderTest;

namespace LivepatchAgent.Daemon.Tests;

/// <summary>
/// What a host shows of itself, in a folder; what the daemon makes of it before a kernel sees a module.
/// </summary>
public sealed class PreflightTests
{
    private const string Symbols = """
        ffffffff81000000 T _stext
        ffffffff812f3a00 t __pfx_cmdline_proc_show
        ffffffff812f3a10 t cmdline_proc_show
        ffffffff812f3a80 t version_proc_show
        ffffffff812f3a80 t version_alias
        ffffffff812f3b00 t show
        ffffffff812f3b10 t show
        ffffffff812f3b20 t split.cold
        ffffffff82000000 r __ksymtab_seq_printf
        ffffffff8200000c r __ksymtab_seq_write
        ffffffff83000000 T module_layout
        ffffffff83000010 T seq_write
        ffffffffc0a41000 t ext4_iget	[ext4]
        ffffffffc0a41010 t show	[ext4]
        """;

    private static readonly Published One = Workshop.Patch(1);
    private static readonly Published Two = Workshop.Patch(2);

    [Fact]
    public void Collect_OfAHost_KeepsWhatWasAskedFor()
    {
        using var root = Root();
        var facts = Collect(root, new HostQuestions(
            Names: Set("cmdline_proc_show", "version_proc_show", "show", "nowhere", "__ksymtab_seq_printf"),
            Functions: Set("cmdline_proc_show", "version_proc_show", "show", "split", "ext4_iget"),
            Objects: Set("ext4", "xfs"),
            Exports: Set("seq_printf"),
            Signers: []));

        Assert.Equal(1, facts.CountOf("vmlinux", "cmdline_proc_show"));
        Assert.Equal(2, facts.CountOf("vmlinux", "show"));
        Assert.Equal(1, facts.CountOf("ext4", "show"));
        Assert.Equal(0, facts.CountOf("ext4", "nowhere"));
        Assert.Null(facts.CountOf("xfs", "anything"));
        Assert.Equal(0, facts.CountOf("vmlinux", "_stext"));
        Assert.Contains("split.cold", facts.Symbols!["vmlinux"].Keys);
        Assert.Contains("__ksymtab_seq_printf", facts.Symbols["vmlinux"].Keys);
        Assert.Equal(1, facts.Traceable!["vmlinux"]["cmdline_proc_show"]);
        // Listed by another name of its address.
        Assert.Equal(1, facts.Traceable["vmlinux"]["version_proc_show"]);
        Assert.Equal(1, facts.Traceable["ext4"]["ext4_iget"]);
        Assert.Equal([("vmlinux", "cmdline_proc_show", "RI")], facts.Hooks!.Select(h => (h.Object, h.Name, h.Flags)));
        Assert.Equal([("cmdline_proc_show", 16L)], facts.Probes!.Select(p => (p.Name, p.Offset)));
        Assert.Equal(["ext4"], facts.LoadedModules!);
        Assert.Equal(["ext4", "kernel", "module", "printk"], facts.Modules!);
        Assert.Equal(["xfs"], facts.InstalledModules!);
        Assert.Equal(("y", "n"), (facts.Option("MODVERSIONS"), facts.Option("PREEMPT_RT")));
        Assert.Equal(["nouveau", "b43"], facts.BlockedModules);
        Assert.Equal((true, false, "integrity"), (facts.FtraceEnabled, facts.SignaturesEnforced, facts.Lockdown));
        Assert.Equal(793L << 20, facts.MemoryAvailable);
        Assert.Contains("publisher: 00ff", facts.Keys!.Keys.Select(k => k.Description));
        Assert.Null(facts.GoingDown);
    }

    [Fact]
    public void Collect_OfEverything_HasEveryNameAndNoAddress()
    {
        using var root = Root();
        root.Write("sys/module/kernel/parameters/module_blacklist", "(null)\n");
        var facts = Collect(root, null);
        // Each name of an address is listed with the one that the kernel prints.
        foreach (var name in new[] { "version_proc_show", "version_alias", "cmdline_proc_show" })
            Assert.Equal(1, facts.TraceableOf("vmlinux", name));
        Assert.Equal(0, facts.TraceableOf("vmlinux", "show"));
        Assert.Empty(facts.BlockedModules);
        var json = JsonSerializer.Serialize(facts, PreflightJson.Readable.HostFacts);
        foreach (var name in new[] { "_stext", "cmdline_proc_show", "split.cold", "ext4_iget", "version_alias" })
            Assert.Contains($"\"{name}\":", json, StringComparison.Ordinal);
        Assert.DoesNotContain("ffffffff", json, StringComparison.Ordinal);
        Assert.DoesNotContain("__pfx_", json, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("missing", null)]
    [InlineData("empty", "")]
    [InlineData("garbage", "\0\u00ff\u00fe nonsense \n\n \n[]\n(\n")]
    [InlineData("one long line", "*")]
    public void Collect_OfFilesThatAreNotAsTheyShouldBe_IsCalm(string what, string? text)
    {
        Assert.NotEmpty(what);
        using var root = new FakeRoot();
        string[] files =
        [
            "proc/kallsyms", "proc/modules", "proc/keys", "proc/kcore", "proc/meminfo", "proc/config.gz",
            "proc/sys/kernel/osrelease", "proc/sys/kernel/ftrace_enabled",
            "sys/kernel/tracing/available_filter_functions", "sys/kernel/tracing/enabled_functions",
            "sys/kernel/debug/kprobes/list", "boot/config-unknown", "lib/modules/unknown/modules.dep",
        ];
        foreach (var file in files)
        {
            if (text is not null) root.Write(file, text == "*" ? new string('1', 200_000) : text);
        }

        var module = ModuleReader.Read(Corpus.Module(Corpus.CmdlineV2)).Value;
        foreach (var questions in new[] { null, HostQuestions.Of(module) })
        {
            var facts = Collect(root, questions);
            Assert.Null(facts.Symbols);
            Assert.Null(facts.Keys);
            Assert.Null(facts.SymbolVersions);
            var native = module with { Architecture = facts.Architecture };
            var report = Preflight.Run(native, facts with { KernelRelease = Workshop.Release });
            Assert.DoesNotContain(report.Of(CheckOutcome.Refused), f => f.Check != "module-signature");
        }
    }

    [Fact]
    public void Collect_ReadsTheKernelsCrcsAndNamespaces()
    {
        using var root = Root();
        root.Write("proc/kallsyms", Symbols + """

            ffffffff82000000 r __start___ksymtab
            ffffffff82000018 r __stop___ksymtab
            ffffffff82001000 r __start___kcrctab
            """);
        var core = Core();
        BitConverter.TryWriteBytes(core.AsSpan(0x2000), 0x11111111);
        BitConverter.TryWriteBytes(core.AsSpan(0x2004), 0x22222222);
        // The first symbol has an empty namespace, the second one's stands at 0x100.
        BitConverter.TryWriteBytes(core.AsSpan(0x1000 + 8), 0x200 - 8);
        BitConverter.TryWriteBytes(core.AsSpan(0x1000 + 12 + 8), 0x100 - 20);
        "DMA_BUF\0"u8.CopyTo(core.AsSpan(0x1100));
        File.WriteAllBytes(root.Path("proc/kcore"), core);
        var exports = Set("seq_write", "seq_printf");
        var facts = Collect(root, new HostQuestions(Set("module_layout"), Set(), Set(), exports, []));
        var versions = facts.SymbolVersions!.OrderBy(v => v.Key, StringComparer.Ordinal);
        Assert.Equal(
            [("seq_printf", 0x11111111u), ("seq_write", 0x22222222u)], versions.Select(v => (v.Key, v.Value)));
        Assert.Equal([new("seq_write", "DMA_BUF")], facts.SymbolNamespaces!);
    }

    [Theory]
    [InlineData("SMP preempt_rt mod_unload ", true)]
    [InlineData("SMP preempt_rt mod_unload ", false)]
    public void Collect_OfAKernelWhoseVermagicIsInItsMemory_HasIt(string options, bool isOfEverything)
    {
        using var root = Root();
        root.Write("proc/kallsyms", Symbols + "\nffffffff82000200 r vermagic\n");
        var core = Core();
        Encoding.ASCII.GetBytes($"{Workshop.Release} {options}\0").CopyTo(core, 0x1200);
        File.WriteAllBytes(root.Path("proc/kcore"), core);
        var questions = new HostQuestions(Set("module_layout"), Set(), Set(), Set(), []);
        Assert.Equal($"{Workshop.Release} {options}", Collect(root, isOfEverything ? null : questions).Vermagic);
    }

    /// <summary>Another variable of this name, no end, no memory: a module of the kernel's own folder has it.</summary>
    [Theory]
    [InlineData("6.1.0 SMP \0")]
    [InlineData("*")]
    [InlineData(null)]
    public void Collect_OfAKernelWhoseVermagicIsNotInItsMemory_HasThatOfAnInstalledModule(string? inMemory)
    {
        using var root = Root();
        root.Write("proc/kallsyms", Symbols + "\nffffffff82000200 r vermagic\n");
        var core = Core();
        var text = inMemory == "*" ? Workshop.Release + " " + new string('x', 300) : inMemory ?? "";
        Encoding.ASCII.GetBytes(text).CopyTo(core, 0x1200);
        if (inMemory is not null) File.WriteAllBytes(root.Path("proc/kcore"), core);
        var folder = $"lib/modules/{Workshop.Release}";
        root.Write($"{folder}/modules.dep", "extra/other.ko:\nkernel/fs/own.ko:\n");
        root.Write($"{folder}/kernel/fs/own.ko", "");
        Assert.Null(Collect(root, null).Vermagic);
        File.WriteAllBytes(root.Path($"{folder}/kernel/fs/own.ko"), Corpus.Module(Corpus.Cmdline));
        var vermagic = ModuleReader.Read(Corpus.Module(Corpus.Cmdline)).Value.Vermagic;
        Assert.StartsWith(Workshop.Release + " ", vermagic, StringComparison.Ordinal);
        Assert.Equal(vermagic, Collect(root, null).Vermagic);
    }

    [Fact]
    public async Task Daemon_WhosePreflightRefuses_KeepsWhatRunsAndSaysWhy()
    {
        await using var host = await HostUnderTest.EnrolledAsync(One);
        host.Write("proc/sys/kernel/ftrace_enabled", "0\n");
        host.Server.Publish(Two);
        var status = await host.SettledAsync(PatchState.Refused);
        AssertProblem(status.Problem, ProblemCode.PreflightRefused, "ftrace-enabled");
        Assert.Contains(Two.Name, status.Problem!.Message, StringComparison.Ordinal);
        Assert.Equal("1.0", status.Patch?.Version);
        Assert.Equal([One.Name], host.Kernel.Loaded);
        Assert.Single(host.Log.From(LogLevel.Warning));

        host.Write("proc/sys/kernel/ftrace_enabled", "1\n");
        await host.RefreshAsync();
        await host.UntilAsync("2.0", s => s.Settled && s.Patch?.Version == "2.0" && s.Problem is null);
        Assert.Equal([One.Name, Two.Name], host.Kernel.Loaded);
    }

    [Fact]
    public async Task Daemon_WhosePreflightFindsAnotherTransition_TriesAgainLater()
    {
        await using var host = await HostUnderTest.EnrolledAsync(One);
        var other = "sys/kernel/livepatch/other";
        host.Write(other + "/transition", "1\n");
        host.Write(other + "/enabled", "1\n");
        host.Server.Publish(Two);
        var status = await host.UntilAsync("reported", s => s.Problem is not null);
        AssertProblem(status.Problem, ProblemCode.PreflightRefused, "transition-running");
        host.Write(other + "/transition", "0\n");
        await host.UntilAsync("2.0", s => s.Settled && s.Patch?.Version == "2.0" && s.Problem is null);
    }

    [Fact]
    public async Task Check_OverTheSocket_IsForThoseWhoMayChange()
    {
        await using var host = await HostUnderTest.EnrolledAsync(One);
        await host.StartSocketAsync();
        using var nobody = Person.Of(host.Paths.Socket, Person.Nobody, Person.Nobody);
        Assert.Equal(HttpStatusCode.Forbidden, (await nobody.GetAsync("/v1/facts", Ct)).StatusCode);
        using var forbidden = await nobody.PostAsync("/v1/check", new ByteArrayContent([1]), Ct);
        Assert.Equal(HttpStatusCode.Forbidden, forbidden.StatusCode);

        using var root = Person.Of(host.Paths.Socket);
        var facts = await root.GetByteArrayAsync("/v1/facts", Ct);
        Assert.Equal(Workshop.Release, PreflightJson.ReadFacts(facts, "f").Value.KernelRelease);
        var refused = (await ReportAsync(root, One.Module)).Of(CheckOutcome.Refused);
        Assert.Equal("module-name", Assert.Single(refused).Check);
        Assert.DoesNotContain((await ReportAsync(root, Two.Module)).Checks, c => c.Outcome == CheckOutcome.Refused);
        var ofText = await ReportAsync(root, Encoding.UTF8.GetBytes("no module"));
        Assert.Equal(Preflight.ModuleFormat, Assert.Single(ofText.Checks).Check);
        Assert.Equal(One.Name, (await ReportAsync(root, null)).Module);
        Assert.Equal(One.Name, (await ReportAsync(root, null, "?version=1.0")).Module);
        using var unknown = await root.PostAsync("/v1/check?version=9", null, Ct);
        Assert.Equal(HttpStatusCode.NotFound, unknown.StatusCode);

        // The signer is pinned; this kernel shows no such key, and does not insist.
        host.Write("proc/keys", "037d7c68 I------     1 perm 1f0b0000     0     0 keyring   .machine: 1\n");
        host.Write("sys/kernel/security/lockdown", "[none] integrity confidentiality\n");
        Assert.Contains("no key", Signature(await ReportAsync(root, Two.Module)).Found, StringComparison.Ordinal);
    }

    /// <summary>An ELF core file with one segment, from ffffffff82000000 on.</summary>
    private static byte[] Core()
    {
        var core = new byte[0x3000];
        "\u007fELF"u8.CopyTo(core);
        BitConverter.TryWriteBytes(core.AsSpan(32), 64L);
        BitConverter.TryWriteBytes(core.AsSpan(56), (ushort)1);
        BitConverter.TryWriteBytes(core.AsSpan(64), 1);
        BitConverter.TryWriteBytes(core.AsSpan(64 + 8), 0x1000L);
        BitConverter.TryWriteBytes(core.AsSpan(64 + 16), 0xffffffff82000000);
        BitConverter.TryWriteBytes(core.AsSpan(64 + 40), 0x2000L);
        return core;
    }

    private static CheckFinding Signature(PreflightReport report) =>
        report.Checks.Single(c => c.Check == "module-signature");

    private static async Task<PreflightReport> ReportAsync(HttpClient client, byte[]? module, string query = "")
    {
        var content = module is null ? null : new ByteArrayContent(module);
        using var answer = await client.PostAsync("/v1/check" + query, content, Ct);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        var json = await answer.Content.ReadAsByteArrayAsync(Ct);
        return JsonSerializer.Deserialize(json, PreflightJson.Default.PreflightReport)!;
    }

    private static HostFacts Collect(FakeRoot root, HostQuestions? questions) =>
        new HostFactsCollector(root.Paths, new HostObserver(root.Paths, TimeProvider.System)).Collect(questions);

    private static HashSet<string> Set(params string[] names) => [.. names];

    private static FakeRoot Root()
    {
        var root = new FakeRoot();
        root.Write("proc/kallsyms", Symbols);
        root.Write("proc/modules", "ext4 1024000 1 - Live 0xffffffffc0a41000\n");
        root.Write("sys/module/ext4/refcnt", "1\n");
        root.Write("sys/module/printk/parameters/time", "Y\n");
        root.Write("sys/module/module/parameters/sig_enforce", "N\n");
        root.Write(
            "sys/kernel/tracing/available_filter_functions",
            "cmdline_proc_show\nversion_alias\next4_iget [ext4]\nother\n");
        root.Write(
            "sys/kernel/tracing/enabled_functions",
            "cmdline_proc_show (1) R I     \ttramp: 0xffffffffc0205000 (klp_ftrace_handler+0x0/0x1d0) "
            + "->klp_ftrace_handler+0x0/0x1d0\n");
        root.Write("sys/kernel/debug/kprobes/list", "ffffffff812f3a20  k  cmdline_proc_show+0x10\n");
        root.Write("proc/sys/kernel/osrelease", Workshop.Release + "\n");
        root.Write("proc/sys/kernel/ftrace_enabled", "1\n");
        root.Write("sys/module/kernel/parameters/module_blacklist", "nouveau,b43\n");
        root.Write("proc/meminfo", "MemTotal:        1000000 kB\nMemAvailable:     812032 kB\n");
        root.Write(
            "proc/keys",
            "037d7c68 I------     1 perm 1f0b0000     0     0 keyring   .machine: 1\n"
            + "01692604 I------     1 perm 1f010000     0     0 asymmetri publisher: 00ff: X509.rsa 4dace6eb []\n");
        root.Write("sys/kernel/security/lockdown", "none [integrity] confidentiality\n");
        const string config = "# a comment\nCONFIG_MODULES=y\nCONFIG_MODVERSIONS=y\n# CONFIG_PREEMPT_RT is not set\n";
        root.Write($"boot/config-{Workshop.Release}", config);
        const string installed = "kernel/fs/xfs/xfs.ko.xz:\nkernel/net/af-key.ko.xz: kernel/x.ko\n";
        root.Write($"lib/modules/{Workshop.Release}/modules.dep", installed);
        return root;
    }
}
