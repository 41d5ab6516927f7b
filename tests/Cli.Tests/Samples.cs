using LivepatchAgent.Cli.Local;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Cli.Tests;

/// <summary>A status for every way a host can stand.</summary>
internal static class Samples
{
    public static readonly DateTimeOffset Now = new(2026, 11, 23, 12, 0, 0, TimeSpan.Zero);

    public static readonly PatchStatus Patch = new()
    {
        Name = "livepatch_lpn_0002",
        Version = "2.1",
        Notice = "LPN-0002",
        Fixes = ["CVE-2026-0001", "CVE-2026-0002"],
        ManifestDigest = new string('a', 64),
        Sequence = 2,
        AppliedAt = Now.AddHours(-3),
    };

    public static readonly LoadedPatch Loaded = new("livepatch_lpn_0002", true, false, true,
        [new("vmlinux", "cmdline_proc_show"), new("vmlinux", "meminfo_proc_show", 2), new("nfsd", "nfsd_open")]);

    public static readonly QuarantinedPatch[] Quarantine =
    [
        new()
        {
            Name = "livepatch_lpn_0003",
            Version = "3.0",
            ManifestDigest = new string('c', 64),
            Reason = "the host went down while the patch was being loaded",
            At = Now.AddDays(-1),
        },
        new() { Version = "1.\n9", ManifestDigest = "d", Reason = "the host went down\e[2J", At = Now.AddDays(-9) },
    ];

    private static readonly PatchStatus Newer = Patch with
    {
        Version = "3.0", Notice = "LPN-0003", Fixes = ["CVE-2026-0003"], AppliedAt = null,
    };

    private static readonly HoldStatus Held = new()
    {
        Since = Now.AddHours(-2), By = new HoldAsker { Uid = 1000, Program = "livepatch-agent" },
    };

    public static readonly AgentStatus Applied = new()
    {
        Schema = AgentStatus.SchemaName,
        Revision = 7,
        At = Now,
        AgentVersion = "0.1.0",
        Settled = true,
        Kernel = new KernelStatus
        {
            Release = "6.12.117+deb12-cloud-amd64",
            Architecture = "x86_64",
            LivepatchSupported = true,
            Lockdown = "integrity",
            Taint = 32768,
            TaintFlags = "K",
            Coverage = CoverageState.Covered,
            CoveredUntil = new DateOnly(2027, 6, 30),
        },
        Enrolment = new EnrolmentStatus("https://livepatch.example", "m-1", Now.AddDays(-3)),
        CheckIn = new CheckInStatus
        {
            Result = CheckInResult.Succeeded,
            LastAttempt = Now.AddSeconds(-12),
            LastSuccess = Now.AddSeconds(-12),
            Listening = true,
        },
        State = PatchState.Applied,
        Patch = Patch,
        Loaded = [Loaded],
    };

    private static readonly AgentStatus Bare = Applied with
    {
        State = PatchState.NotEnrolled, Enrolment = null, Patch = null, Loaded = [],
        Kernel = Applied.Kernel with { Coverage = CoverageState.Unknown, CoveredUntil = null },
        CheckIn = new CheckInStatus { Result = CheckInResult.Never },
    };

    private static readonly AgentStatus Waiting = Applied with
    {
        State = PatchState.NothingToApply, Patch = null, Loaded = [], Kernel = Bare.Kernel,
    };

    private static readonly BlockingTask[] Tasks =
    [
        new(4711, 4711, "nfsd", "nfs-server.service", ["svc_recv", "nfsd"]),
        new(812, 800, "evil\e[2J\nname", null, []),
    ];

    private static readonly Problem Unreachable = new(
        ProblemCode.ServerUnreachable,
        "cannot reach livepatch.example: connection refused",
        "nothing to do here: the agent tries again");

    private static readonly Problem ClockWrong = new(
        ProblemCode.ClockWrong,
        "cannot trust this host's clock: it says 1999",
        "set the clock");

    private static readonly Problem TokenExpired = new(
        ProblemCode.TokenExpired,
        "cannot enrol: the token expired on 2026-11-20",
        "make a new one with `livepatch-server token create`");

    private static readonly Problem TransitionStalled = new(
        ProblemCode.TransitionStalled,
        "cannot finish switching to livepatch_lpn_0002: 1 tasks still run old code after 360 s",
        "restart or signal those tasks");

