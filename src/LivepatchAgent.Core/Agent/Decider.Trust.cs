using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Core.Agent;

/// <summary>What signed documents change: the catalogue, pins, withdrawals, a manifest.</summary>
public static partial class Decider
{
    /// <summary>The catalogue was verified: does it bear out what the server assigned?</summary>
    private static AgentState Confirmed(AgentState state, Catalogue catalogue, HostSnapshot host, DateTimeOffset now)
    {
        if (state.Assignment is not { } assignment) return state with { Phase = new Phase.Resting() };
        var before = (state.Phase as Phase.Offered)?.Before;
        var known = state.FloorFor(host.KernelRelease);
        state = Heeding(state, catalogue, known) with
        {
            Floors = With(state.Floors, host.KernelRelease, known with { Catalogue = Math.Max(known.Catalogue, catalogue.Sequence) }),
            // One with a higher number was issued later, so a time that was seen before and is later still was wrong.
            SignedTime = state.SignedTime is { } seen && seen > catalogue.IssuedAt && catalogue.Sequence <= known.Catalogue ? seen : catalogue.IssuedAt,
            Talk = state.Talk with { CatalogueAt = now, CatalogueExpires = catalogue.ExpiresAt },
            Assignment = assignment with { Confirmed = true },
            Phase = new Phase.Resting(),
        };
        if (assignment.Manifest is not { } manifest) return state;
        var entry = catalogue.Patches.FirstOrDefault(p => p.Manifest == manifest);
        if (entry is null) return Refused(state, manifest, null, Problems.NotInCatalogue(manifest, catalogue.Sequence), HappeningKind.Refused, host);
        if (entry.Withdrawal is not null && state.Running?.Patch.Manifest != manifest)
            return Refused(state, manifest, null, Problems.Withdrawn(entry.Version), HappeningKind.Refused, host);
        // What the kernel or somebody on this host said no to stands. What was refused before the kernel saw it may have been
        // the server's fault, and mended there since.
        return before?.Manifest == manifest && Projection.IsKernelsNo(before.Problem.Code)
            ? state with { Phase = before }
            : state;
    }

    /// <summary>
    /// Withdrawals of what this host has run: the catalogue names them, and what they say is the publisher's to say. Not to
    /// fall back to a patch is safe on the catalogue's word alone.
    /// </summary>
    private static AgentState Heeding(AgentState state, Catalogue catalogue, Floor floor)
    {
        var withdrawn = catalogue.Patches.Where(p => p.Withdrawal is not null).DistinctBy(p => p.Manifest).ToDictionary(p => p.Manifest, p => p.Withdrawal!);
        var running = state.Running?.Patch.Manifest;
        IEnumerable<string> ran = [.. state.Running is { Withdrawn: null } r ? [r.Patch.Manifest] : Array.Empty<string>(), .. floor.Ran.Select(p => p.Manifest)];
        var spent = state.LastGood is { } good && good.Manifest != running && withdrawn.ContainsKey(good.Manifest);
        return state with
        {
            PendingWithdrawals = [.. ran.Distinct().Where(withdrawn.ContainsKey).Select(m => new PendingWithdrawal(withdrawn[m], m))],
            LastGood = spent ? null : state.LastGood,
            Untidy = state.Untidy || spent,
        };
    }

    /// <summary>
    /// Trust is what it is now for whatever is verified from here on; what the kernel runs stays. A catalogue and a refusal of
    /// before are looked at again, as another key may now speak for them.
    /// </summary>
    private static AgentState Repinned(AgentState state, PinSet pins) => state.Enrolment is not { } enrolment ? state : state with
    {
        Enrolment = enrolment with { PinsVersion = pins.Version, Threshold = pins.Threshold, PublisherCertificates = pins.Publishers, CatalogueCertificates = pins.Catalogue, TlsPins = pins.Tls },
        Talk = state.Talk with { PinsRetry = Retry.Now },
        Assignment = state.Assignment is { } a ? a with { Confirmed = false } : null,
        Phase = TurnedBack(state.Phase),
    };

    /// <summary>The publisher took it back: it is no ground to refuse an older one any more, and nothing to fall back to.</summary>
    private static AgentState Withdrawn(AgentState state, Step.FetchWithdrawal step, PatchWithdrawal withdrawal)
    {
        var manifest = withdrawal.Manifest;
        var runs = state.Running?.Patch.Manifest == manifest;
        return Fetched(state, step) with
        {
            Running = runs ? state.Running! with { Withdrawn = withdrawal.Reason } : state.Running,
            LastGood = !runs && state.LastGood?.Manifest == manifest ? null : state.LastGood,
            Floors = state.Floors.ToDictionary(f => f.Key, f => f.Value.Without(manifest)),
            Phase = state.Phase is Phase.Refused { Problem.Code: ProblemCode.PatchRolledBack } ? new Phase.Resting() : state.Phase,
        };
    }

    private static AgentState Fetched(AgentState state, Step.FetchWithdrawal step) => state with
    {
        PendingWithdrawals = [.. state.PendingWithdrawals.Where(p => p.Manifest != step.Manifest)],
        Talk = state.Talk with { WithdrawalRetry = Retry.Now },
    };

    /// <summary>
    /// No patch below one that this host has run. A quarantine is no exception, as a server could wait for a crash; but where
    /// the host would go back to by itself, it may also be sent.
    /// </summary>
    private static AgentState ManifestRead(AgentState state, StepResult.ManifestRead read, HostSnapshot host)
    {
        var patch = PatchRef.Of(read.Manifest);
        if (patch.KernelRelease != host.KernelRelease || read.Manifest.Content.Architecture != host.Architecture)
            return Refused(state, patch.Manifest, patch, Problems.WrongKernel(patch, host), HappeningKind.Refused, host);
        var floor = state.FloorFor(host.KernelRelease).Lowest;
        return patch.Sequence < floor && !(state.Running is null && state.LastGood?.Manifest == patch.Manifest)
            ? Refused(state, patch.Manifest, patch, Problems.RolledBack(patch, floor), HappeningKind.Refused, host)
            : state with { Phase = new Phase.Downloading(patch, Retry.Now) };
    }
}
