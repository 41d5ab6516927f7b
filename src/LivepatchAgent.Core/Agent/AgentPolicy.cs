namespace LivepatchAgent.Core.Agent;

/// <summary>The host administrator's settings, read from agent.conf once and validated.</summary>
public sealed record AgentPolicy
{
    /// <summary>
    /// A transition older than this is called stalled. The kernel itself sends its fake signal after 15 s.
    /// </summary>
    public TimeSpan StallAfter { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>Reverse a stalled transition after this time; null waits as long as it takes.</summary>
    public TimeSpan? ReverseAfter { get; init; }

    /// <summary>A patch that ran this long without the host going down is trusted at the next boot.</summary>
    public TimeSpan Probation { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>How often a load that never came to an end is started over.</summary>
    public int MaxLoadAttempts { get; init; } = 3;
}

/// <summary>The pace of everything: all intervals, limits and backoffs in one place.</summary>
public static class Cadence
{
    public static readonly TimeSpan BackoffStart = TimeSpan.FromSeconds(5);
    public static readonly TimeSpan BackoffCap = TimeSpan.FromMinutes(15);

    /// <summary>An `enable` at a terminal is answered, not retried for ever.</summary>
    public const int MaxEnrolAttempts = 3;

    /// <summary>
    /// After this many boots in a row that end uncleanly soon after the load, a patch that had survived before is held
    /// responsible: chance rarely strikes so often, and a boot loop always does.
    /// </summary>
    public const int MaxCrashes = 3;

    /// <summary>How many outcomes are kept for a server that was away for long.</summary>
    public const int MaxOutcomes = 64;

    /// <summary>
    /// How long the clock looks after a replaced module; after that, whatever wakes the daemon is enough.
    /// </summary>
    public static readonly TimeSpan LeftoverWatch = TimeSpan.FromMinutes(10);

    /// <summary>A verified catalogue is looked at again after this time, long before it expires.</summary>
    public static readonly TimeSpan CatalogueAge = TimeSpan.FromHours(24);

    /// <summary>
    /// Full jitter (a random part of a doubling bound), so that a fleet does not come back in one wave.
    /// </summary>
    public static TimeSpan Backoff(int failures, double jitter)
    {
        var doubled = BackoffStart.TotalSeconds * Math.Pow(2, Math.Clamp(failures - 1, 0, 20));
        var bound = Math.Min(BackoffCap.TotalSeconds, doubled);
        return TimeSpan.FromSeconds(Math.Max(1, bound * jitter));
    }

    /// <summary>
    /// No time that is written down lies farther ahead; one that does comes from a clock that was wrong.
    /// </summary>
    public static readonly TimeSpan LongestWait = TimeSpan.FromDays(8);

    /// <summary>
    /// A held check-in that ends sooner is not held at all: the server, or something in between, does not do it.
    /// </summary>
    public static readonly TimeSpan ShortestHold = TimeSpan.FromSeconds(10);

    /// <summary>So many held check-ins may end at once, one after the other, before the next one waits.</summary>
    private const int FreeShortHolds = 2;

    /// <summary>Whether it is time, also when the clock was put back since the time was set.</summary>
    public static bool IsDue(DateTimeOffset at, DateTimeOffset now, TimeSpan farthest) =>
        now >= at || at - now > farthest;

    /// <summary>A server that answers at once what it should hold is polled, ever more slowly.</summary>
    public static TimeSpan HoldPause(int shortHolds, double jitter) =>
        shortHolds <= FreeShortHolds ? TimeSpan.Zero : Backoff(shortHolds - FreeShortHolds, jitter);

    /// <summary>Somebody waits at a terminal.</summary>
    public static TimeSpan EnrolBackoff(int failures, double jitter) => TimeSpan.FromSeconds(0.5 + failures * jitter);

    /// <summary>
    /// /dev/kmsg shows when a transition ends; looking is the net below it, and it finds the tasks that hold it up.
    /// </summary>
    public static TimeSpan TransitionPace(TimeSpan age) => age switch
    {
        { TotalSeconds: < 2 } => TimeSpan.FromMilliseconds(100),
        { TotalSeconds: < 20 } => TimeSpan.FromSeconds(1),
        { TotalMinutes: < 10 } => TimeSpan.FromSeconds(10),
        _ => TimeSpan.FromMinutes(1),
    };

    /// <summary>
    /// How soon the kernel's patches are looked at again, no matter who loaded them; null where each is applied and
    /// stays so. The kernel writes its log lines just before it changes what sysfs shows (klp_start_transition and
    /// klp_complete_transition in kernel/livepatch/transition.c): what is seen at a line may be the opposite of what
    /// is.
    /// </summary>
    /// <param name="patches">As they were seen.</param>
    /// <param name="age">Since the last line, or since they began to move.</param>
    public static TimeSpan? NextLook(IReadOnlyList<Wire.LoadedPatch> patches, TimeSpan age)
    {
        foreach (var patch in patches)
        {
            if (patch.Transition || !patch.Enabled) return TransitionPace(age);
        }

        return null;
    }

    /// <summary>Another transition keeps the kernel busy for seconds as a rule.</summary>
    private static readonly TimeSpan BusyPause = TimeSpan.FromSeconds(2);

    /// <summary>So many times a busy kernel is asked again soon, before the pauses grow.</summary>
    private const int SoonLoads = 4;

    /// <summary>Before the kernel is asked again to take a patch, after so many answers that it is busy.</summary>
    public static TimeSpan LoadPause(int failures, double jitter) =>
        failures <= SoonLoads ? BusyPause : Backoff(failures - SoonLoads, jitter);

    /// <summary>The journal is saved, or read, again after this time when the disk has failed.</summary>
    public static readonly TimeSpan DiskPause = TimeSpan.FromSeconds(10);

    /// <summary>So many looks at the kernel in a row that fail are a problem.</summary>
    public const int FailedLooks = 3;

    private static readonly TimeSpan FirstLookPause = TimeSpan.FromMilliseconds(40);

    /// <summary>Doubled with each look at the kernel that fails, up to ten seconds.</summary>
    public static TimeSpan LookPause(int failedLooks) => FirstLookPause * (1 << Math.Clamp(failedLooks, 0, 8));

    /// <summary>A rest longer than this is one to give memory back for.</summary>
    public static readonly TimeSpan LongRest = TimeSpan.FromSeconds(5);

    /// <summary>A running patch that somebody else switches off and on again.</summary>
    public static readonly TimeSpan OthersTransition = TimeSpan.FromSeconds(1);

    /// <summary>What a server asks for, within reason.</summary>
    public static TimeSpan Interval(int seconds) => TimeSpan.FromSeconds(Math.Clamp(seconds, 60, 7 * 86400));

    /// <summary>Full interval less up to a tenth, so that hosts drift apart.</summary>
    public static TimeSpan CheckIn(TimeSpan interval, double jitter) => interval * (1 - (0.1 * jitter));
}