    private static readonly Problem SignatureInvalid = new(
        ProblemCode.ModuleSignatureInvalid,
        "cannot load livepatch_lpn_0003: its signature does not fit its bytes",
        "publish it again; the host keeps what it runs");

    private static readonly Problem Unsigned = new(
        ProblemCode.ModuleUnsigned,
        "cannot load livepatch_lpn_0003: it is not signed",
        "sign it with `livepatch-publisher sign`");

    private static readonly Problem KeyRejected = new(
        ProblemCode.KernelKeyRejected,
        "cannot load livepatch_lpn_0002: the kernel does not know its signer (EKEYREJECTED)",
        "enrol the publisher's certificate with mokutil and reboot");

    private static readonly Problem WithoutLivepatch = new(
        ProblemCode.KernelWithoutLivepatch,
        "cannot live-patch kernel 6.12.117+deb12-cloud-amd64: it was built without CONFIG_LIVEPATCH",
        "boot a kernel that has /sys/kernel/livepatch");

    /// <summary>Name of the golden file → status → exit code of `status` and of `enable` when it ends so.</summary>
    public static readonly IReadOnlyDictionary<string, (AgentStatus Status, int Shown, int Outcome)> All =
        new Dictionary<string, (AgentStatus, int, int)>
        {
            ["applied"] = (Applied, 0, 0),
            ["applied-no-coverage-end"] = (CoveredUntil(null) with { Patch = Patch with { Fixes = [] } }, 0, 0),
            ["applied-coverage-ended"] = (Covered(CoverageState.Ended, new DateOnly(2026, 11, 1)), 1, 0),
            ["applied-coverage-ended-undated"] = (Covered(CoverageState.Ended, null), 1, 0),
            ["applied-withdrawn"] = (Applied with { Patch = Patch with { Withdrawn = "oopses under\nload" } }, 1, 0),
            ["applied-check-in-failed"] = (Applied with { CheckIn = Failed(Now.AddHours(-5)) }, 1, 1),
            ["applied-clock-off"] = (Applied with { CheckIn = Applied.CheckIn with { Problem = ClockWrong } }, 0, 0),
            ["applied-last-check-in-future"] = (CheckedIn(Now.AddDays(2)), 0, 0),
            ["applied-removing-old"] = (RemovingOld, 0, 0),
            ["applied-other-livepatch"] = (WithOther, 0, 0),
            ["applied-not-in-kernel"] = (Applied with { Loaded = [] }, 0, 0),
            ["applied-held"] = (Applied with { Hold = Held }, 0, 0),
            ["applied-held-available"] = (Applied with { Hold = Held with { Available = Newer } }, 0, 0),
            ["nothing-to-apply-held"] = (HeldAtNothing, 0, 0),
            ["not-enrolled"] = (Bare, 3, 3),
            ["not-enrolled-but-patched"] = (Bare with { Loaded = [Loaded] }, 3, 3),
            ["not-enrolled-enrolling"] = (Enrolling, 2, 2),
            ["not-enrolled-refused"] = (Bare with { Problem = TokenExpired }, 3, 1),
            ["needs-check"] = (CheckingIn, 2, 2),
            ["needs-check-failed"] = (NeedsCheck with { CheckIn = Failed(null), Problem = Unreachable }, 1, 1),
            ["nothing-to-apply"] = (Waiting, 0, 0),
            ["nothing-to-apply-not-covered"] = (NotCovered, 0, 0),
            ["applying-manifest"] = (Applying(Doing(ActivityKind.FetchingManifest)), 2, 2),
            ["applying-downloading"] = (Applying(Downloading(1_300_000, 3_600_000)), 2, 2),
            ["applying-downloading-unsized"] = (Applying(Downloading(100, null)), 2, 2),
            ["applying-verifying"] = (Applying(Doing(ActivityKind.Verifying)), 2, 2),
            ["applying-loading"] = (Applying(Doing(ActivityKind.Loading)), 2, 2),
            ["applying-transition"] = (InTransition, 2, 2),
            ["applying-reversing"] = (Reversing, 2, 2),
            ["applying-unsaid"] = (Applying(null), 2, 2),
            ["stalled"] = (StalledBy(ActivityKind.WaitingForTasks, 5, Tasks), 1, 1),
            ["stalled-reversing"] = (StalledBy(ActivityKind.Reversing, 1, Tasks[..1]), 1, 1),
            ["stalled-problem"] = (
                StalledBy(ActivityKind.WaitingForTasks, 1, Tasks[..1]) with { Problem = TransitionStalled }, 1, 1),
            ["stalled-unsaid"] = (Stalled, 1, 1),
            ["refused"] = (Waiting with { State = PatchState.Refused, Problem = SignatureInvalid }, 1, 1),
            ["refused-older-runs"] = (Applied with { State = PatchState.Refused, Problem = Unsigned }, 1, 1),
            ["apply-failed"] = (Waiting with { State = PatchState.ApplyFailed, Problem = KeyRejected }, 1, 1),
            ["unsupported"] = (Unsupported, 1, 1),
            ["unsupported-switched-off"] = (Waiting with { State = PatchState.Unsupported }, 1, 1),
        };

