namespace LivepatchAgent.Core.Agent;

/// <summary>What one concern says to a turn: a step now, or when to ask it again.</summary>
/// <param name="Step">The step it wants now; null when it wants none.</param>
/// <param name="AskAgain">When it may want one, if nothing else happens before; the end of time if not known.</param>
internal readonly record struct Advice(Step? Step, DateTimeOffset AskAgain)
{
    /// <summary>No step, and no time at which that would change.</summary>
    public static readonly Advice Nothing = new(null, DateTimeOffset.MaxValue);

    public static Advice At(DateTimeOffset askAgain) => new(null, askAgain);

    public static implicit operator Advice(Step step) => new(step, DateTimeOffset.MaxValue);

    /// <summary>A step that failed before waits for its time.</summary>
    public static Advice When(Turn turn, Retry retry, Step step) =>
        turn.IsDue(retry.NotBefore) ? step : At(retry.NotBefore);

    /// <summary>The step of the first that wants one, else the earlier time.</summary>
    public Advice Or(Advice other)
    {
        if (Step is not null) return this;
        var earlier = AskAgain < other.AskAgain ? AskAgain : other.AskAgain;
        return other.Step is null ? At(earlier) : other;
    }
}
