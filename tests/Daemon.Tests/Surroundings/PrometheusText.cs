using System.Text.RegularExpressions;

namespace LivepatchAgent.Daemon.Tests.Surroundings;

/// <summary>
/// Prometheus' text format 0.0.4, strictly: types of that format alone, a family in one piece with its HELP and TYPE
/// before its samples, and each of them once.
/// </summary>
internal static partial class PrometheusText
{
    public static void AssertValid(string text)
    {
        Assert.EndsWith("\n", text, StringComparison.Ordinal);
        Assert.DoesNotContain('\r', text);
        var (families, samples) = (new HashSet<string>(), new HashSet<string>());
        var (family, type) = ("", "");
        var awaitsType = false;
        foreach (var line in text.Split('\n')[..^1])
        {
            if (HelpLine().Match(line) is { Success: true } help)
            {
                Assert.False(awaitsType, $"{family} has no type");
                family = help.Groups[1].Value;
                Assert.True(families.Add(family), $"{family} stands twice");
                awaitsType = true;
            }
            else if (TypeLine().Match(line) is { Success: true } typed)
            {
                Assert.Equal((true, family), (awaitsType, typed.Groups[1].Value));
                (type, awaitsType) = (typed.Groups[2].Value, false);
                Assert.Equal(type == "counter", family.EndsWith("_total", StringComparison.Ordinal));
            }
            else
            {
                var sample = SampleLine().Match(line);
                Assert.True(sample.Success, line);
                Assert.Equal((false, family), (awaitsType, sample.Groups[1].Value));
                Assert.True(samples.Add(sample.Groups[1].Value + sample.Groups[2].Value), $"{line} stands twice");
            }
        }

        Assert.False(awaitsType, $"{family} has no type");
    }

    [GeneratedRegex("^# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) (?:[^\\\\\n]|\\\\[\\\\n])+$")]
    private static partial Regex HelpLine();

    [GeneratedRegex("^# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (gauge|counter)$")]
    private static partial Regex TypeLine();

    private const string Label = "[a-zA-Z_][a-zA-Z0-9_]*=\"(?:[^\\\\\n\"]|\\\\[\\\\n\"])*\"";

    [GeneratedRegex($"^([a-zA-Z_:][a-zA-Z0-9_:]*)(\\{{{Label}(?:,{Label})*\\}})? (-?[0-9]+)$")]
    private static partial Regex SampleLine();
}
