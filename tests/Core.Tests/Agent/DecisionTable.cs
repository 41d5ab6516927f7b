using System.Text.RegularExpressions;
using LivepatchAgent.Core.Agent;
using LivepatchAgent.Core.History;
using LivepatchAgent.Core.Kernel;

namespace LivepatchAgent.Core.Tests.Agent;

/// <summary>
/// What the agent does for every phase, whatever else it believes in force, whatever the kernel shows of the patch
/// concerned, in the same boot and after a clean and an unclean reboot. Written by hand from the design;
/// <see cref="Table_HasARowForEveryPhaseSubjectAndBoot"/> proves that none is missing.
/// </summary>
public partial class DecisionTable
{
    /// <remarks>
    /// subject: which patch is seen so. "running" is patch 1, in force and past its probation; "probation" the same
    /// within it; "target" is patch 2, on its way or refused, while nothing else runs; "upgrade" is patch 2 while patch
    /// 1 is in force; "nothing" is a patch that nobody knows. One cell in a row is for whatever is seen; else a row has
    /// two more lines, of three cells each.
    /// </remarks>
    private const string Table = """
        phase                   subject            boot
            | absent                  | lingering               | switching
            | running                 | reverting               | disabled
        not-enrolled            nothing            any            | rest
        not-enrolled            running,probation  same
            | believe not-enrolled    | believe not-enrolled    | rest
            | rest                    | rest                    | believe not-enrolled
        not-enrolled            running,probation  clean,unclean  | believe not-enrolled
        enrolling               nothing,running,probation  any    | enrol
        resting                 nothing            any            | listen
        resting                 running,probation  same
            | believe refused         | believe refused         | listen
            | listen                  | listen                  | believe refused
        resting                 running            clean,unclean  | believe downloaded 1
        resting                 probation          clean          | believe downloaded 1
        resting                 probation          unclean        | believe refused
        offered                 nothing            any            | fetch-catalogue
        offered                 running,probation  same
            | believe refused         | believe refused         | fetch-catalogue
            | fetch-catalogue         | fetch-catalogue         | believe refused
        offered                 running            clean,unclean  | believe downloaded 1
        offered                 probation          clean          | believe downloaded 1
        offered                 probation          unclean        | believe refused
        listed                  nothing            any            | fetch-manifest
        listed                  running,probation  same
            | believe refused         | believe refused         | fetch-manifest
            | fetch-manifest          | fetch-manifest          | believe refused
        listed                  running            clean,unclean  | believe downloaded 1
        listed                  probation          clean          | believe downloaded 1
        listed                  probation          unclean        | believe refused
        downloading             target             any            | download
        downloading             running,probation  same
            | believe refused         | believe refused         | download
            | download                | download                | believe refused
        downloading             running            clean,unclean  | believe downloaded 1
        downloading             probation          clean          | believe downloaded 1
        downloading             probation          unclean        | believe refused
        downloading             upgrade            same           | download
        downloading             upgrade            clean,unclean  | believe downloaded 1
        downloaded              target             any            | verify
        downloaded              running,probation  same           | verify
        downloaded              running            clean,unclean  | believe downloaded 1
        downloaded              probation          clean          | believe downloaded 1
        downloaded              probation          unclean        | believe refused
        downloaded              upgrade            same           | verify
        downloaded              upgrade            clean,unclean  | believe downloaded 1
        verified                target,upgrade     same
            | preflight               | believe refused         | believe transitioning 2
            | believe transitioning 2 | believe transitioning 2 | believe refused
        verified                running,probation  same           | preflight
        cleared                 target,upgrade     same
            | load                    | believe refused         | believe transitioning 2
            | believe transitioning 2 | believe transitioning 2 | believe refused
        cleared                 running,probation  same           | load
        loading                 target,upgrade     same
            | believe downloaded 2    | remove-module           | believe transitioning 2
            | believe transitioning 2 | believe transitioning 2 | believe transitioning 2
        loading                 target             clean          | believe downloaded 2
        loading                 target             unclean        | believe refused
        loading                 running,probation  same           | believe downloaded 2
        loading                 running,upgrade    clean,unclean  | believe downloaded 1
        loading                 probation          clean          | believe downloaded 1
        loading                 probation          unclean        | believe refused
        transitioning           target,upgrade     same
            | believe refused         | believe refused         | rest
            | believe resting         | rest                    | believe refused
        transitioning           target             clean          | believe downloaded 2
        transitioning           target             unclean        | believe refused
        transitioning           running,probation  same           | believe refused
        transitioning           running,upgrade    clean,unclean  | believe downloaded 1
        transitioning           probation          clean          | believe downloaded 1
        transitioning           probation          unclean        | believe refused
        refused                 target             same           | listen
        refused                 target             clean,unclean  | believe listed
        refused                 running,probation  same
            | believe refused         | believe refused         | listen
            | listen                  | listen                  | believe refused
        refused                 running            clean,unclean  | believe downloaded 1
        refused                 probation          clean          | believe downloaded 1
        refused                 probation          unclean        | believe refused
        refused                 upgrade            same           | listen
        refused                 upgrade            clean,unclean  | believe downloaded 1
        """;

