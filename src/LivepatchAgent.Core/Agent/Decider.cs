using System.Diagnostics;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Core.Agent;

/// <summary>
/// The heart: what to do next, from what is believed and what is seen. Pure, synchronous, clockless.
/// <see cref="Next"/> decides, <see cref="Begin"/> is what to save before the effect, <see cref="Apply"/> what to believe
/// after it, <see cref="Accept"/> what a command changes.
/// </summary>
public static partial class Decider
{
    public static Step Next(AgentState state, HostSnapshot host, AgentPolicy policy, DateTimeOffset now)
    {
        // Hands off, and yet what runs well meanwhile has survived.
        if (host.KillSwitch == KillSwitch.Off) return Probation(state, host, policy, now) ?? new Step.Rest(ProbationEnds(state, host, policy, now));
        // Disabled meanwhile: without an enrolment there is nobody whose signature counts.
        if (state.Enrolment is null && state.Phase is Phase.Offered or Phase.Listed or Phase.Downloading or Phase.Downloaded or Phase.Verified or Phase.Cleared)
            return new Step.Believe(state with { Phase = new Phase.NotEnrolled(null), LoadAttempts = 0 }, "no longer enrolled: nothing more is loaded");
        return state.Phase switch
        {
            Phase.NotEnrolled => RunningTruth(state, host) ?? Upkeep(state, host) ?? Probation(state, host, policy, now) ?? new Step.Rest(ProbationEnds(state, host, policy, now)),
            Phase.Enrolling p => Cadence.IsDue(p.Retry.NotBefore, now, Cadence.BackoffCap) ? new Step.Enrol(p.Intent) : new Step.Rest(p.Retry.NotBefore),
            Phase.Resting => AtRest(state, host, policy, now),
            Phase.Refused => AtRest(state, host, policy, now),
            Phase.Offered p => OnTheWay(state, host, policy, now, p.Retry, new Step.FetchCatalogue(state.FloorFor(host.KernelRelease).Catalogue, state.SignedTime)),
            Phase.Listed p => OnTheWay(state, host, policy, now, p.Retry, new Step.FetchManifest(p.Manifest)),
            Phase.Downloading p => OnTheWay(state, host, policy, now, p.Retry, new Step.Download(p.Patch)),
            Phase.Downloaded p => OldBoot(state, host) ?? new Step.Verify(p.Patch),
            Phase.Verified p => OldBoot(state, host) ?? AfterVerifying(state, p.Patch, p.BuildId, new Step.Preflight(p.Patch), host),
            Phase.Cleared p => OldBoot(state, host) ?? AfterVerifying(state, p.Patch, p.BuildId, new Step.Load(p.Patch), host),
            Phase.Loading p => AfterInterruptedLoad(state, p, host, policy, now),
            Phase.Transitioning p => InTransition(state, p, host, policy, now),
            _ => throw new UnreachableException($"phase {state.Phase.GetType().Name}"),
        };
    }

    /// <summary>On the way to a patch: what the host ran before comes first, and a failure waits its time.</summary>
    private static Step OnTheWay(AgentState state, HostSnapshot host, AgentPolicy policy, DateTimeOffset now, Retry retry, Step next) =>
        RunningTruth(state, host) ?? Probation(state, host, policy, now) ?? NewPins(state, now)
        ?? (Cadence.IsDue(retry.NotBefore, now, Cadence.BackoffCap) ? next : Heard(state, host, now) ?? Talk(state, host, now, Earlier(retry.NotBefore, ProbationEnds(state, host, policy, now))));

    /// <summary>On the last steps to the kernel only the boot counts: what ran in the one before is judged, and brought back, before another is loaded.</summary>
    private static Step? OldBoot(AgentState state, HostSnapshot host) => state.Running is { } running && running.BootId != host.BootId ? RunningTruth(state, host) : null;

