using System.Text.RegularExpressions;

namespace LivepatchAgent.Daemon.Tests.Surroundings;

/// <summary>The grammar of OpenMetrics 1.0, as far as gauges, infos and state sets go.</summary>
internal static partial class OpenMetrics
{
    public static void AssertValid(string text)
    {
        Assert.EndsWith("\n# EOF\n", text, StringComparison.Ordinal);
        var families = new HashSet<string>();
        var samples = new HashSet<string>();
        var (family, type) = ("", "");
        foreach (var line in text.Split('\n')[..^2])
        {
            if (TypeLine().Match(line) is { Success: true } t)
            {
                (family, type) = (t.Groups[1].Value, t.Groups[2].Value);
                Assert.True(families.Add(family), $"{family} stands twice");
            }
            else if (HelpLine().Match(line) is { Success: true } h)
            {
                Assert.Equal(family, h.Groups[1].Value);
            }
            else
            {
                var sample = SampleLine().Match(line);
                Assert.True(sample.Success, line);
                Assert.Equal(type == "info" ? family + "_info" : family, sample.Groups[1].Value);
                Assert.True(samples.Add(sample.Groups[1].Value + sample.Groups[2].Value), $"{line} stands twice");
                if (type == "info") Assert.Equal("1", sample.Groups[3].Value);
                var labels = sample.Groups[2].Value;
                if (type == "stateset") Assert.Contains(family + "=\"", labels, StringComparison.Ordinal);
            }
        }
    }

    [GeneratedRegex("^# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (gauge|info|stateset)$")]
    private static partial Regex TypeLine();

    [GeneratedRegex("^# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) (?:[^\\\\\n\"]|\\\\[\\\\n\"])*$")]
    private static partial Regex HelpLine();

    private const string Name = "[a-zA-Z_:][a-zA-Z0-9_:]*";
    private const string Label = "[a-zA-Z_][a-zA-Z0-9_]*=\"(?:[^\\\\\n\"]|\\\\[\\\\n\"])*\"";

    [GeneratedRegex($"^({Name})(\\{{{Label}(?:,{Label})*\\}})? (-?[0-9]+)$")]
    private static partial Regex SampleLine();
}
