using System.Globalization;
using System.Runtime.CompilerServices;
using System.Security.Cryptography.Pkcs;
using System.Text;
using System.Text.Json;
using System.Security.Cryptography.X509Certificates;
using LivepatchAgent.Core.Agent;
using LivepatchAgent.Core.History;
using LivepatchAgent.Core.Modules;
using LivepatchAgent.Core.Tests.Agent;
using LivepatchAgent.Core.Tests.Kernel;
using LivepatchAgent.Core.Tests.Modules;
using LivepatchAgent.Core.Trust;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Fuzz;

namespace LivepatchAgent.Core.Tests;

/// <summary>
/// The corpus of `make fuzz`, replayed with the same bounds on time and memory: what it begins with, and what it once
/// found.
/// </summary>
public sealed class FuzzCorpusTests
{
    public static TheoryData<string> Targets => [.. FuzzTarget.All.Select(t => t.Name)];

    [Theory]
    [MemberData(nameof(Targets))]
    public void Corpus_StaysWithinItsBounds(string name)
    {
        var target = FuzzTarget.All.Single(t => t.Name == name);
        var files = Directory.GetFiles(Path.Combine(AppContext.BaseDirectory, "corpus", "fuzz", name));
        Assert.NotEmpty(files);
        // What is made once a process (tables of JSON types, keys) is no cost of an input.
        foreach (var file in files) target.Parse(File.ReadAllBytes(file));
        Assert.All(files, file => target.Check(File.ReadAllBytes(file)));
    }

    [Theory]
    [MemberData(nameof(Targets))]
    public void ChangedInputs_StayWithinTheirBounds(string name)
    {
        var target = FuzzTarget.All.Single(t => t.Name == name);
        var corpus = Directory.GetFiles(
            Path.Combine(
                AppContext.BaseDirectory,
                "corpus",
                "fuzz",
                name)).Order(StringComparer.Ordinal).Select(File.ReadAllBytes).ToList();
        foreach (var input in corpus) target.Parse(input);
        var mutator = new Mutator(corpus, seed: 0, maxLength: 16 << 10);
        for (var i = 0; i < 2000; i++) target.Check(mutator.Next());
    }

    /// <summary>What docs/fuzzing.md counts of each.</summary>
    [Theory]
    [MemberData(nameof(Targets))]
    public void Executions_OfEachTarget_AreMillions(string name)
    {
        var cells = File.ReadLines(Path.Combine(CorpusFolder(), "../../../docs/fuzzing.md")).Single(
            l => l.StartsWith($"| {name} |", StringComparison.Ordinal)).Split('|', StringSplitOptions.TrimEntries);
        Assert.True(Number(cells[3]) >= 1_000_000, $"{name}: guided executions: {cells[3]}");
        Assert.True(Number(cells[5]) >= 10_000_000, $"{name}: mutated executions: {cells[5]}");

        static long Number(string text) => long.Parse(text, NumberStyles.AllowThousands, CultureInfo.InvariantCulture);
    }

    /// <summary>
    /// Inputs to begin with, made here so that nobody has to edit bytes. UPDATE_GOLDENS=1 writes those that are
    /// missing.
    /// </summary>
    [Fact]
    public void Seeds_AreThere()
    {
        foreach (var (target, name, bytes) in Seeds())
        {
            var path = Path.Combine(CorpusFolder(), target, name);
            if (Environment.GetEnvironmentVariable("UPDATE_GOLDENS") == "1" && !File.Exists(path))
            {
                Directory.CreateDirectory(Path.GetDirectoryName(path)!);
                File.WriteAllBytes(path, bytes);
            }

            Assert.True(File.Exists(path), $"{path} is missing: run the tests with UPDATE_GOLDENS=1");
        }
    }