    /// <summary>Nothing under way: put the kernel's truth first, then tidy up, then the assignment, then the server.</summary>
    private static Step AtRest(AgentState state, HostSnapshot host, AgentPolicy policy, DateTimeOffset now)
    {
        var step = RunningTruth(state, host) ?? Upkeep(state, host) ?? Probation(state, host, policy, now) ?? Heard(state, host, now) ?? NewPins(state, now) ?? Pursue(state, host, now);
        if (step is not null) return step;
        var until = ProbationEnds(state, host, policy, now);
        if (state.Talk.PinsRetry.Failures > 0) until = Earlier(until, state.Talk.PinsRetry.NotBefore);
        if (state.PendingWithdrawals.Count > 0) until = Earlier(until, state.Talk.WithdrawalRetry.NotBefore);
        if (state.Running is { } running)
        {
            var age = running.Age(host.Uptime, now);
            // Somebody else's doing, which may take hours.
            if (host.Sight(running.Patch.Name) is not PatchSighting.Running) until = Earlier(until, now + Cadence.OthersTransition);
            // The module that was replaced is let go by the kernel a moment after the transition; nothing tells when.
            if (state.Leftovers.Count > 0 && age < Cadence.LeftoverWatch) until = Earlier(until, now + Cadence.TransitionPace(age));
        }

        return Talk(state, host, now, until);
    }

    /// <summary>Modules of ours that patch nothing any more, and files nobody needs.</summary>
    private static Step? Upkeep(AgentState state, HostSnapshot host)
    {
        foreach (var name in state.Leftovers)
        {
            switch (host.Sight(name))
            {
                case PatchSighting.Absent:
                    return new Step.Believe(Forgotten(state, name), $"module {name} is gone");
                case PatchSighting.Running:
                    return new Step.Believe(Forgotten(state, name), $"{name} is in force again");
                case PatchSighting.Lingering when host.Modules[name].References == 0:
                    return new Step.RemoveModule(name);
                default:
                    continue;
            }
        }

        return state.Untidy ? new Step.Tidy([.. Kept(state).Select(p => p.Manifest)], [.. Kept(state).Select(p => p.ModuleSha256)]) : null;
    }

    /// <summary>Whom to trust comes before what to load; a set that cannot be had or believed holds up nothing else.</summary>
    private static Step.FetchPins? NewPins(AgentState state, DateTimeOffset now) =>
        state.Enrolment is { } enrolment && state.Talk.PinsOffered > enrolment.PinsVersion && Cadence.IsDue(state.Talk.PinsRetry.NotBefore, now, Cadence.BackoffCap)
            ? new Step.FetchPins(enrolment.PinsVersion + 1)
            : null;

    /// <summary>What the held check-in brought.</summary>
    private static Step.Believe? Heard(AgentState state, HostSnapshot host, DateTimeOffset now) => host.Listen switch
    {
        ListenState.Answered a => new Step.Believe(Assigned(HoldEnded(state, host, now), a.Assignment, host, now), "the server answered the held check-in") { Heard = true },
        ListenState.Broken b => new Step.Believe(HoldBroken(HoldEnded(state, host, now), host, now), $"the held check-in broke: {b.Problem}") { Heard = true },
        ListenState.Off or ListenState.Open => null,
        _ => throw new UnreachableException(),
    };

    /// <summary>Sets out for what the server assigned, unless it is in force or was refused.</summary>
    private static Step? Pursue(AgentState state, HostSnapshot host, DateTimeOffset now)
    {
        if (state.PendingWithdrawals is [var pending, ..] && Cadence.IsDue(state.Talk.WithdrawalRetry.NotBefore, now, Cadence.BackoffCap))
            return new Step.FetchWithdrawal(pending.Document, pending.Manifest);
        if (state.Assignment is not { } assignment) return null;
        var refused = state.Phase as Phase.Refused;
        if (!assignment.Confirmed) return new Step.Believe(state with { Phase = new Phase.Offered(assignment.Manifest, Retry.Now, refused) }, "to be confirmed by the catalogue");
        if (refused?.Problem.Code == ProblemCode.SwitchedOff && host.KillSwitch == KillSwitch.None)
            return new Step.Believe(state with { Phase = new Phase.Resting() }, "this host may load patches again");
        if (assignment.Manifest is null || assignment.Manifest == state.Running?.Patch.Manifest)
            return refused is null || refused.Manifest == assignment.Manifest ? null : new Step.Believe(state with { Phase = new Phase.Resting() }, "what was refused is no longer assigned");
        if (refused?.Manifest == assignment.Manifest) return null;
        if (!host.LivepatchSupported) return Refuse(state, assignment.Manifest, Problems.KernelWithoutLivepatch(host.KernelRelease));
        if (QuarantineOf(state, assignment.Manifest) is { } quarantined) return Refuse(state, assignment.Manifest, Problems.Quarantined(quarantined));
        return new Step.Believe(
            state with
            {
                Phase = new Phase.Listed(assignment.Manifest, Retry.Now),
                LoadAttempts = 0,
                BusyAnswers = 0,
                // What is fetched and then refused would stay for ever on a host that never applies anything.
                Untidy = true,
                WantedBy = state.AskedBy ?? ByServer(state),
                AskedBy = null,
            },
            "a patch is assigned");
    }

