using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Core.Agent.Concerns;

/// <summary>
/// Withdrawals of what this host has run: the catalogue names them, and what they say is the publisher's to say.
/// </summary>
internal static class Withdrawals
{
    public static Advice Of(Turn turn)
    {
        var record = turn.State.Conversation.Withdrawals;
        var talks = turn.State.AtRest && turn.State.Enrolment is not null;
        if (!talks || record.Pending is not [var pending, ..]) return Advice.Nothing;
        return Advice.When(turn, record.Retry, new Step.FetchWithdrawal(pending.Document, pending.ManifestDigest));
    }

    public static AgentState? After(Turn turn, Step.FetchWithdrawal step, StepResult result)
    {
        var record = turn.State.Conversation.Withdrawals;
        switch (result)
        {
            case StepResult.WithdrawalRead r:
                return Withdraw(turn.State, step, r.Withdrawal);
            case StepResult.Failed { InPassing: true } f:
                // One that cannot be fetched does not stand before the others.
                var last = record.Pending.OrderBy(p => p.ManifestDigest == step.ManifestDigest);
                var later = record with { Pending = [.. last], Retry = turn.Again(record.Retry, f.Problem) };
                return turn.State with { Conversation = turn.State.Conversation with { Withdrawals = later } };
            case StepResult.Failed:
                // The next catalogue names it again.
                return NoLongerPending(turn.State, step.ManifestDigest);
            default:
                return null;
        }
    }

    /// <summary>
    /// What a catalogue says was withdrawn. Not to fall back to a patch is safe on the catalogue's word alone; all else
    /// waits for the publisher's signed word.
    /// </summary>
    public static AgentState Heed(AgentState state, Catalogue catalogue, Floor floor)
    {
        var withdrawn = catalogue.Patches
            .Where(p => p.Withdrawal is not null)
            .DistinctBy(p => p.ManifestDigest)
            .ToDictionary(p => p.ManifestDigest, p => p.Withdrawal!);
        var running = state.Kernel.Running;
        var unheeded = running is { WithdrawalReason: null } ? new[] { running.Patch.ManifestDigest } : [];
        var ran = unheeded.Concat(floor.Patches.Select(p => p.ManifestDigest)).Distinct();
        var recalled = ran.Where(withdrawn.ContainsKey);
        PendingWithdrawal[] pending = [.. recalled.Select(m => new PendingWithdrawal(withdrawn[m], m))];
        var good = state.Record.LastGood?.ManifestDigest;
        var spent = good is not null && good != running?.Patch.ManifestDigest && withdrawn.ContainsKey(good);
        var conversation = state.Conversation;
        return state with
        {
            Conversation = conversation with { Withdrawals = conversation.Withdrawals with { Pending = pending } },
            Record = spent ? state.Record with { LastGood = null } : state.Record,
            Pursuit = state.Pursuit with { Untidy = state.Pursuit.Untidy || spent },
        };
    }

    /// <summary>It is no ground to refuse an older patch any more, and nothing to fall back to.</summary>
    private static AgentState Withdraw(AgentState state, Step.FetchWithdrawal step, PatchWithdrawal withdrawal)
    {
        var manifest = withdrawal.ManifestDigest;
        var running = state.Kernel.Running;
        var runs = running?.Patch.ManifestDigest == manifest;
        var floors = state.Record.Floors.ToDictionary(f => f.Key, f => f.Value.Without(manifest));
        var record = runs ? state.Record : state.Record.WithoutGood(manifest);
        var rolledBack = state.Phase is Phase.Refused { Origin: RefusalOrigin.Floor };
        return NoLongerPending(state, step.ManifestDigest) with
        {
            Kernel = runs
                ? state.Kernel with { Running = running! with { WithdrawalReason = withdrawal.Reason } }
                : state.Kernel,
            Record = record.WithWithdrawn(manifest) with { Floors = floors },
            Pursuit = rolledBack ? state.Pursuit with { Phase = new Phase.Resting() } : state.Pursuit,
        };
    }

    private static AgentState NoLongerPending(AgentState state, string manifest)
    {
        var others = state.Conversation.Withdrawals.Pending.Where(p => p.ManifestDigest != manifest);
        var record = new WithdrawalsRecord { Pending = [.. others], Retry = Retry.Now };
        return state with { Conversation = state.Conversation with { Withdrawals = record } };
    }
}