    private static readonly string[] Boots = ["same", "clean", "unclean"];
    private static readonly string[] Subjects = ["nothing", "running", "probation", "target", "upgrade"];

    private static readonly PatchSighting[] Sightings = Enum.GetValues<PatchSighting>();

    /// <summary>Each row with its cells in one line.</summary>
    private static string[] Lines() => Continued().Replace(Table, " |").Split('\n');

    [GeneratedRegex(@"\n +\|")]
    private static partial Regex Continued();

    public static TheoryData<string, string, string, PatchSighting, string> Rows()
    {
        var rows = new TheoryData<string, string, string, PatchSighting, string>();
        foreach (var line in Lines().Skip(1))
        {
            var cells = line.Split('|', StringSplitOptions.TrimEntries);
            var key = cells[0].Split(' ', StringSplitOptions.RemoveEmptyEntries);
            foreach (var subject in key[1].Split(','))
            {
                foreach (var boot in key[2] == "any" ? Boots : key[2].Split(','))
                {
                    for (var i = 0; i < Sightings.Length; i++)
                    {
                        var cell = cells[cells.Length == 2 ? 1 : i + 1];
                        rows.Add(key[0], subject, boot, Sightings[i], cell);
                    }
                }
            }
        }

        return rows;
    }

    [Theory]
    [MemberData(nameof(Rows))]
    public void Next_ForThisPhaseAndSighting_IsThisStep(
        string phase, string subject, string boot, PatchSighting sighting, string expected) =>
        Assert.Equal(expected, Word(phase, subject, boot, Host(subject, boot, sighting)));

    /// <summary>Told to keep its hands off, it does, wherever it stood.</summary>
    [Theory]
    [MemberData(nameof(Rows))]
    public void Next_WithTheKillSwitchAtOff_Rests(
        string phase, string subject, string boot, PatchSighting sighting, string expected)
    {
        Assert.NotEmpty(expected);
        Assert.Equal(
            "rest", Word(phase, subject, boot, Host(subject, boot, sighting) with { KillSwitch = KillSwitch.Off }));
    }

    /// <summary>
    /// Told to observe, it does as ever but for the last steps before a load, and for what ran before a reboot, which
    /// stays out.
    /// </summary>
    [Theory]
    [MemberData(nameof(Rows))]
    public void Next_WithTheKillSwitchAtObserve_LoadsNothing(
        string phase, string subject, string boot, PatchSighting sighting, string expected)
    {
        // What a crash falls back to is verified first, and refused then.
        var judgedFirst = phase is "loading" or "transitioning" && boot == "unclean";
        if (phase is "verified" or "cleared" || (expected == "believe downloaded 1" && !judgedFirst))
            expected = "believe refused";
        Assert.Equal(
            expected,
            Word(phase, subject, boot, Host(subject, boot, sighting) with { KillSwitch = KillSwitch.Observe }));
    }

    /// <summary>
    /// A held host does as ever, but turns back with what somebody wants it to load. What ran here is loaded again
    /// after a reboot, and a transition that the kernel has begun is watched to its end.
    /// </summary>
    [Theory]
    [MemberData(nameof(Rows))]
    public void Next_WhileTheHostIsHeld_TurnsBackOnTheWay(
        string phase, string subject, string boot, PatchSighting sighting, string expected)
    {
        var turnsBack = phase is "verified" or "cleared" || expected is "download" or "verify";
        var host = Host(subject, boot, sighting);
        var held = Held(State(phase, subject, boot), new HistoryBy(Server: "https://patches.example"));
        Assert.Equal(turnsBack ? "believe resting" : expected, Word(held, host));
        // What the agent brings back by itself is no new patch.
        Assert.Equal(expected, Word(Held(State(phase, subject, boot), wantedBy: null), host));
    }

    [Fact]
    public void Table_HasARowForEveryPhaseSubjectAndBoot()
    {
        var keys = Rows().Select(r => (r.Data.Item1, r.Data.Item2, r.Data.Item3));
        var found = keys.GroupBy(k => k).ToDictionary(g => g.Key, g => g.Count());
        var phases = typeof(Phase).GetNestedTypes().Where(t => !t.IsAbstract);
        foreach (var phase in phases.Select(t => Given.Hyphened(t.Name)))
        {
            foreach (var subject in Subjects)
            {
                foreach (var boot in Boots)
                {
                    // Each once: in the table, or impossible for a reason.
                    if (Impossible(phase, subject, boot) is { } why)
                        Assert.False(found.ContainsKey((phase, subject, boot)), why);
                    else Assert.Equal(Sightings.Length, found.GetValueOrDefault((phase, subject, boot)));
                }
            }
        }
    }

