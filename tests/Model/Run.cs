using LivepatchAgent.Core;
using LivepatchAgent.Core.Agent;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Model;

/// <summary>One sequence from its beginning to the rest after it.</summary>
internal static class Run
{
    /// <summary>How many turns the host has to arrive.</summary>
    private const int Bound = 200;

    /// <param name="sequence">What happens.</param>
    /// <param name="mind">Who decides.</param>
    /// <param name="thorough">Read each save back.</param>
    /// <param name="story">What to write each turn down in, or null.</param>
    public static Oracle Of(Sequence sequence, Mind mind, bool thorough = false, Story? story = null)
    {
        var oracle = new Oracle();
        try
        {
            var world = new World(sequence, mind, oracle, thorough);
            world.Enrol();
            for (var turn = 0; turn < sequence.Turns; turn++) OneTurn(world, turn, story);
            Settle(world, sequence.Turns, story);
        }
#pragma warning disable CA1031 // an exception of the agent's is a finding like any other
        catch (Exception e)
#pragma warning restore CA1031
        {
            oracle.Fail(Invariant.NoException, e.GetType().Name, e.Message + " " + e.StackTrace?.Split('\n')[0].Trim());
        }

        return oracle;
    }

    private static void OneTurn(World world, int turn, Story? story)
    {
        world.RunTurn(turn);
        story?.Add(world);
        world.Oracle.Befallen.Clear();
    }

    /// <summary>The faults are over: first without a reboot, then with one, if a refusal stands until then.</summary>
    private static void Settle(World world, int turn, Story? story)
    {
        world.Calm();
        story?.Say("the faults stop");
        turn = Arrive(world, turn, story, out var standing);
        if (standing is null or Standing.Arrived) return;
        world.RebootInOrder();
        world.Kernel.Calm();
        story?.Say("the host is rebooted");
        Arrive(world, turn, story, out standing);
        if (standing == Standing.UntilReboot) Late(world, "after the boot");
    }

    private static int Arrive(World world, int turn, Story? story, out Standing? standing)
    {
        var end = turn + Bound;
        for (; turn < end; turn++)
        {
            OneTurn(world, turn, story);
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

    private enum Standing
    {
        Arrived,

        /// <summary>A refusal that only another boot lifts.</summary>
        UntilReboot,
    }

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
        if (status.State == PatchState.Applied && status.Patch?.Manifest == target.Manifest) return Standing.Arrived;
        if (Beliefs.Refusal(state) is not { } refusal || refusal.Manifest != target.Manifest) return null;
        if (world.Oracle.IsBarred(target) || IsRefusedForGood(target.Behaviour)) return Standing.Arrived;
        return StandsUntilReboot(refusal.Code) || world.Kernel.Unfit ? Standing.UntilReboot : null;
    }

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
