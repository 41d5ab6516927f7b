using System.Globalization;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Core.Agent;

/// <summary>The agent's own refusals in words: what, on what, why, and the cure.</summary>
internal static class Problems
{
    internal static readonly TimeSpan ClockTolerance = TimeSpan.FromHours(1);

    public static Problem AlreadyEnrolled(Enrolment enrolment) =>
        new(
            ProblemCode.AlreadyEnrolled,
            $"cannot enrol: this host is enrolled with {enrolment.Server} already",
            "run `livepatch-agent disable` first");

    public static Problem StillSwitching(PatchRef patch) =>
        new(
            ProblemCode.KernelBusy,
            $"cannot enrol: the kernel is still switching to {patch.Name}",
            "wait until `livepatch-agent status` says that it is over, then run `livepatch-agent enable` again");

    /// <summary>What would have been tried again if it had not been tried often enough.</summary>
    public static Problem GivenUp(Problem problem, int tries)
    {
        var isRetried = problem.Cure.EndsWith(Problem.TriedAgain, StringComparison.Ordinal);
        var cure = isRetried ? problem.Cure[..^Problem.TriedAgain.Length] : problem.Cure + "; ";
        return problem with
        {
            Message = $"{problem.Message} ({Number(tries)} tries)",
            Cure = (cure.Length > 0 ? cure[..^2] + ", then " : "") + "run `livepatch-agent enable` again",
        };
    }

    public static Problem NotEnrolled() =>
        new(
            ProblemCode.NotEnrolled,
            "cannot check in: this host is not enrolled",
            "run `livepatch-agent enable TOKEN`");

    public static Problem RemovedByHand(PatchRef patch) =>
        new(
            ProblemCode.PatchRemovedByHand,
            $"cannot report {patch.Name} as applied: somebody switched it off on this host",
            "run `livepatch-agent refresh` to apply it again");

    public static Problem Reversed(PatchRef patch) =>
        new(
            ProblemCode.TransitionReversed,
            $"cannot apply {patch.Name}: its transition was reversed before it was complete",
            "run `livepatch-agent refresh` to try again");

    public static Problem Stalled(PatchRef patch, HostSnapshot host, TimeSpan age)
    {
        var first = host.BlockingTasks is [var task, ..] ? $", the first is {task.Comm} ({task.Tid})" : "";
        var tasks = Number(host.BlockingTaskCount);
        var what = host.Sight(patch.Name) is PatchSighting.Reverting
            ? $"cannot finish taking {patch.Name} back: {tasks} tasks still run its code"
            : $"cannot finish switching to {patch.Name}: {tasks} tasks still run old code";
        return new Problem(
            ProblemCode.TransitionStalled,
            $"{what} after {age.TotalSeconds:F0} s{first}",
            "restart or signal those tasks; meanwhile the host runs as before");
    }

    public static Problem KernelWithoutLivepatch(string release) =>
        new(
            ProblemCode.KernelWithoutLivepatch,
            $"cannot live-patch kernel {release}: it was built without CONFIG_LIVEPATCH",
            "boot a kernel that has /sys/kernel/livepatch");

    public static Problem SwitchedOff(PatchRef patch) =>
        new(
            ProblemCode.SwitchedOff,
            $"cannot load {patch.Name}: this host is set to observe only",
            "take livepatch_agent=observe off the kernel command line or empty /etc/livepatch-agent/mode");

    /// <summary>The kill switch stands at off.</summary>
    public static Problem SwitchedOff() =>
        new(
            ProblemCode.SwitchedOff,
            "cannot do anything: the kill switch of this host is set to off",
            "take livepatch_agent=off off the kernel command line; make /etc/livepatch-agent/mode an empty file, "
            + "as one that cannot be read counts as off");