    private static IEnumerable<(string Target, string Name, byte[] Bytes)> Seeds()
    {
        yield return (
            "module",
            "klp-patch",
            SampleModules.KlpPatch(62, false, "name=test_patch\0livepatch=Y\0vermagic=6.12.0 SMP \0"));
        yield return ("module", "kpatch-build", SampleModules.KpatchBuild(hasPosition: true));
        yield return ("module", "klp-build", SampleModules.KlpBuild("__klp_objects"));
        yield return (
            "module", "klp-build-linked", SampleModules.KlpBuildLinked("nr_context_switches", "__klp_relocs"));
        yield return (
            "module",
            "versions-of-any-length",
            SampleModules.VersionsOfAnyLength(
                62, false, new SymbolVersion("_printk", 0x92997ed8), new SymbolVersion(new string('x', 60), 7)));
        yield return ("module", "regression-states-of-many-patches", HostileModules.Of("states"));
        yield return ("module", "klp-relocations", SampleModules.Relocations());
        yield return (
            "module",
            "s390x",
            ElfBuilder.Livepatch(22, isBigEndian: true).HalfWords("__version_ext_crcs", ElfBuilder.Alloc, 1, 2).Text(
                "__version_ext_names", ElfBuilder.Alloc, "a\0b\0").Build());
        yield return ("module", "signed", ModuleSigner.Sign(ElfBuilder.Livepatch().Build(), TestKeys.Publisher));
        yield return ("module", "sign-file", Corpus.Module(Corpus.CmdlineSigned));
        yield return ("signature", "pkcs7", Pkcs7(_ => { }));
        var byKeyId = Pkcs7(s => s.SignerIdentifierType = SubjectIdentifierType.SubjectKeyIdentifier);
        yield return ("signature", "pkcs7-key-id", byKeyId);
        var withAttributes = Pkcs7(s =>
        {
            s.IncludeOption = X509IncludeOption.EndCertOnly;
            s.SignedAttributes.Add(new Pkcs9SigningTime(DateTime.UnixEpoch));
        });
        yield return ("signature", "pkcs7-certificate-attributes", withAttributes);
        yield return (
            "signature",
            "twice",
            ModuleSigner.Sign(ModuleSigner.Sign([1, 2, 3], TestKeys.Publisher), TestKeys.Stranger));
        yield return (
            "manifest", "signed", CmsEnvelope.Sign(Json(Manifest, WireJson.Default.PatchManifest), TestKeys.Publisher));
        yield return ("manifest", "json", Json(Manifest, WireJson.Default.PatchManifest));
        yield return ("manifest", "withdrawal", Json(Withdrawal, WireJson.Default.PatchWithdrawal));
        yield return (
            "catalogue", "signed", CmsEnvelope.Sign(Json(Catalogue, WireJson.Default.Catalogue), TestKeys.Publisher));
        yield return ("catalogue", "json", Json(Catalogue, WireJson.Default.Catalogue));
        yield return (
            "pins",
            "signed",
            CmsEnvelope.AddSignature(
                CmsEnvelope.Sign(Json(Pins, WireJson.Default.PinSet), TestKeys.Publisher), TestKeys.Stranger));
        yield return ("pins", "json", Json(Pins, WireJson.Default.PinSet));
        yield return ("token", "token", Encoding.UTF8.GetBytes(EnrolmentToken.Write(Token)));
        yield return ("token", "content", Json(Token, WireJson.Default.TokenContent));
        yield return ("host", "json", Json(HostTargets.AnyHost, PreflightJson.Default.HostFacts));
        foreach (var (name, text) in WireSeeds()) yield return ("wire", name, text);
        foreach (var (name, text) in KernelTextSeeds) yield return ("kernel", name, Encoding.UTF8.GetBytes(text));
        yield return ("kernel", "build-id", [4, 0, 0, 0, 20, 0, 0, 0, 3, 0, 0, 0, .. "GNU\0"u8, .. new byte[20]]);
        // One list with one entry: a size, no header, an owner, and what should be a certificate.
        yield return (
            "kernel",
            "efi-list",
            [
                0xa1,
                0x59,
                0xc0,
                0xa5,
                0xe4,
                0x94,
                0xa7,
                0x4a,
                0x87,
                0xb5,
                0xab,
                0x15,
                0x5c,
                0x2b,
                0xf0,
                0x72,
                64,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                36,
                0,
                0,
                0,
                .. new byte[16],
                .. new byte[20],
            ]);
        yield return (
            "local",
            "answer",
            [3, .. Encoding.UTF8.GetBytes("HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{\"revision\":"), .. "7}"u8]);
        yield return (
            "local",
            "open-end",
            [
                200,
                .. Encoding.UTF8.GetBytes("HTTP/1.0 404 Not Found\r\nServer: x\r\n\r\n"),
                .. Json(new ErrorAnswer(new Problem(ProblemCode.NotFound, "m", "c")), WireJson.Default.ErrorAnswer),
            ]);
        yield return ("local", "status", Json(Status, WireJson.Default.AgentStatus));
        yield return (
            "local",
            "status-answer",
            [9, .. Encoding.UTF8.GetBytes("HTTP/1.1 200 OK\r\n\r\n"), .. Json(Status, WireJson.Default.AgentStatus)]);
        yield return ("memory", "info", Encoding.UTF8.GetBytes(CoreInfo));
        yield return (
            "memory",
            "notes",
            [
                5,
                0,
                0,
                0,
                8,
                0,
                0,
                0,
                1,
                0,
                0,
                0,
                .. "CORE\0\0\0\0"u8,
                .. new byte[8],
                11,
                0,
                0,
                0,
                (byte)CoreInfo.Length,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                .. "VMCOREINFO\0\0"u8,
                .. Encoding.UTF8.GetBytes(CoreInfo),
            ]);
        yield return (
            "memory",
            "symbols",
            PackedSymbolsTests.Tables(
                ["_stext", "do_exit", "exit", "do_fork", "do_exit", "do_exit.cold", "undo_exit"]));
        yield return (
            "memory",
            "long-symbols",
            PackedSymbolsTests.Tables(["x", string.Concat(Enumerable.Repeat("do_exit_to_", 40)), "_stext"]));
        foreach (var (target, name, bytes) in KernelSeeds.All().Concat(InstalledSeeds.All()))
            yield return (target, name, bytes);
        yield return ("state", "fresh", StateJson.Write(new AgentState()));
        yield return ("state", "full", StateJson.Write(State));
        yield return ("history", "lines", Encoding.UTF8.GetBytes(string.Join('\n', State.History.Pending)));
    }

