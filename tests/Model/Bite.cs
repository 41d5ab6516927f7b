using System.Globalization;

namespace LivepatchAgent.Model;

/// <summary>Whether the model finds faults that are put in, and how soon.</summary>
internal static class Bite
{
    /// <summary>True when each was found.</summary>
    /// <param name="seed">Of the first sequence.</param>
    /// <param name="turns">Of each.</param>
    /// <param name="most">So many sequences at the most for each mutation.</param>
    /// <param name="say">Where a line goes.</param>
    public static bool All(ulong seed, int turns, long most, Action<string> say)
    {
        var found = true;
        foreach (var mutation in Mutation.All) found &= One(mutation, seed, turns, most, say);
        return found;
    }

    private static bool One(Mutation mutation, ulong seed, int turns, long most, Action<string> say)
    {
        var campaign = new Campaign(seed, turns, mutation);
        campaign.RunUntil(most, TimeSpan.FromMinutes(10), mutation.IsFoundBy);
        var finding = campaign.Findings.FirstOrDefault(f => mutation.IsFoundBy(f.Violation));
        if (finding is null)
        {
            say($"MISSED  {mutation.Name}: {mutation.Fault}: not found in {campaign.Sequences} sequences");
            return false;
        }

        var sequence = Generator.Make(finding.First, turns);
        var small = Shrinker.Shrink(sequence, s => Report.Fails(s, mutation, finding.Kind));
        var count = (finding.First - seed + 1).ToString(CultureInfo.InvariantCulture);
        say($"found   {mutation.Name}: {mutation.Fault}");
        say($"        {finding.Kind} in sequence {count}: {small}");
        return true;
    }
}