    private static AgentStatus HeldAtNothing =>
        Waiting with { Hold = new HoldStatus { Since = Now, Available = Newer } };

    private static AgentStatus NeedsCheck => Waiting with { State = PatchState.NeedsCheck };

    private static AgentStatus CheckingIn =>
        NeedsCheck with { CheckIn = Bare.CheckIn, Activity = Doing(ActivityKind.CheckingIn) };

    private static AgentStatus Enrolling => Bare with { Settled = false, Activity = Doing(ActivityKind.Enrolling) };

    private static AgentStatus WithOther =>
        Applied with { Loaded = [Loaded, Loaded with { Name = "kpatch_other" }] };

    private static AgentStatus NotCovered =>
        Waiting with { Kernel = Bare.Kernel with { Coverage = CoverageState.NotCovered } };

    private static AgentStatus Unsupported => Waiting with
    {
        State = PatchState.Unsupported,
        Kernel = Bare.Kernel with { LivepatchSupported = false },
        Problem = WithoutLivepatch,
    };

    private static AgentStatus RemovingOld => Applied with
    {
        Settled = false,
        Activity = Doing(ActivityKind.RemovingOldModule),
        Loaded = [Loaded, Loaded with { Name = "livepatch_lpn_0001", Enabled = false }],
    };

    private static AgentStatus InTransition =>
        Applying(Doing(ActivityKind.WaitingForTasks) with { TaskCount = 3 }) with
        {
            Patch = Patch with { AppliedAt = null },
            Loaded = [Loaded with { Transition = true }],
        };

    private static AgentStatus Reversing => Applying(Doing(ActivityKind.Reversing)) with
    {
        Patch = Patch,
        Loaded = [Loaded with { Enabled = false, Transition = true }],
    };

    private static AgentStatus Stalled => Applied with
    {
        State = PatchState.Stalled,
        Settled = false,
        Loaded = [Loaded with { Transition = true }],
        Patch = Patch with { AppliedAt = null },
    };

    private static AgentStatus StalledBy(ActivityKind kind, int count, BlockingTask[] tasks)
    {
        var activity = new ActivityStatus { Kind = kind, Since = Now.AddMinutes(-6), Tasks = tasks, TaskCount = count };
        return Stalled with { Activity = activity };
    }

    private static AgentStatus CoveredUntil(DateOnly? day) => Covered(CoverageState.Covered, day);

    private static AgentStatus Covered(CoverageState coverage, DateOnly? until) =>
        Applied with { Kernel = Applied.Kernel with { Coverage = coverage, CoveredUntil = until } };

    private static AgentStatus CheckedIn(DateTimeOffset at) =>
        Applied with { CheckIn = Applied.CheckIn with { LastAttempt = at } };

    private static AgentStatus Applying(ActivityStatus? activity) =>
        Waiting with { State = PatchState.Applying, Settled = false, Activity = activity };

    private static ActivityStatus Doing(ActivityKind kind) => new() { Kind = kind, Since = Now.AddSeconds(-4) };

    private static ActivityStatus Downloading(long bytes, long? total) =>
        Doing(ActivityKind.Downloading) with { Bytes = bytes, TotalBytes = total };

    private static CheckInStatus Failed(DateTimeOffset? success) => new()
    {
        Result = CheckInResult.Failed,
        LastAttempt = Now.AddSeconds(-70),
        LastSuccess = success,
        Problem = Unreachable,
    };

    public static StatusReading Reading(AgentStatus status) => new(status, UnknownWords.None);
}