    private static IEnumerable<(string Name, byte[] Text)> WireSeeds()
    {
        var facts = new MachineFacts
        {
            Hostname = "h",
            KernelRelease = "6.12.0",
            Architecture = "x86_64",
            OperatingSystem = "Debian",
            AgentVersion = "0.1.0",
            BootId = "b",
        };
        yield return (
            "enrolment-request",
            [
                (byte)'a',
                .. Json(
                    new EnrolmentRequest
                    {
                        EnrolmentId = "e",
                        Secret = "s",
                        CredentialSha256 = new string('0', 64),
                        Machine = facts,
                    },
                    WireJson.Default.EnrolmentRequest),
            ]);
        yield return (
            "enrolment-answer",
            [
                (byte)'b',
                .. Json(
                    new EnrolmentAnswer
                    {
                        MachineId = "m",
                        CatalogueCertificates = ["AA=="],
                        PublisherCertificates = [],
                    },
                    WireJson.Default.EnrolmentAnswer),
            ]);
        yield return (
            "check-in",
            [
                (byte)'c',
                .. Json(
                    new CheckInRequest
                    {
                        Machine = facts,
                        Report = new MachineReport { State = PatchState.Applied },
                        Outcomes = State.Conversation.Outcomes,
                    },
                    WireJson.Default.CheckInRequest),
            ]);
        yield return (
            "assignment",
            [
                (byte)'d',
                .. Json(
                    new Assignment { Tag = "t", CheckInSeconds = 900, Now = Given.Now }, WireJson.Default.Assignment),
            ]);
        yield return (
            "error",
            [
                (byte)'e',
                .. Json(new ErrorAnswer(new Problem(ProblemCode.NotFound, "m", "c")), WireJson.Default.ErrorAnswer),
            ]);
        yield return ("status", [(byte)'f', .. Json(Status, WireJson.Default.AgentStatus)]);
        yield return ("enable", [(byte)'g', .. "{\"token\":\"lpa1.e30.0000\"}"u8]);
        yield return ("change", [(byte)'h', .. "{\"revision\":7}"u8]);
        yield return (
            "history",
            [
                (byte)'l',
                .. Json(
                    new HistoryAnswer
                    {
                        Schema = HistoryAnswer.SchemaName,
                        Entries = [.. State.History.Pending.Select(l => HistoryLine.Read(
                            Encoding.UTF8.GetBytes(l), out _)!)],
                    },
                    HistoryJson.Default.HistoryAnswer),
            ]);
        yield return (
            "preflight",
            [
                (byte)'n',
                .. Json(
                    new PreflightReport
                    {
                        Module = "m",
                        Checks = [new CheckFinding("vermagic", CheckOutcome.Refused, "found", "cure")],
                    },
                    PreflightJson.Default.PreflightReport),
            ]);
    }

