using LivepatchAgent.Core;
using LivepatchAgent.Core.Agent;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Model;

/// <summary>What comes after a sequence: the faults are over, and the host has to arrive where it should.</summary>
internal static class Settling
{
    /// <summary>How many turns the host has to arrive.</summary>
    private const int Bound = 200;

    /// <summary>How many it has to load again what it ran.</summary>
    private const int ReturnBound = 100;

    private enum Standing
    {
        /// <summary>The newest patch is in force, or there is none.</summary>
        Arrived,

        /// <summary>The host is right not to load the newest patch.</summary>
        Barred,

        /// <summary>A refusal that only another boot lifts.</summary>
        UntilReboot,
    }

    /// <param name="world">After its last turn.</param>
    /// <param name="turn">The next one.</param>
    /// <param name="oneTurn">Runs one.</param>
    /// <param name="say">Writes a remark into the story.</param>
    public static void Settle(World world, int turn, Action<int> oneTurn, Action<string> say)
    {
        world.Calm();
        say("the faults stop");
        if (world.Oracle.IsHeld) turn = Held(world, turn, oneTurn, say);
        turn = Arrive(world, turn, oneTurn, out var standing);
        if (standing == Standing.UntilReboot)
        {
            Reboot(world, say);
            turn = Arrive(world, turn, oneTurn, out standing);
            if (standing == Standing.UntilReboot) Late(world, "after the boot");
        }

        if (standing == Standing.Arrived) Return(world, turn, oneTurn, say);
    }

    /// <summary>A held host comes to rest, keeps what it runs over a boot, and then the hold ends.</summary>
    private static int Held(World world, int turn, Action<int> oneTurn, Action<string> say)
    {
        var end = turn + Bound;
        do oneTurn(turn++);
        while (turn < end && !IsHeldAtRest(world));
        if (turn == end) world.Oracle.Fail(Invariant.Arrival, "held", "the held host does not come to rest");
        if (world.Oracle.Status is { State: PatchState.Applied }) turn = Return(world, turn, oneTurn, say);
        world.Server.Away = false;
        say("the hold ends");
        for (end = turn + Bound; turn < end && world.Oracle.IsHeld; turn++)
        {
            world.EndHold();
            oneTurn(turn);
        }

        return turn;
    }

    /// <summary>It rests, and either runs what is assigned, or says why not: it is refused or kept out.</summary>
    private static bool IsHeldAtRest(World world)
    {
        if (world.Daemon is not { State: var state, Step: Step.Rest or Step.Listen }) return false;
        if (world.Oracle.Status is not { } status) return false;
        if (Beliefs.Enrolment(state) is null)
        {
            if (!Beliefs.IsEnrolling(state)) world.Enrol();
            return false;
        }

        if (!status.Settled) return false;
        if (world.Server.Assigned(world.Kernel.Release) is not { } target || IsApplied(world, target)) return true;
        return Beliefs.Refusal(state)?.Manifest == target.Manifest
            || status.Hold?.Available?.ManifestDigest == target.Manifest;
    }

    private static void Reboot(World world, Action<string> say)
    {
        world.RebootInOrder();
        world.Kernel.Calm();
        say("the host is rebooted");
    }

    private static int Arrive(World world, int turn, Action<int> oneTurn, out Standing? standing)
    {
        var end = turn + Bound;
        for (; turn < end; turn++)
        {
            oneTurn(turn);
            standing = Stands(world);
            if (standing is not null) return turn + 1;
        }

        standing = null;
        Late(world, "within the bound");
        return turn;
    }

    private static void Late(World world, string when)
    {
        var state = world.Disk.Journal!;
        var way = Beliefs.Refusal(state) is { } refusal ? Sequence.Word(refusal.Code) : Beliefs.PhaseWord(state);
        world.Oracle.Fail(Invariant.Arrival, way, $"the newest patch is not in force {when}: {way}");
    }

