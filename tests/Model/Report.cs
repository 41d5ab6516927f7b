using System.Globalization;
using System.Text;

namespace LivepatchAgent.Model;

/// <summary>What the program prints.</summary>
internal static class Report
{
    /// <summary>A failing sequence, made small: its text, why it fails, and its story.</summary>
    public static string Failure(Sequence sequence, Mind mind, string kind)
    {
        var small = Shrinker.Shrink(sequence, s => Fails(s, mind, kind));
        return Story(small, mind, kind);
    }

    /// <summary>A sequence as it is.</summary>
    public static string Story(Sequence sequence, Mind mind, string? kind)
    {
        var story = new Story();
        var run = Run.Of(sequence, mind, thorough: true, story);
        var text = new StringBuilder();
        foreach (var violation in run.Violations.Where(v => kind is null || v.Kind == kind))
        {
            var head = $"{violation.Kind} in turn {violation.Turn}: {violation.What}";
            text.AppendLine(head);
            text.AppendLine("  " + violation.Invariant.Sentence);
        }

        return text.AppendLine().Append(story).AppendLine().AppendLine("  " + sequence).ToString();
    }

    public static bool Fails(Sequence sequence, Mind mind, string kind) =>
        Run.Of(sequence, mind).Violations.Any(v => v.Kind == kind);

    /// <summary>How much was run.</summary>
    public static string Extent(Campaign campaign, ulong seed, int turns) => string.Create(
        CultureInfo.InvariantCulture,
        $"""
        seed {seed}: {campaign.Sequences:N0} sequences of {turns} turns in {campaign.Took.TotalSeconds:N0} s
        {campaign.Sequences * turns:N0} turns, {campaign.Steps:N0} steps, {campaign.Loads:N0} loads
        """);

    /// <summary>Each invariant and whether it held; the last line is the sum.</summary>
    public static string Invariants(Campaign campaign, out int failed)
    {
        var text = new StringBuilder();
        failed = 0;
        foreach (var invariant in Invariant.All)
        {
            var findings = campaign.Findings.Where(f => f.Violation.Invariant == invariant).ToList();
            if (findings.Count > 0) failed++;
            var word = findings.Count > 0 ? "FAILED" : "held";
            text.AppendLine(CultureInfo.InvariantCulture, $"{word,-7} {invariant.Name}");
            foreach (var finding in findings)
            {
                var what = finding.Violation.What;
                text.AppendLine(CultureInfo.InvariantCulture, $"        {finding.Count,9:N0}  {finding.Kind}: {what}");
            }
        }

        var passed = Invariant.All.Count - failed;
        text.Append(CultureInfo.InvariantCulture, $"{passed} passed, {failed} failed, 0 skipped");
        return text.ToString();
    }
}