    private static string? Impossible(string phase, string subject, string boot)
    {
        var hasAPatch = phase is "downloading" or "downloaded" or "verified" or "cleared" or "loading"
            or "transitioning" or "refused";
        return (hasAPatch, subject) switch
        {
            (false, "target" or "upgrade") => "no patch is on its way, or only its manifest's digest is known",
            (true, "nothing") => "the phase has a patch: its row is the target's",
            _ when phase is "verified" or "cleared"
                && boot != "same" => "what is verified lives in memory alone, so no reboot can find it",
            _ => null,
        };
    }

    /// <summary>Each step of the table is carried to its end, so that no result of it is unheard of.</summary>
    [Theory]
    [MemberData(nameof(Rows))]
    public void Apply_AfterTheStepFailed_IsAState(
        string phase, string subject, string boot, PatchSighting sighting, string expected)
    {
        var host = Host(subject, boot, sighting);
        var state = State(phase, subject, boot).AfterReport(host);
        var step = Decider.Next(new Turn(state, host, Given.Policy, Given.Now));
        Assert.Equal(expected, Word(phase, subject, boot, host));
        if (step is Step.Rest or Step.Believe) return;
        foreach (var inPassing in new[] { true, false })
        {
            var begun = Decider.Begin(new Turn(state, host, Given.Policy, Given.Now), step);
            var after = Decider.Apply(
                new Turn(begun, host, Given.Policy, Given.Now),
                step,
                new StepResult.Failed(new Problem(ProblemCode.ServerError, "cannot", "cure"), inPassing));
            // And from there the agent knows what to do.
            Assert.NotNull(Decider.Next(new Turn(after, host, Given.Policy, Given.Now)));
        }
    }

    /// <summary>The step, and of which of the two patches where it loads or watches one.</summary>
    private static string Word(string phase, string subject, string boot, HostSnapshot host) =>
        Word(State(phase, subject, boot), host);

    private static string Word(AgentState state, HostSnapshot host)
    {
        var step = Decider.Next(new Turn(state.AfterReport(host), host, Given.Policy, Given.Now));
        var which = step is Step.Believe { After.Phase: Phase.Downloaded or Phase.Transitioning } b
            ? " " + b.After.Phase.Target!.Name[^1]
            : "";
        return Given.Word(step) + which;
    }

    private static HostSnapshot Host(string subject, string boot, PatchSighting sighting) => subject switch
    {
        "target" => Given.Host((Given.Patch(2).Name, sighting, "aa")),
        "upgrade" => Given.Host(
            (Given.Patch(2).Name, sighting, "aa"),
            (Given.Patch(1).Name, boot == "same" ? PatchSighting.Running : PatchSighting.Absent, "a1")),
        "nothing" => Given.Host(("livepatch_of_others", sighting, "aa")),
        _ => Given.Host((Given.Patch(1).Name, sighting, "aa")),
    };

    private static AgentState Held(AgentState state, HistoryBy? wantedBy) => state.With(
        pursuit: p => p with { WantedBy = wantedBy },
        record: r => r with { Hold = new Hold(null, Given.Now) });

    private static AgentState State(string phase, string subject, string boot)
    {
        var (one, two) = (Given.Patch(1), Given.Patch(2));
        var bootId = boot == "same" ? Given.Boot : "boot-0";
        Phase p = phase switch
        {
            "not-enrolled" => new Phase.NotEnrolled(null),
            "enrolling" => new Phase.Enrolling(
                new EnrolmentIntent(
                    "e",
                    new Wire.TokenContent
                    {
                        Server = "https://s",
                        Secret = "s",
                        Tls = [],
                        Catalogue = [],
                        Publishers = [],
                    },
                    "c"),
                Retry.Now),
            "resting" => new Phase.Resting(),
            "offered" => new Phase.Offered(two.ManifestDigest, Retry.Now),
            "listed" => new Phase.Listed(two.ManifestDigest, Retry.Now),
            "downloading" => new Phase.Downloading(two, Retry.Now),
            "downloaded" => new Phase.Downloaded(two),
            "verified" => new Phase.Verified(two, "aa"),
            "cleared" => new Phase.Cleared(two, "aa"),
            "loading" => new Phase.Loading(two, bootId),
            "transitioning" => new Phase.Transitioning(two, bootId, Given.Now.AddSeconds(-1), false),
            "refused" => Given.Refused(
                two.ManifestDigest, two, new Problem(ProblemCode.PreflightRefused, "cannot", "cure"), bootId),
            _ => throw new ArgumentOutOfRangeException(nameof(phase), phase, null),
        };
        var state = Given.Enrolled(
            p, phase != "resting" ? two.ManifestDigest : subject == "nothing" ? null : one.ManifestDigest).With(
            kernel: k => k with { StoppedCleanly = boot == "clean" });
        if (phase is "not-enrolled" or "enrolling")
            state = state.With(conversation: c => c with { Enrolment = null, Assignment = null });
        return subject is "target" or "nothing"
            ? state
            : state.With(
                kernel: k => k with { Running = new RunningPatch(one, bootId, Given.Now.AddMinutes(-1), null) },
                record: r => r with { LastGood = subject == "probation" ? null : one });
    }
}
