namespace LivepatchAgent.Model;

/// <summary>One sequence from its beginning to the rest after it.</summary>
internal static class Run
{
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
            Settling.Settle(world, sequence.Turns, turn => OneTurn(world, turn, story), what => story?.Say(what));
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
}
