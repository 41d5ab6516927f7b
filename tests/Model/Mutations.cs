using LivepatchAgent.Core.Kernel;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Agent;

namespace LivepatchAgent.Model;

internal sealed class QuarantineIgnored() : Mutation(
    "quarantine-ignored",
    "a quarantined patch stays what the host falls back to, and the way to a load does not ask the quarantine",
    "quarantined-load")
{
    public override Step Next(Turn turn)
    {
        var known = Beliefs.Quarantine(turn.State);
        if (Beliefs.IsAboutToLoad(turn.State) && known.Count > 0)
        {
            var blind = base.Next(turn with { State = Beliefs.WithQuarantine(turn.State, []) });
            return blind is Step.Believe b ? Believing(blind, Beliefs.WithQuarantine(b.After, known)) : blind;
        }

        var step = base.Next(turn);
        if (step is not Step.Believe { After: var after }) return step;
        if (Beliefs.Quarantine(after).Count == known.Count) return step;
        if (Beliefs.LastGoodPatch(turn.State) is not { } good) return step;
        after = Beliefs.WithLastGood(after, good);
        var bad = Beliefs.Quarantine(after)[^1].ManifestDigest;
        return Believing(step, bad == good.ManifestDigest ? after : Beliefs.OnTheWayTo(after, good));
    }
}

internal sealed class OneStrike() : Mutation(
    "one-strike",
    "a patch that survived before is quarantined by one unclean end while it is loaded again or in transition",
    "three-strikes")
{
    public override Step Next(Turn turn)
    {
        var (state, host) = (turn.State, turn.Host);
        var step = base.Next(turn);
        if (Beliefs.Switching(state) is not { } switching || switching.BootId == host.BootId) return step;
        if (Beliefs.StoppedCleanly(state) || host.CleanEnds.Contains(switching.BootId)) return step;
        return Believing(step, Beliefs.QuarantinedAtOnce(state, switching.Patch, host));
    }
}

internal sealed class RefusalForEver() : Mutation(
    "refusal-for-ever",
    "what the kernel refused stays refused in the next boot, which was its cure",
    "arrival/")
{
    public override Step Next(Turn turn) =>
        base.Next(turn with { State = Beliefs.WithRefusalOfThisBoot(turn.State, turn.Host.BootId) });
}

internal sealed class MemoryForEver() : Mutation(
    "memory-for-ever",
    "one moment without memory leaves a host unpatched until the next boot",
    "arrival/kernel-no-memory")
{
    public override AgentState Apply(Turn turn, Step step, StepResult result)
    {
        var isMemory = result is StepResult.Failed { Problem.Code: ProblemCode.KernelNoMemory };
        return base.Apply(turn, step, isMemory ? (StepResult.Failed)result with { InPassing = false } : result);
    }
}

internal sealed class WithdrawalForgotten() : Mutation(
    "withdrawal-forgotten",
    "a verified withdrawal is known as long as the catalogue names it, and no longer",
    "withdrawn-load")
{
    public override Step Next(Turn turn) =>
        base.Next(turn with { State = Beliefs.WithoutWithdrawals(turn.State) });

    public override AgentState Apply(Turn turn, Step step, StepResult result) =>
        Beliefs.WithoutWithdrawals(base.Apply(turn, step, result));
}

internal sealed class CleanEndIgnored() : Mutation(
    "clean-end-ignored",
    "an orderly end that the daemon could not save counts as a crash",
    "orderly-end")
{
    public override Step Next(Turn turn) => base.Next(turn with { Host = turn.Host with { CleanEnds = [] } });
}

internal sealed class NoIntent() : Mutation(
    "no-intent",
    "a load begins and the journal does not say so",
    "intent-first")
{
    public override AgentState Begin(Turn turn, Step step) =>
        step is Step.Load ? turn.State : base.Begin(turn, step);
}

internal sealed class AlwaysClean() : Mutation(
    "always-clean",
    "every boot is taken to have ended cleanly",
    "crash-bound")
{
    public override Step Next(Turn turn)
    {
        var boot = Beliefs.Running(turn.State)?.BootId ?? Beliefs.Switching(turn.State)?.BootId;
        var isOld = boot is not null && boot != turn.Host.BootId;
        return base.Next(isOld ? turn with { State = Beliefs.WithStoppedCleanly(turn.State, true) } : turn);
    }
}

internal sealed class QuarantineDropped() : Mutation(
    "quarantine-dropped",
    "a check-in clears the quarantine",
    "quarantine-kept")
{
    public override AgentState Apply(Turn turn, Step step, StepResult result)
    {
        var after = base.Apply(turn, step, result);
        return result is StepResult.CheckedIn ? Beliefs.WithQuarantine(after, []) : after;
    }
}

