namespace LivepatchAgent.Model;

/// <summary>
/// A fault of the agent's that is known and not mended yet. What the model finds of it is counted and does not fail.
/// Once it is mended its sequence no longer shows it: a test says so, and the entry goes.
/// </summary>
/// <param name="Kind">As <see cref="Violation.Kind"/>.</param>
/// <param name="Sequence">The name of a sequence in sequences.txt that shows it.</param>
/// <param name="Fault">In plain words.</param>
internal sealed record KnownOpen(string Kind, string Sequence, string Fault)
{
    public static readonly IReadOnlyList<KnownOpen> All = [];

    public static bool Has(string kind) => All.Any(known => known.Kind == kind);
}
