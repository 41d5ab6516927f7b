using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;
using LivepatchAgent.Model;

namespace LivepatchAgent.Core.Tests.Agent;

/// <summary>
/// What the model found once is tried for ever, it finds what it is there to find, and docs/safety.md says what it
/// checks. The many random sequences are in `make model` and `make test`.
/// </summary>
public sealed partial class ModelTests
{
    private const ulong Seed = 20_261_201;

    private static readonly IReadOnlyList<SequenceFile.Row> Rows = SequenceFile.Read();

    public static TheoryData<string> Sound => [.. Rows.Where(r => r.Mutation is null).Select(r => r.Name)];

    public static TheoryData<string> Mutations => [.. Mutation.All.Select(m => m.Name)];

    [Theory]
    [MemberData(nameof(Sound))]
    public void Replay_OfASequenceThatWasFound_Holds(string name) => Holds(Row(name).Sequence);

    [Theory]
    [MemberData(nameof(Mutations))]
    public void Replay_WithAMutation_FindsIt(string name)
    {
        var mutation = Mutation.All.Single(m => m.Name == name);
        var row = Row("mutation:" + name);
        Assert.Contains(Run.Of(row.Sequence, mutation, thorough: true).Violations, mutation.IsFoundBy);
        Holds(row.Sequence);
    }

    [Fact]
    public void Run_OfRandomSequences_Holds()
    {
        for (var number = Seed; number < Seed + 300; number++) Holds(Generator.Make(number, 200));
    }

    [Fact]
    public void Run_OfTheSameSequence_IsTheSame()
    {
        var sequence = Generator.Make(Seed, 200);
        var (first, second) = (new Story(), new Story());
        Run.Of(sequence, Mind.Sound, thorough: true, first);
        Run.Of(sequence, Mind.Sound, thorough: false, second);
        Assert.Equal(first.ToString(), second.ToString());
    }

    [Fact]
    public void Sequence_WrittenAndRead_IsTheSame()
    {
        for (var number = Seed; number < Seed + 50; number++)
        {
            var sequence = Generator.Make(number, 200);
            Assert.Equal(sequence.ToString(), Sequence.Parse(sequence.ToString()).ToString());
        }
    }

    [Theory]
    [InlineData("12 0.look power")]
    [InlineData("12: 0.look earthquake")]
    [InlineData("12: 0.nowhere power")]
    [InlineData("12: power")]
    public void Sequence_OfAnotherText_IsRefused(string text) =>
        Assert.Throws<FormatException>(() => Sequence.Parse(text));

    [Fact]
    public void Shrink_LeavesWhatTheFailureNeeds()
    {
        var incidents = Generator.Make(Seed, 200).Incidents;
        var needed = new Incident(150, Point.Saved, IncidentKind.Pins);
        var (before, after) = (incidents.Where(i => i.Turn < 150), incidents.Where(i => i.Turn > 150));
        var large = new Sequence(200, [.. before, needed, .. after]);
        var small = Shrinker.Shrink(large, s => s.Incidents.Any(i => i.Kind == IncidentKind.Pins));
        Assert.Equal("1: 0.look pins", small.ToString());
    }

    [Fact]
    public void Safety_ListsTheInvariants()
    {
        var page = File.ReadAllText(Path.Combine(Root(), "docs", "safety.md"));
        var listed = InvariantInPage().Matches(page)
            .Select(m => string.Join(' ', m.Groups.Values.Skip(1).Select(g => g.Value)));
        var code = Invariant.All.Select((invariant, i) => string.Create(
            CultureInfo.InvariantCulture, $"{i + 1} {invariant.Name} {invariant.Sentence} {invariant.Check}"));
        Assert.Equal(code, listed);
    }

    private static void Holds(Sequence sequence)
    {
        var run = Run.Of(sequence, Mind.Sound, thorough: true);
        var kind = run.Violations is [var first, ..] ? first.Kind : null;
        Assert.True(kind is null, kind is null ? null : Report.Failure(sequence, Mind.Sound, kind));
    }

    private static SequenceFile.Row Row(string name) => Rows.Single(r => r.Name == name);

    private static string Root([CallerFilePath] string file = "") =>
        Path.GetFullPath(Path.Combine(Path.GetDirectoryName(file)!, "../../.."));

    [GeneratedRegex(@"^(\d+)\. \*\*([a-z-]+)\*\*: (.+) \(`([A-Za-z.]+)`\)$", RegexOptions.Multiline)]
    private static partial Regex InvariantInPage();
}