    /// <summary>The server is away, and the host is rebooted.</summary>
    private static int Return(World world, int turn, Action<int> oneTurn, Action<string> say)
    {
        if (world.Oracle.Status?.Patch is not { } shown) return turn;
        if (world.Server.Find(shown.ManifestDigest) is not { Behaviour: <= Behaviour.Stalls } patch) return turn;
        if (patch.Withdrawn || world.Oracle.IsBarred(patch) || world.Disk.IsRotten(patch.Papers.Module)) return turn;
        world.Server.Away = true;
        say("the server is away");
        Reboot(world, say);
        for (var end = turn + ReturnBound; turn < end; turn++)
        {
            oneTurn(turn);
            if (IsApplied(world, patch)) return turn + 1;
        }

        world.Oracle.Fail(Invariant.Return, null, $"{shown.Name} is not in force again");
        return turn;
    }

    private static bool IsApplied(World world, Patch patch) =>
        world.Oracle.Status is { State: PatchState.Applied, Patch: { } shown }
            && shown.ManifestDigest == patch.Manifest;

    /// <summary>Null while there is more to come.</summary>
    private static Standing? Stands(World world)
    {
        if (world.Daemon is not { State: var state, Step: Step.Rest or Step.Listen }) return null;
        if (world.Oracle.Status is not { } status) return null;
        if (Beliefs.Enrolment(state) is null)
        {
            if (!Beliefs.IsEnrolling(state)) world.Enrol();
            return null;
        }

        if (world.Server.Assigned(world.Kernel.Release) is not { } target)
            return status.Settled ? Standing.Arrived : null;
        if (IsApplied(world, target)) return Standing.Arrived;
        if (!Beliefs.IsRefused(state)) return null;
        if (Beliefs.Refusal(state) is not { } refusal || refusal.Manifest != target.Manifest) return null;
        if (world.Oracle.IsBarred(target)) return FellBack(world) ? Standing.Barred : null;
        if (IsRefusedForGood(target.Behaviour)) return Standing.Barred;
        if (IsBlockedByANamesake(world, target)) return Standing.Barred;
        return StandsUntilReboot(refusal.Code) || world.Kernel.Unfit ? Standing.UntilReboot : null;
    }

    /// <summary>What the host falls back to is in force, if there is such a patch.</summary>
    private static bool FellBack(World world)
    {
        if (world.IsMeddledWith) return true;
        if (world.Oracle.Proven is not { } manifest || world.Server.Find(manifest) is not { } patch) return true;
        if (patch.Papers.Release != world.Kernel.Release || world.Oracle.IsBarred(patch)) return true;
        if (patch.Behaviour > Behaviour.Stalls || patch.Withdrawn) return true;
        return world.Kernel.Find(patch.Papers.Name) is { Listed: true, Enabled: true, Transition: false }
            || IsBlockedByANamesake(world, patch);
    }

    /// <summary>The kernel has another module of this name, and takes none beside it.</summary>
    private static bool IsBlockedByANamesake(World world, Patch patch) =>
        world.Kernel.Find(patch.Papers.Name) is { } module && module.Patch != patch;

    /// <summary>The patch is no good on this host, in any boot.</summary>
    private static bool IsRefusedForGood(Behaviour behaviour) => behaviour is Behaviour.NoKey or Behaviour.BadFormat
        or Behaviour.NoSymbol or Behaviour.Invalid or Behaviour.KernelError or Behaviour.Unfit or Behaviour.Unsigned
        or Behaviour.BadManifest;

    /// <summary>The kernel refused it or gave it up, or somebody switched it off. Lack of memory passes.</summary>
    private static bool StandsUntilReboot(ProblemCode code) => code is ProblemCode.KernelKeyRejected
        or ProblemCode.KernelNotPermitted or ProblemCode.KernelModuleExists or ProblemCode.KernelError
        or ProblemCode.TransitionReversed or ProblemCode.PatchRemovedByHand or ProblemCode.KernelModuleFormat
        or ProblemCode.KernelInvalidArgument or ProblemCode.KernelSymbolMissing;
}
