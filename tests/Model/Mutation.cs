using LivepatchAgent.Core.Agent;

namespace LivepatchAgent.Model;

/// <summary>
/// One fault put into the agent's answers, to show that the model finds it. The product has no switch for any of them.
/// </summary>
/// <param name="name">A word or two.</param>
/// <param name="fault">What is wrong with it.</param>
/// <param name="expected">How the kind of what is found begins.</param>
internal abstract class Mutation(string name, string fault, string expected) : Mind
{
    public string Name { get; } = name;

    public string Fault { get; } = fault;

    public string Expected { get; } = expected;

    public static readonly IReadOnlyList<Mutation> All =
    [
        new QuarantineIgnored(), new OneStrike(), new RefusalForEver(), new MemoryForEver(), new WithdrawalForgotten(),
        new CleanEndIgnored(), new NoIntent(), new AlwaysClean(), new QuarantineDropped(), new OutcomesDropped(),
        new FloorsDropped(), new FloorIgnored(), new AppliedTooEarly(), new NoProbation(), new NoRest(),
        new Unverified(), new ModeIgnored(), new StoreEmptied(), new NoFallback(), new HoldIgnored(),
        new HoldForgotten(), new HoldOfEverything(), new HoldForEver(), new ReleaseOfAll(),
        new ReleaseWithoutTheRefusal(), new NameForBuildId(),
    ];

    /// <exception cref="InvalidOperationException">No mutation is called that.</exception>
    public static Mutation Of(string name) => All.First(m => m.Name == name);

    public bool IsFoundBy(Violation violation) => violation.Kind.StartsWith(Expected, StringComparison.Ordinal);

    /// <summary>As a belief that replaces the step that was decided.</summary>
    protected static Step Believing(Step step, AgentState after) =>
        step is Step.Believe believe ? believe with { After = after } : new Step.Believe(after, "mutated");
}
