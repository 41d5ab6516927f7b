namespace LivepatchAgent.Model;

/// <summary>sequences.txt: what the model found once, kept so that it is tried for ever.</summary>
internal static class SequenceFile
{
    private const string MutationPrefix = "mutation:";

    /// <param name="Name">Unique in the file.</param>
    /// <param name="Sequence">What happens.</param>
    /// <param name="Mutation">The one that it shows, or null.</param>
    internal sealed record Row(string Name, Sequence Sequence, Mutation? Mutation);

    public static IReadOnlyList<Row> Read() =>
    [
        .. File.ReadLines(Path.Combine(AppContext.BaseDirectory, "sequences.txt"))
            .Where(line => line.Length > 0 && line[0] != '#')
            .Select(ReadRow),
    ];

    private static Row ReadRow(string line)
    {
        var parts = line.Split('|', 2, StringSplitOptions.TrimEntries);
        if (parts.Length < 2) throw new FormatException($"cannot read the row: it has no |: {line}");
        var mutation = parts[0].StartsWith(MutationPrefix, StringComparison.Ordinal)
            ? Mutation.All.Single(m => m.Name == parts[0][MutationPrefix.Length..])
            : null;
        return new Row(parts[0], Sequence.Parse(parts[1]), mutation);
    }
}
