namespace LivepatchAgent.Model;

/// <summary>What holds whatever befalls a host. docs/safety.md is this list, and a test compares the two.</summary>
/// <param name="Name">A word or two.</param>
/// <param name="Sentence">What holds.</param>
/// <param name="Check">What in the model checks it.</param>
internal sealed record Invariant(string Name, string Sentence, string Check)
{
    private const string Load = $"{nameof(Oracle)}.{nameof(Oracle.Loads)}";
    private const string End = $"{nameof(Oracle)}.{nameof(Oracle.BootEnds)}";
    private const string Save = $"{nameof(Oracle)}.{nameof(Oracle.Saves)}";
    private const string Show = $"{nameof(Oracle)}.{nameof(Oracle.Shows)}";
    private const string Whole = $"{nameof(Run)}.{nameof(Run.Of)}";
    private const string Step = $"{nameof(Oracle)}.{nameof(Oracle.Performs)}";

    public static readonly Invariant QuarantinedLoad = new(
        "quarantined-load",
        "A patch that is quarantined on a host is never loaded there.",
        Load);

    public static readonly Invariant WithdrawnLoad = new(
        "withdrawn-load",
        "A patch whose withdrawal a host has verified is never loaded there, whatever a later catalogue says.",
        Load);

    public static readonly Invariant UnverifiedLoad = new(
        "unverified-load",
        "Only a module that this run of the daemon has verified and holds open is loaded.",
        Load);

    public static readonly Invariant Floor = new(
        "floor",
        "No patch is loaded below the highest one that the host has run and that was not withdrawn, "
        + "except the last that survived its probation.",
        Load);

    public static readonly Invariant OneAtATime = new(
        "one-at-a-time",
        "No patch is loaded while the kernel is switching to another one of ours.",
        Load);

    public static readonly Invariant IntentFirst = new(
        "intent-first",
        "No patch is loaded unless the journal on the disk names the patch and this boot, "
        + "and records no clean stop.",
        Load);

    public static readonly Invariant HandsOff = new(
        "hands-off",
        "Nothing is loaded while the mode is observe or off, or without an enrolment.",
        Load);

    public static readonly Invariant CrashBound = new(
        "crash-bound",
        "A patch takes a host down once while it is loaded, in transition or in its probation; "
        + "a patch that has survived a probation before may do so three times in a row.",
        End);

    public static readonly Invariant ThreeStrikes = new(
        "three-strikes",
        "A patch that survived its probation is quarantined after three unclean ends in a row, not sooner.",
        Save);

    public static readonly Invariant OrderlyEnd = new(
        "orderly-end",
        "An orderly end of a boot quarantines nothing.",
        Save);

    public static readonly Invariant QuarantineKept = new(
        "quarantine-kept",
        "A quarantine outlasts everything but an explicit release, which frees that one patch only.",
        Save);

    public static readonly Invariant HeldLoad = new(
        "held-load",
        "A held host loads no new patch, only the one that it ran last or the last that survived its probation.",
        Load);

    public static readonly Invariant HoldKept = new(
        "hold-kept",
        "A hold outlasts everything but `unhold`, and nothing but `hold` begins one.",
        Save);

    public static readonly Invariant NothingLost = new(
        "nothing-lost",
        "Nothing that was recorded is lost to a kill or a power cut: "
        + "outcomes until the server has them, floors, the history.",
        Save);

    public static readonly Invariant Truth = new(
        "truth",
        "Status reports applied only for a patch that the kernel shows with enabled=1 and transition=0, "
        + "names no patch that the kernel does not have, and shows a hold and a quarantine as they are.",
        Show);

    public static readonly Invariant Arrival = new(
        "arrival",
        "Once faults stop and the host is not held, it runs the newest patch within 200 turns, "
        + "or its fallback if that one is quarantined; "
        + "if a refusal stands until the next boot, within 200 turns of that boot.",
        Whole);

    public static readonly Invariant Return = new(
        "return",
        "After an orderly reboot a host loads again what it ran, held or not, without the server, within 100 turns.",
        Whole);

    public static readonly Invariant Pace = new(
        "pace",
        "Effects and journal writes are bounded: 60 an hour, and 40 more for each thing that happens.",
        Step);

    public static readonly Invariant NoException = new(
        "no-exception",
        "No decision ends in an exception, and the journal is read back as it was written.",
        Whole);

    public static readonly IReadOnlyList<Invariant> All =
    [
        QuarantinedLoad, WithdrawnLoad, UnverifiedLoad, Floor, OneAtATime, IntentFirst, HandsOff, CrashBound,
        ThreeStrikes, OrderlyEnd, QuarantineKept, HeldLoad, HoldKept, NothingLost, Truth, Arrival, Return, Pace,
        NoException,
    ];
}

/// <summary>An invariant that did not hold.</summary>
/// <param name="Invariant">Which.</param>
/// <param name="Kind">The invariant's name, and after a slash in what way.</param>
/// <param name="Turn">When.</param>
/// <param name="What">In words.</param>
internal sealed record Violation(Invariant Invariant, string Kind, int Turn, string What);