    private static readonly (string, string)[] KernelTextSeeds =
    [
        ("lockdown", "none [integrity] confidentiality\n"),
        ("cmdline", "BOOT_IMAGE=/vmlinuz root=/dev/sda1 livepatch_agent=observe quiet\n"),
        ("stack", "[<0>] do_nanosleep+0x6f/0x180\n[<0>] hrtimer_nanosleep+0x99/0x120\n"),
        ("cgroup", "0::/system.slice/ssh.service\n1:name=systemd:/user.slice/user-0.slice/session-1.scope/x\n"),
        ("os-release", "NAME=\"Debian\"\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n"),
        ("kmsg", "6,339,5140900,-;livepatch: 'livepatch_cmdline': patching complete\n"),
        ("function", "cmdline_proc_show,1"),
        ("flag", "1\n"),
        ("kallsyms", "ffffffff812f3a10 t cmdline_proc_show\nffffffffc0001000 t ext4_iget\t[ext4]\n"),
        (
            "hooks",
            "do_exit [ext4] (1) R I   \ttramp: 0xffffffffc0001000 (klp_ftrace_handler+0x0/0x1a0) "
            + "->arch_ftrace_ops_list_func+0x0/0x1e0\n"),
        ("probes", "ffffffff812f3a10  k  cmdline_proc_show+0x0  [ext4] [FTRACE]\n"),
        (
            "keys",
            "1f2e3d4c I------     1 perm 1f0b0000     0     0 keyring   .builtin_trusted_keys: 2\n"
            + "2f2e3d4c I------     1 perm 1f0b0000     0     0 asymmetri Debian: 00ff: X509.rsa 00ff []\n"),
    ];

    private const string CoreInfo = "OSRELEASE=6.12.0\nPAGESIZE=4096\nSYMBOL(_stext)=ffffffff81000000\n"
        + "OFFSET(uts_namespace.name)=0\nSYMBOL(kallsyms_names)=ffffffff8230c7c8\nSIZE(page)=64\nKERNELOFFSET=0\n";

    private static readonly PatchManifest Manifest = new()
    {
        Schema = PatchManifest.SchemaName,
        Version = "1.0",
        Sequence = 1,
        Notice = "LPN-0001",
        KernelRelease = "6.12.0",
        Architecture = "x86_64",
        Module = new ManifestModule
        {
            Name = "livepatch_cmdline",
            Sha256 = new string('0', 64),
            Size = 1000,
            Functions = [new("vmlinux", "cmdline_proc_show", 1)],
        },
        Fixes = ["CVE-2026-0001"],
        CoveredUntil = new DateOnly(2030, 1, 1),
    };

    private static readonly PatchWithdrawal Withdrawal = new()
    {
        Schema = PatchWithdrawal.SchemaName,
        ManifestDigest = new string('0', 64),
        Reason = "it oopses",
    };

    private static readonly Catalogue Catalogue = new()
    {
        Schema = Catalogue.SchemaName,
        Architecture = "x86_64",
        KernelRelease = "6.12.0",
        Sequence = 1,
        IssuedAt = DateTimeOffset.UnixEpoch,
        ExpiresAt = DateTimeOffset.UnixEpoch.AddDays(7),
        Patches = [new CatalogueEntry
        {
            ManifestDigest = new string('0', 64),
            Version = "1.0",
            Sequence = 1,
            Withdrawal = new string('1', 64),
        }],
    };

