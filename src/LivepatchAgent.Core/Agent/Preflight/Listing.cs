namespace LivepatchAgent.Core.Agent;

/// <summary>Several things in one line.</summary>
internal static class Listing
{
    private const int Shown = 4;

    public static string Of(IReadOnlyCollection<string> items)
    {
        var first = string.Join(", ", items.Take(Shown));
        return items.Count > Shown ? $"{first} and {items.Count - Shown} more" : first;
    }

    /// <summary>E.g. <c>1 function</c>, <c>2 functions</c>.</summary>
    public static string Count(int count, string noun) => count == 1 ? $"1 {noun}" : $"{count} {noun}s";
}
