using LivepatchAgent.Core.Agent;

namespace LivepatchAgent.Core.Tests.Agent;

/// <summary>
/// What the agent does for every phase, whatever the kernel shows of the patch concerned, in the same boot and after a
/// clean and an unclean reboot. Written by hand from the design; <see cref="Table_HasARowForEveryPhaseAndBoot"/> proves
/// that none is missing.
/// </summary>
public class DecisionTable
{
    /// <remarks>
    /// subject: which patch is seen so. "running" is patch 1, in force and past its probation; "probation" the same within
    /// it; "target" is patch 2, on its way or refused, while nothing else runs.
    /// </remarks>
    private const string Table = """
        phase          subject    boot     | absent               | lingering            | switching             | running               | reverting             | disabled
        not-enrolled   running    same     | believe not-enrolled | believe not-enrolled | rest                  | rest                  | rest                  | believe not-enrolled
        not-enrolled   running    clean    | believe not-enrolled | believe not-enrolled | believe not-enrolled  | believe not-enrolled  | believe not-enrolled  | believe not-enrolled
        not-enrolled   running    unclean  | believe not-enrolled | believe not-enrolled | believe not-enrolled  | believe not-enrolled  | believe not-enrolled  | believe not-enrolled
        enrolling      running    same     | enrol                | enrol                | enrol                 | enrol                 | enrol                 | enrol
        enrolling      running    clean    | enrol                | enrol                | enrol                 | enrol                 | enrol                 | enrol
        enrolling      running    unclean  | enrol                | enrol                | enrol                 | enrol                 | enrol                 | enrol
        resting        running    same     | believe refused      | believe refused      | listen                | listen                | listen                | believe refused
        resting        running    clean    | believe downloaded   | believe downloaded   | believe downloaded    | believe downloaded    | believe downloaded    | believe downloaded
        resting        running    unclean  | believe downloaded   | believe downloaded   | believe downloaded    | believe downloaded    | believe downloaded    | believe downloaded
        resting        probation  same     | believe refused      | believe refused      | listen                | listen                | listen                | believe refused
        resting        probation  clean    | believe downloaded   | believe downloaded   | believe downloaded    | believe downloaded    | believe downloaded    | believe downloaded
        resting        probation  unclean  | believe refused      | believe refused      | believe refused       | believe refused       | believe refused       | believe refused
        offered        running    same     | believe refused      | believe refused      | fetch-catalogue       | fetch-catalogue       | fetch-catalogue       | believe refused
        offered        running    clean    | believe downloaded   | believe downloaded   | believe downloaded    | believe downloaded    | believe downloaded    | believe downloaded
        offered        running    unclean  | believe downloaded   | believe downloaded   | believe downloaded    | believe downloaded    | believe downloaded    | believe downloaded
        listed         running    same     | believe refused      | believe refused      | fetch-manifest        | fetch-manifest        | fetch-manifest        | believe refused
        listed         running    clean    | believe downloaded   | believe downloaded   | believe downloaded    | believe downloaded    | believe downloaded    | believe downloaded
        listed         running    unclean  | believe downloaded   | believe downloaded   | believe downloaded    | believe downloaded    | believe downloaded    | believe downloaded
        downloading    running    same     | believe refused      | believe refused      | download              | download              | download              | believe refused
        downloading    running    clean    | believe downloaded   | believe downloaded   | believe downloaded    | believe downloaded    | believe downloaded    | believe downloaded
        downloading    running    unclean  | believe downloaded   | believe downloaded   | believe downloaded    | believe downloaded    | believe downloaded    | believe downloaded
        downloading    target     same     | download             | download             | download              | download              | download              | download
        downloading    target     clean    | download             | download             | download              | download              | download              | download
        downloading    target     unclean  | download             | download             | download              | download              | download              | download
        downloaded     target     same     | verify               | verify               | verify                | verify                | verify                | verify
        downloaded     target     clean    | verify               | verify               | verify                | verify                | verify                | verify
        downloaded     target     unclean  | verify               | verify               | verify                | verify                | verify                | verify
        verified       target     same     | preflight            | believe refused      | believe transitioning | believe transitioning | believe transitioning | believe refused
        cleared        target     same     | load                 | believe refused      | believe transitioning | believe transitioning | believe transitioning | believe refused
        loading        target     same     | believe downloaded   | remove-module        | believe transitioning | believe transitioning | believe transitioning | believe transitioning
        loading        target     clean    | believe downloaded   | believe downloaded   | believe downloaded    | believe downloaded    | believe downloaded    | believe downloaded
        loading        target     unclean  | believe refused      | believe refused      | believe refused       | believe refused       | believe refused       | believe refused
        transitioning  target     same     | believe refused      | believe refused      | rest                  | believe resting       | rest                  | believe refused
        transitioning  target     clean    | believe downloaded   | believe downloaded   | believe downloaded    | believe downloaded    | believe downloaded    | believe downloaded
        transitioning  target     unclean  | believe refused      | believe refused      | believe refused       | believe refused       | believe refused       | believe refused
        refused        target     same     | listen               | listen               | listen                | listen                | listen                | listen
        refused        target     clean    | listen               | listen               | listen                | listen                | listen                | listen
        refused        target     unclean  | listen               | listen               | listen                | listen                | listen                | listen
        refused        running    same     | believe refused      | believe refused      | listen                | listen                | listen                | believe refused
        refused        running    clean    | believe downloaded   | believe downloaded   | believe downloaded    | believe downloaded    | believe downloaded    | believe downloaded
        refused        running    unclean  | believe downloaded   | believe downloaded   | believe downloaded    | believe downloaded    | believe downloaded    | believe downloaded
        """;

