using LivepatchAgent.Core.Kernel;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Core.Agent.Concerns;

/// <summary>The way to what the server assigned begins here, unless it is in force or was refused.</summary>
internal static class Assignments
{
    public static Advice Of(Turn turn)
    {
        var state = turn.State;
        var talks = state.AtRest && state.Enrolment is not null;
        if (!talks || state.Conversation.Assignment is not { } assignment) return Advice.Nothing;
        var refused = turn.Phase as Phase.Refused;
        if (!assignment.Confirmed)
        {
            var offered = new Phase.Offered(assignment.ManifestDigest, Retry.Now, refused);
            return new Step.Believe(state.InPhase(offered), "to be confirmed by the catalogue");
        }

        if (refused?.Origin == RefusalOrigin.KillSwitch && turn.Host.KillSwitch == KillSwitch.None)
            return new Step.Believe(state.InPhase(new Phase.Resting()), "this host may load patches again");
        return assignment.ManifestDigest is { } manifest && manifest != turn.Running?.Patch.ManifestDigest
            ? Pursue(turn, manifest, refused)
            : NothingToPursue(state, assignment, refused);
    }

    /// <summary>A new word of the server: what it assigns, and when to talk again.</summary>
    public static AgentState Take(Turn turn, Assignment answer)
    {
        var state = turn.State;
        var conversation = state.Conversation;
        var assignment = Assigned(turn, answer);
        var changed = assignment != conversation.Assignment;
        var sameManifest = assignment.ManifestDigest == conversation.Assignment?.ManifestDigest;
        var taken = state with
        {
            Conversation = conversation with
            {
                Assignment = assignment,
                // Asking for another look was not about what is offered later.
                AskedBy = sameManifest ? conversation.AskedBy : null,
                CheckIn = Succeeded(turn, answer),
                Pins = OfferedPins(conversation, answer.PinsVersion ?? 0),
            },
        };
        // It overrides a way that has not reached the kernel yet.
        return changed ? TurnedBack(taken) : taken;
    }

    /// <summary>
    /// Leaves a way on which something has yet to be fetched; a refusal that was being looked at again stands.
    /// </summary>
    public static AgentState TurnedBack(AgentState state) =>
        state.Phase is Phase.Fetching p && !Holds.IsReload(state) ? state.InPhase(p.TurnedBack()) : state;

    private static Advice NothingToPursue(AgentState state, AssignmentRef assignment, Phase.Refused? refused) =>
        refused is null || refused.ManifestDigest == assignment.ManifestDigest
            ? Advice.Nothing
            : new Step.Believe(state.InPhase(new Phase.Resting()), "what was refused is no longer assigned");

    private static Advice Pursue(Turn turn, string manifest, Phase.Refused? refused)
    {
        var state = turn.State;
        if (refused?.ManifestDigest == manifest && refused.Stands(turn.Host.BootId)) return Advice.Nothing;
        if (!turn.Host.LivepatchSupported)
        {
            var problem = Problems.KernelWithoutLivepatch(turn.Host.KernelRelease);
            return Refusals.RefuseQuietly(turn, manifest, null, problem, RefusalOrigin.Kernel);
        }

        if (Refusals.WhyNever(state.Record, manifest, manifest[..12] + "…") is { } never)
            return Refusals.RefuseQuietly(turn, manifest, null, never.Problem, never.Origin);
        var pursued = state with
        {
            Pursuit = new Pursuit(new Phase.Listed(manifest, Retry.Now))
            {
                WantedBy = state.Conversation.AskedBy ?? state.Conversation.Server,
                // What is fetched and then refused would stay for ever on a host that never applies anything.
                Untidy = true,
            },
            Conversation = state.Conversation with { AskedBy = null },
        };
        return new Step.Believe(pursued, "a patch is assigned");
    }

    private static AssignmentRef Assigned(Turn turn, Assignment answer)
    {
        var known = turn.State.Conversation.Assignment;
        var isKnown = known is not null && known.Tag == answer.Tag && known.ManifestDigest == answer.ManifestDigest;
        if (!isKnown) return new AssignmentRef(answer.Tag, answer.ManifestDigest, false, answer.CheckInSeconds);
        var verified = turn.State.Conversation.Catalogue.VerifiedAt;
        var stale = verified is not { } at || Cadence.IsDue(at + Cadence.CatalogueAge, turn.Now, Cadence.CatalogueAge);
        return known! with { CheckInSeconds = answer.CheckInSeconds, Confirmed = known.Confirmed && !stale };
    }

    private static CheckInRecord Succeeded(Turn turn, Assignment answer)
    {
        var now = turn.Now;
        var interval = Cadence.Interval(answer.CheckInSeconds);
        return turn.State.Conversation.CheckIn with
        {
            LastAttempt = now,
            LastSuccess = now,
            Failures = 0,
            Problem = Problems.ClockFarOff(answer.Now, now) ?? Problems.ClockSetBack(turn.State.Record.SignedTime, now),
            Next = now + Cadence.CheckIn(interval, turn.Host.Jitter),
        };
    }

    private static PinsRecord OfferedPins(Conversation conversation, long newest)
    {
        var isKnown = newest <= (conversation.Enrolment?.PinsVersion ?? 0);
        return new PinsRecord { Newest = newest, Retry = isKnown ? Retry.Now : conversation.Pins.Retry };
    }
}