    private static readonly PinSet Pins = new()
    {
        Schema = PinSet.SchemaName,
        Version = 1,
        Threshold = 2,
        Publishers =
        [
            Convert.ToBase64String(TestKeys.Publisher.RawData),
            Convert.ToBase64String(TestKeys.Stranger.RawData),
        ],
        Catalogue = [Convert.ToBase64String(TestKeys.Stranger.RawData)],
        Tls = [new string('0', 64)],
    };

    private static readonly TokenContent Token = new()
    {
        Server = "https://patches.example.org:8443",
        Secret = new string('s', 43),
        Tls = [new string('0', 64)],
        Catalogue = [new string('1', 64)],
        Publishers = [new string('2', 64)],
    };

    private static readonly AgentState State = new()
    {
        Conversation = new Conversation
        {
            Enrolment = Given.Enrolment,
            Assignment = new AssignmentRef("t", null, false, 900),
            CheckIn = new CheckInRecord { LastReport = new MachineReport { State = PatchState.Applied } },
            Outcomes = [new Outcome("id", Given.Now, OutcomeKind.Loaded, Given.Patch(1).ManifestDigest, null)],
        },
        Pursuit = new Pursuit(new Phase.Downloaded(Given.Patch(1))),
        Kernel = new KernelBelief { Running = new RunningPatch(Given.Patch(1), "b", Given.Now, null) },
        Record = new HostRecord
        {
            Quarantine = [new Quarantined(Given.Patch(2).ManifestDigest, "2", "why", Given.Now)],
            Floors = new Dictionary<string, Floor> { [Given.Release] = new(3, 2) },
            Hold = new Hold(new HistoryBy(0, 17, "bash"), Given.Now) { Available = Given.Patch(3) },
        },
        History = new HistoryMark().With(
            [
                new HistoryEvent(HistoryKind.Started) { Note = "0.1.0" },
                new HistoryEvent(HistoryKind.Loaded)
                {
                    By = new HistoryBy(0, 17, "livepatch-agent", "https://s"),
                    Patch = new HistoryPatch(new string('0', 64), "m", "1.0", new string('1', 64), new string('2', 64)),
                },
                new HistoryEvent(HistoryKind.Gap) { Missed = 3 },
            ],
            0, null, Given.Now, "b"),
    };

    private static readonly AgentStatus Status = new()
    {
        Schema = AgentStatus.SchemaName,
        Revision = 7,
        At = Given.Now,
        AgentVersion = "0.1.0",
        Settled = true,
        Kernel = new KernelStatus
        {
            Release = "6.12.0",
            Architecture = "x86_64",
            LivepatchSupported = true,
            Lockdown = "integrity",
            Taint = 32768,
            TaintFlags = "K",
            Coverage = CoverageState.Covered,
            CoveredUntil = new DateOnly(2027, 6, 30),
        },
        Enrolment = new EnrolmentStatus("https://s", "m", Given.Now),
        CheckIn = new CheckInStatus
        {
            Result = CheckInResult.Failed,
            LastAttempt = Given.Now,
            Problem = new Problem(ProblemCode.ServerUnreachable, "m", "c"),
        },
        State = PatchState.Stalled,
        Activity = new ActivityStatus
        {
            Kind = ActivityKind.WaitingForTasks,
            Since = Given.Now,
            Tasks = [new(1, 2, "comm", "x.service", ["f"])],
            TaskCount = 1,
        },
        Loaded = [new("livepatch_1", true, true, true, [new("vmlinux", "f", 1)])],
        Hold = new HoldStatus { Since = Given.Now, By = new HoldAsker { Uid = 0, Program = "bash" } },
    };

    private static byte[] Pkcs7(Action<CmsSigner> change)
    {
        var signer = CmsEnvelope.Signer(TestKeys.Publisher, Algorithms.Sha512);
        change(signer);
        var cms = new SignedCms(new ContentInfo([1, 2, 3]), detached: true);
        cms.ComputeSignature(signer, silent: true);
        return cms.Encode();
    }

    private static byte[] Json<T>(T value, System.Text.Json.Serialization.Metadata.JsonTypeInfo<T> type) =>
        JsonSerializer.SerializeToUtf8Bytes(value, type);

    private static string CorpusFolder([CallerFilePath] string here = "") =>
        Path.GetFullPath(Path.Combine(Path.GetDirectoryName(here)!, "..", "Fuzz", "corpus"));
}