    /// <summary>The conversation with the server, where nothing more pressing is to be done.</summary>
    private static Step Talk(AgentState state, HostSnapshot host, DateTimeOffset now, DateTimeOffset until)
    {
        if (state.Enrolment is null) return new Step.Rest(until);
        var report = Projection.Report(state, host);
        var news = !TellsTheSame(report, state.Talk.Told) || state.Outcomes.Count > 0;
        var failing = state.Talk.Failures > 0;
        if (Cadence.IsDue(state.Talk.Next, now, Cadence.LongestWait) || (news && !failing && Cadence.IsDue(state.Talk.NewsNotBefore, now, Cadence.BackoffCap))) return new Step.CheckIn(report, state.Outcomes, state.Assignment?.Tag);
        until = Earlier(until, state.Talk.Next);
        if (news && !failing) until = Earlier(until, state.Talk.NewsNotBefore);
        if (failing || host.Listen is not ListenState.Off || state.Assignment is not { } known) return new Step.Rest(until);
        return Cadence.IsDue(state.Talk.HoldNotBefore, now, Cadence.BackoffCap)
            ? new Step.Listen(report, known.Tag)
            : new Step.Rest(Earlier(until, state.Talk.HoldNotBefore));
    }

    /// <summary>By its code alone: the words of a stall count its seconds, and are no news each time.</summary>
    private static bool TellsTheSame(MachineReport report, MachineReport? told) =>
        told is not null && report with { Problem = null } == told with { Problem = null } && report.Problem?.Code == told.Problem?.Code;

    /// <summary>The file is believed and held open: go on with it, unless the kernel has it already.</summary>
    private static Step AfterVerifying(AgentState state, PatchRef patch, string? patchBuildId, Step next, HostSnapshot host)
    {
        if (host.KillSwitch == KillSwitch.Observe) return Refuse(state, patch.Manifest, Problems.SwitchedOff(patch), patch);
        // Asked once more where every way to a load comes by, so that no way can forget it.
        if (QuarantineOf(state, patch.Manifest) is { } quarantined)
            return Refuse(state, patch.Manifest, Problems.Quarantined(quarantined), patch);
        var sighting = host.Sight(patch.Name);
        switch (sighting)
        {
            case PatchSighting.Absent:
                return next;
            case PatchSighting.Lingering or PatchSighting.Disabled:
                // Only a module that we left behind is ours to remove; anybody else's stays.
                return sighting is PatchSighting.Lingering && state.Leftovers.Contains(patch.Name) && host.Modules[patch.Name].References == 0
                    ? new Step.RemoveModule(patch.Name)
                    : Refuse(state, patch.Manifest, Problems.NameTaken(patch, "a module of this name is loaded that patches nothing"), patch);
            case PatchSighting.Switching or PatchSighting.Running or PatchSighting.Reverting:
                return host.Modules.GetValueOrDefault(patch.Name)?.BuildId is { } buildId && buildId == patchBuildId
                    ? new Step.Believe(
                        Told(state, host, HappeningKind.Adopted, patch.Manifest, null, host.BootId) with { Phase = new Phase.Transitioning(patch, host.BootId, DateTimeOffset.MinValue, false) },
                        $"the kernel has {patch.Name} already")
                    : Refuse(state, patch.Manifest, Problems.NameTaken(patch, "a different livepatch of this name is loaded"), patch);
            default:
                throw new UnreachableException();
        }
    }