    private static readonly PatchSighting[] Sightings = Enum.GetValues<PatchSighting>();

    public static TheoryData<string, string, string, PatchSighting, string> Rows()
    {
        var rows = new TheoryData<string, string, string, PatchSighting, string>();
        foreach (var line in Table.Split('\n').Skip(1))
        {
            var cells = line.Split('|', StringSplitOptions.TrimEntries);
            var key = cells[0].Split(' ', StringSplitOptions.RemoveEmptyEntries);
            for (var i = 0; i < Sightings.Length; i++) rows.Add(key[0], key[1], key[2], Sightings[i], cells[i + 1]);
        }

        return rows;
    }

    [Theory]
    [MemberData(nameof(Rows))]
    public void Next_ForThisPhaseAndSighting_IsThisStep(string phase, string subject, string boot, PatchSighting sighting, string expected)
    {
        var patch = Given.Patch(subject == "target" ? 2 : 1);
        var host = Given.Host((patch.Name, sighting, "aa"));
        var state = State(phase, subject, boot);
        Assert.Equal(expected, Given.Word(Decider.Next(state.Told(host), host, Given.Policy, Given.Now)));
    }

    [Fact]
    public void Table_HasARowForEveryPhaseAndBoot()
    {
        var told = Rows().Select(r => (r.Data.Item1, r.Data.Item3)).ToHashSet();
        foreach (var phase in typeof(Phase).GetNestedTypes().Select(t => Given.Hyphened(t.Name)))
        {
            foreach (var boot in new[] { "same", "clean", "unclean" })
            {
                // What is verified lives in memory alone, so no reboot can find it.
                if (phase is "verified" or "cleared" && boot != "same") continue;
                Assert.Contains((phase, boot), told);
            }
        }
    }

    /// <summary>Each step of the table is carried to its end, so that no result of it is unheard of.</summary>
    [Theory]
    [MemberData(nameof(Rows))]
    public void Apply_AfterTheStepFailed_IsAState(string phase, string subject, string boot, PatchSighting sighting, string expected)
    {
        var host = Given.Host((Given.Patch(subject == "target" ? 2 : 1).Name, sighting, "aa"));
        var state = State(phase, subject, boot).Told(host);
        var step = Decider.Next(state, host, Given.Policy, Given.Now);
        Assert.Equal(expected, Given.Word(step));
        if (step is Step.Rest or Step.Believe) return;
        foreach (var inPassing in new[] { true, false })
        {
            var begun = Decider.Begin(state, step, host);
            var after = Decider.Apply(begun, step, new StepResult.Failed(new Problem(ProblemCode.ServerError, "cannot", "cure"), inPassing), host, Given.Now);
            // And from there the agent knows what to do.
            Assert.NotNull(Decider.Next(after, host, Given.Policy, Given.Now));
        }
    }

    private static AgentState State(string phase, string subject, string boot)
    {
        var (one, two) = (Given.Patch(1), Given.Patch(2));
        var bootId = boot == "same" ? Given.Boot : "boot-0";
        Phase p = phase switch
        {
            "not-enrolled" => new Phase.NotEnrolled(null),
            "enrolling" => new Phase.Enrolling(new EnrolmentIntent("e", new Wire.TokenContent { Server = "https://s", Secret = "s", Tls = [], Catalogue = [], Publishers = [] }, "c"), Retry.Now),
            "resting" => new Phase.Resting(),
            "offered" => new Phase.Offered(two.Manifest, Retry.Now),
            "listed" => new Phase.Listed(two.Manifest, Retry.Now),
            "downloading" => new Phase.Downloading(two, Retry.Now),
            "downloaded" => new Phase.Downloaded(two),
            "verified" => new Phase.Verified(two, "aa"),
            "cleared" => new Phase.Cleared(two, "aa"),
            "loading" => new Phase.Loading(two, bootId),
            "transitioning" => new Phase.Transitioning(two, bootId, Given.Now.AddSeconds(-1), false),
            "refused" => new Phase.Refused(two.Manifest, two, new Problem(ProblemCode.ModuleUnsigned, "cannot", "cure")),
            _ => throw new ArgumentOutOfRangeException(nameof(phase), phase, null),
        };
        var state = Given.Enrolled(p, phase == "resting" ? one.Manifest : two.Manifest) with { StoppedCleanly = boot == "clean" };
        if (phase is "not-enrolled" or "enrolling") state = state with { Enrolment = null, Assignment = null };
        return subject == "target"
            ? state
            : state with { Running = new RunningPatch(one, bootId, Given.Now.AddMinutes(-1), null), LastGood = subject == "running" ? one : null };
    }
}
