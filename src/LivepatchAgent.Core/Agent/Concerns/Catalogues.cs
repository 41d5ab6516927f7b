using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Core.Agent.Concerns;

/// <summary>Does a verified catalogue bear out what the server assigned?</summary>
internal static class Catalogues
{
    public static Advice Of(Turn turn)
    {
        if (turn.Phase is not Phase.Offered p) return Advice.Nothing;
        var floor = turn.State.Record.FloorFor(turn.Host.KernelRelease);
        return Advice.When(turn, p.Retry, new Step.FetchCatalogue(floor.Catalogue, turn.State.Record.SignedTime));
    }

    public static AgentState? After(Turn turn, StepResult result) => result switch
    {
        StepResult.CatalogueRead r => Confirm(turn, r.Catalogue.Content),
        StepResult.Failed f when turn.Phase is Phase.Offered p =>
            turn.State.InPhase(p.With(turn.Again(p.Retry, f.Problem))),
        _ => null,
    };

    private static AgentState Confirm(Turn turn, Catalogue catalogue)
    {
        if (turn.State.Conversation.Assignment is not { } assignment) return turn.State.InPhase(new Phase.Resting());
        var before = (turn.Phase as Phase.Offered)?.Before;
        var read = Believe(turn, catalogue);
        if (assignment.ManifestDigest is not { } manifest) return read;
        if (Objection(read, catalogue, manifest) is { } problem)
            return Refusals.RefuseAndReport(turn.After(read), manifest, null, problem, RefusalOrigin.Catalogue);
        if (before is null || before.ManifestDigest != manifest || !before.Stands(turn.Host.BootId)) return read;
        return before.Origin.OutlastsACatalogue() ? read.InPhase(before) : read;
    }

    /// <summary>Why the catalogue does not bear the assignment out.</summary>
    private static Problem? Objection(AgentState state, Catalogue catalogue, string manifest)
    {
        var entry = catalogue.Patches.FirstOrDefault(p => p.ManifestDigest == manifest);
        if (entry is null) return Problems.NotInCatalogue(manifest, catalogue.Sequence);
        var runs = state.Kernel.Running?.Patch.ManifestDigest == manifest;
        return entry.Withdrawal is not null && !runs ? Problems.Withdrawn(entry.Version) : null;
    }

    private static AgentState Believe(Turn turn, Catalogue catalogue)
    {
        var release = turn.Host.KernelRelease;
        var known = turn.State.Record.FloorFor(release);
        var raised = known with { Catalogue = Math.Max(known.Catalogue, catalogue.Sequence) };
        var heeded = Withdrawals.Heed(turn.State, catalogue, known);
        return heeded.InPhase(new Phase.Resting()) with
        {
            Record = heeded.Record.WithFloor(release, raised) with { SignedTime = SignedTime(turn, catalogue, known) },
            Conversation = heeded.Conversation with
            {
                Assignment = heeded.Conversation.Assignment! with { Confirmed = true },
                Catalogue = new CatalogueRecord { VerifiedAt = turn.Now, Expires = catalogue.ExpiresAt },
            },
        };
    }

    /// <summary>
    /// A catalogue with a higher number was issued later, so a time that was seen before and is later still was wrong.
    /// </summary>
    private static DateTimeOffset SignedTime(Turn turn, Catalogue catalogue, Floor known)
    {
        if (turn.State.Record.SignedTime is not { } seen) return catalogue.IssuedAt;
        return seen > catalogue.IssuedAt && catalogue.Sequence <= known.Catalogue ? seen : catalogue.IssuedAt;
    }
}
