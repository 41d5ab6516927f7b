namespace LivepatchAgent.Model;

/// <summary>
/// A fault of the agent's that is known and not mended yet. What the model finds of it is counted and does not fail.
/// Once it is mended its sequence no longer shows it: a test says so, and the entry goes.
/// </summary>
/// <param name="Kind">As <see cref="Violation.Kind"/>.</param>
/// <param name="Sequence">The name of a sequence in sequences.txt that shows it.</param>
/// <param name="Fault">In plain words.</param>
internal sealed record KnownOpen(string Kind, string Sequence, string Fault)
{
    private const string Forgotten =
        "a withdrawal that was read is remembered for the running patch alone: the host falls back to a withdrawn "
        + "patch, and loads one again once a catalogue no longer names its withdrawal";

    private const string OneStrike =
        "a patch that survived before is quarantined by one unclean end while it is loaded again or in transition";

    private const string RowNotBroken =
        "an orderly end while a patch is loaded again does not end its row of unclean ones";

    private const string DeadDaemon =
        "an orderly end counts as a crash when the daemon was dead: the mark that the system leaves is not asked";

    private const string NotLifted =
        "what the kernel refused or somebody switched off stays refused in the next boot, which is the cure";

    public static readonly IReadOnlyList<KnownOpen> All =
    [
        new("withdrawn-load", "withdrawn-fallback", Forgotten),
        new("three-strikes/loading", "one-strike-loading", OneStrike),
        new("three-strikes/transitioning", "one-strike-transition", OneStrike),
        new("three-strikes/running", "row-not-broken", RowNotBroken),
        new("orderly-end/loading", "dead-daemon-loading", DeadDaemon),
        new("orderly-end/running", "dead-daemon-running", DeadDaemon),
        new("orderly-end/transitioning", "dead-daemon-transition", DeadDaemon),
        new("truth/applied-reverting", "applied-reverting", "a patch that is being switched off is shown as applied"),
        new("truth/stalled", "stalled-before", "while the disk takes nothing, a stall of the boot before is shown"),
        new("arrival/kernel-key-rejected", "key-missing", NotLifted),
        new("arrival/kernel-not-permitted", "modules-disabled", NotLifted),
        new("arrival/kernel-module-format", "bad-format", NotLifted),
        new("arrival/kernel-invalid-argument", "invalid", NotLifted),
        new("arrival/kernel-symbol-missing", "no-symbol", NotLifted),
        new("arrival/kernel-error", "kernel-error", NotLifted),
        new("arrival/patch-removed-by-hand", "removed-by-hand", NotLifted),
        new("arrival/transition-reversed", "reversed", NotLifted),
        new("arrival/kernel-no-memory", "no-memory", "one moment without memory leaves the host unpatched"),
    ];

    public static bool Has(string kind) => All.Any(known => known.Kind == kind);
}