    public static Problem Quarantined(Quarantined quarantined)
    {
        var what = $"cannot load patch {quarantined.Version}: it is quarantined on this host: {quarantined.Reason}";
        var release = $"`livepatch-agent quarantine release {Concerns.Quarantines.NameOf(quarantined)}`";
        var cure = $"publish a better one, or run {release} to try it again";
        return new Problem(ProblemCode.PatchQuarantined, what, cure);
    }

    public static Problem NotQuarantined(string name) =>
        new(
            ProblemCode.NotFound,
            $"cannot release {name}: no quarantined patch has this name, version or manifest",
            "`livepatch-agent quarantine list` shows those that are quarantined");

    public static Problem AmbiguousRelease(string name, IEnumerable<string> candidates) =>
        new(
            ProblemCode.RequestInvalid,
            $"cannot release {name}: it could mean {string.Join(" or ", candidates)}",
            "use the first characters of one manifest's digest instead");

    public static Problem NameTaken(PatchRef patch, string why) =>
        new(
            ProblemCode.KernelModuleExists,
            $"cannot load {patch.Name}: {why}",
            $"remove module {patch.Name} by hand, then run `livepatch-agent refresh`");

    public static Problem LoadNeverEnded(PatchRef patch, int attempts) =>
        new(
            ProblemCode.KernelError,
            $"cannot load {patch.Name}: the daemon ended {Number(attempts)} times while loading it",
            "look at `journalctl -u livepatch-agentd` and at the kernel's log");

    public static Problem NotInCatalogue(string manifest, long sequence) =>
        new(
            ProblemCode.ManifestMismatch,
            $"cannot accept patch {manifest[..12]}…: catalogue {Number(sequence)} does not list it",
            "the host keeps what it runs; contact the server's operator");

    public static Problem Withdrawn(string version) =>
        new(
            ProblemCode.PatchWithdrawn,
            $"cannot load patch {version}: its publisher withdrew it",
            "wait for the next patch");

    /// <summary>Somebody may be holding back what has not arrived for so long.</summary>
    public static Problem NothingFresh(DateTimeOffset expired) =>
        new(
            ProblemCode.CatalogueExpired,
            "cannot know whether there is a newer patch: "
            + $"the last catalogue expired at {expired:u}, and none has arrived since",
            "find out why the server cannot be reached, or who withholds catalogues; the host keeps what it runs");

    public static Problem WrongKernel(PatchRef patch, HostSnapshot host) =>
        new(
            ProblemCode.ModuleKernelMismatch,
            $"cannot load {patch.Name}: it was built for {patch.KernelRelease}, "
            + $"this host runs {host.KernelRelease} {host.Architecture}",
            "publish a patch built for this kernel");

    public static Problem RolledBack(PatchRef patch, long floor) =>
        new(
            ProblemCode.PatchRolledBack,
            $"cannot load patch {patch.Version}: its sequence is {Number(patch.Sequence)}, "
            + $"and this host has run sequence {Number(floor)}",
            "withdraw the newer one with `livepatch-publisher withdraw` if going back is intended");

    /// <summary>
    /// A warning as well: the catalogue's signer has seen a later time, whatever the server that answers says.
    /// </summary>
    public static Problem? ClockSetBack(DateTimeOffset? signed, DateTimeOffset host) =>
        signed is { } time && time - host > ClockTolerance
            ? ClockWrong($"it says {host:u}, but a catalogue issued at {time:u} has been seen")
            : null;

    /// <summary>A warning, not a refusal: null while the clocks agree within an hour.</summary>
    public static Problem? ClockFarOff(DateTimeOffset server, DateTimeOffset host) =>
        (server - host).Duration() > ClockTolerance
            ? ClockWrong($"it says {host:u} and the server {server:u}")
            : null;

    private static Problem ClockWrong(string why) =>
        new(ProblemCode.ClockWrong, $"cannot trust this host's clock: {why}", "set the clock");

    private static string Number(long value) => value.ToString(CultureInfo.InvariantCulture);
}