internal sealed class OutcomesDropped() : Mutation(
    "outcomes-dropped",
    "a check-in that failed forgets what it was to deliver",
    "nothing-lost/outcome")
{
    public override AgentState Apply(Turn turn, Step step, StepResult result)
    {
        var after = base.Apply(turn, step, result);
        return step is Step.CheckIn && result is StepResult.Failed ? Beliefs.WithoutOutcomes(after) : after;
    }
}

internal sealed class FloorsDropped() : Mutation(
    "floors-dropped",
    "a new set of pins forgets what the host does not go back below",
    "nothing-lost/floor")
{
    public override AgentState Apply(Turn turn, Step step, StepResult result)
    {
        var after = base.Apply(turn, step, result);
        return result is StepResult.PinsRead ? Beliefs.WithoutFloors(after) : after;
    }
}

internal sealed class AppliedTooEarly() : Mutation(
    "applied-too-early",
    "enabled=1 is taken for applied, whatever transition says",
    "truth/")
{
    public override Step Next(Turn turn)
    {
        var patches = turn.Host.Patches.Select(p => p with { Transition = p.Transition && !p.Enabled });
        return base.Next(turn with { Host = turn.Host with { Patches = [.. patches] } });
    }
}

internal sealed class NoProbation() : Mutation(
    "no-probation",
    "a patch counts as proven as soon as it is applied",
    "crash-bound")
{
    private static readonly AgentPolicy Hasty = new() { Probation = TimeSpan.Zero };

    public override Step Next(Turn turn) => base.Next(turn with { Policy = Hasty });
}

internal sealed class NoRest() : Mutation(
    "no-rest",
    "where the agent would wait it looks again at once",
    "pace")
{
    public override Step Next(Turn turn)
    {
        var step = base.Next(turn);
        return step is Step.Rest ? new Step.Rest(turn.Now) : step;
    }
}

internal sealed class Unverified() : Mutation(
    "unverified",
    "a module in the store is loaded as it lies there",
    "unverified-load")
{
    public override Step Next(Turn turn) =>
        Beliefs.StoredTarget(turn.State) is { } patch && turn.Host.Sight(patch.Name) == PatchSighting.Absent
            ? new Step.Load(patch)
            : base.Next(turn);
}

internal sealed class ModeIgnored() : Mutation(
    "mode-ignored",
    "patches are loaded while the mode is observe or off",
    "hands-off")
{
    public override Step Next(Turn turn) =>
        base.Next(turn with { Host = turn.Host with { KillSwitch = KillSwitch.None } });
}

internal sealed class FloorIgnored() : Mutation(
    "floor-ignored",
    "the server may send a host back to any older patch",
    "floor")
{
    public override AgentState Apply(Turn turn, Step step, StepResult result)
    {
        if (result is not StepResult.ManifestRead) return base.Apply(turn, step, result);
        var blind = base.Apply(turn with { State = Beliefs.WithoutFloors(turn.State) }, step, result);
        return Beliefs.WithFloorsOf(blind, turn.State);
    }
}

internal sealed class StoreEmptied() : Mutation(
    "store-emptied",
    "tidying deletes the files of the patch that runs as well",
    "return")
{
    public override Step Next(Turn turn)
    {
        var step = base.Next(turn);
        return step is Step.Tidy ? new Step.Tidy([], []) : step;
    }
}

internal sealed class NoFallback() : Mutation(
    "no-fallback",
    "after a crash nothing is loaded in place of the quarantined patch",
    "arrival/patch-quarantined")
{
    public override Step Next(Turn turn)
    {
        var step = base.Next(turn);
        if (step is not Step.Believe { After: var after }) return step;
        var isNew = Beliefs.Quarantine(after).Count > Beliefs.Quarantine(turn.State).Count;
        return isNew ? Believing(step, Beliefs.Resting(after)) : step;
    }
}

internal sealed class NameForBuildId() : Mutation(
    "name-for-build-id",
    "a loaded module is taken for the patch that has its name, whatever its build id is",
    "truth/namesake")
{
    public override Step Next(Turn turn)
    {
        if (Beliefs.BuildId(turn.State) is not { } build) return base.Next(turn);
        var modules = turn.Host.Modules.ToDictionary(m => m.Key, m => m.Value with { BuildId = build });
        return base.Next(turn with { Host = turn.Host with { Modules = modules } });
    }
}
