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
}