    /// <summary>Only a daemon that died between finit_module's journal entry and its answer comes here.</summary>
    private static Step AfterInterruptedLoad(AgentState state, Phase.Loading phase, HostSnapshot host, AgentPolicy policy, DateTimeOffset now)
    {
        var patch = phase.Patch;
        if (phase.BootId != host.BootId) return AfterReboot(state, patch, host, "the host went down while the patch was being loaded");
        switch (host.Sight(patch.Name))
        {
            case PatchSighting.Switching or PatchSighting.Running or PatchSighting.Reverting or PatchSighting.Disabled:
                return new Step.Believe(state with { Phase = new Phase.Transitioning(patch, host.BootId, now, false, host.Uptime) }, "the kernel took the patch before the daemon ended");
            case PatchSighting.Lingering:
                return new Step.RemoveModule(patch.Name);
            case PatchSighting.Absent:
                return state.LoadAttempts >= policy.MaxLoadAttempts
                    ? Refuse(state, patch.Manifest, Problems.LoadNeverEnded(patch, state.LoadAttempts), patch)
                    : new Step.Believe(state with { Phase = new Phase.Downloaded(patch) }, "the daemon ended before the kernel took the patch");
            default:
                throw new UnreachableException();
        }
    }

    private static Step InTransition(AgentState state, Phase.Transitioning phase, HostSnapshot host, AgentPolicy policy, DateTimeOffset now)
    {
        var patch = phase.Patch;
        if (phase.BootId != host.BootId) return AfterReboot(state, patch, host, "the host went down during the patch's transition");
        // An adopted transition began at an unknown time, and one of the future at another than it says: count from here.
        if (phase.Since == DateTimeOffset.MinValue || (phase.Uptime is null && phase.Since > now))
            return new Step.Believe(state with { Phase = phase with { Since = now, Uptime = host.Uptime } }, "watching the transition");
        var age = phase.Age(host.Uptime, now);
        switch (host.Sight(patch.Name))
        {
            case PatchSighting.Running:
                return new Step.Believe(Completed(state, patch, host, now), "transition complete");
            case PatchSighting.Switching:
                if (!phase.StallTold && age >= policy.StallAfter)
                {
                    return new Step.Believe(
                        Told(state, host, HappeningKind.Stalled, patch.Manifest, Problems.Stalled(patch, host, age), patch.Manifest + phase.Since.ToUnixTimeSeconds()) with { Phase = phase with { StallTold = true } },
                        "the transition is stalled");
                }

                return policy.ReverseAfter is { } reverseAfter && age >= reverseAfter ? new Step.Reverse(patch.Name) : Watch(state, phase, host, policy, now, age);
            case PatchSighting.Reverting:
                return Watch(state, phase, host, policy, now, age);
            case PatchSighting.Absent or PatchSighting.Lingering or PatchSighting.Disabled:
                var problem = Problems.Reversed(patch);
                return new Step.Believe(
                    Refusing(
                        Left(Told(state, host, HappeningKind.Reversed, patch.Manifest, problem, patch.Manifest + phase.Since.ToUnixTimeSeconds()), patch),
                        new Phase.Refused(patch.Manifest, patch, problem)),
                    "the transition was reversed");
            default:
                throw new UnreachableException();
        }
    }

    /// <summary>A transition that goes as it should takes a moment; the server hears of it when it is over or stalls.</summary>
    private static Step Watch(AgentState state, Phase.Transitioning phase, HostSnapshot host, AgentPolicy policy, DateTimeOffset now, TimeSpan age)
    {
        var until = Earlier(now + Cadence.TransitionPace(age), ProbationEnds(state, host, policy, now));
        return Probation(state, host, policy, now) ?? (phase.StallTold ? Talk(state, host, now, until) : new Step.Rest(until));
    }
}
