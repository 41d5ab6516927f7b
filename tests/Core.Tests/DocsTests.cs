using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;
using LivepatchAgent.Core.Agent;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Core.Tests;

/// <summary>What docs/ says of the code, held against the code.</summary>
public sealed partial class DocsTests
{
    [Fact]
    public void Errors_HasOneRowForEachCodeAndNoOther()
    {
        var rows = ErrorRow().Matches(Doc("errors.md")).Select(m => m.Groups[1].Value).ToList();
        Assert.Equal(Enum.GetValues<ProblemCode>().Select(Kebab.Of), rows);
        // Anchor and word of a row are one.
        Assert.All(ErrorRow().Matches(Doc("errors.md")), m => Assert.Equal(m.Groups[1].Value, m.Groups[2].Value));
    }

    [Fact]
    public void Preflight_HasOneRowForEachCheckInItsOrder() =>
        Assert.Equal(
            Preflight.Names,
            CheckRow().Matches(Doc("preflight.md")).Select(m => m.Groups[1].Value).Where(
                name => name is not ("ok" or "warning" or "cannot-tell" or "refused")));

    [Fact]
    public void Architecture_NamesEveryPhaseAndStep()
    {
        var page = Doc("architecture.md");
        Assert.All(
            typeof(Phase).GetNestedTypes().Where(t => !t.IsAbstract),
            t => Assert.Contains($"\n| `{Kebabed(t.Name)}` |", page, StringComparison.Ordinal));
        Assert.All(
            typeof(Step).GetNestedTypes(),
            t => Assert.Contains($"`{Kebabed(t.Name)}`", page, StringComparison.Ordinal));
    }

    [Fact]
    public void Trust_NamesTestsThatExist()
    {
        var named = TestMethod().Matches(Doc("trust.md")).Select(
            m => (File: m.Groups[1].Value, Method: m.Groups[2].Value)).Distinct().ToList();
        Assert.NotEmpty(named);
        Assert.All(named, test =>
        {
            var path = Path.Combine(Root(), "tests", test.File);
            Assert.True(File.Exists(path), $"docs/trust.md names tests/{test.File}, which is not there");
            if (test.Method.Length > 0)
                Assert.True(
                    File.ReadAllText(path).Contains($" {test.Method}(", StringComparison.Ordinal),
                    $"docs/trust.md names {test.Method} of tests/{test.File}, which is not there");
        });
    }

    [Fact]
    public void Links_LeadToFilesAndHeadings()
    {
        var broken = new List<string>();
        foreach (var page in Directory.EnumerateFiles(
            Path.Combine(Root(), "docs"),
            "*.md").Concat(Directory.EnumerateFiles(Root(), "*.md")).Append(Path.Combine(Root(), "src", "README.md")))
        {
            foreach (Match link in Link().Matches(File.ReadAllText(page)))
            {
                var (target, anchor) = (link.Groups[1].Value, link.Groups[2].Value);
                var file = target.Length == 0
                    ? page
                    : Path.GetFullPath(Path.Combine(Path.GetDirectoryName(page)!, target));
                if (!Path.Exists(file) || (anchor.Length > 0 && !Anchors(File.ReadAllText(file)).Contains(anchor)))
                    broken.Add($"{Path.GetRelativePath(Root(), page)}: {link.Value}");
            }
        }

        Assert.Empty(broken);
    }

    [Fact]
    public void LocalApi_HasEachRouteOfTheDaemonAndNoOther()
    {
        var code = RouteInCode().Matches(Source("LivepatchAgent.Daemon/LocalApi/Routes.cs")).Select(Groups);
        var page = RouteInPage().Matches(Doc("local-api.md")).Select(Groups);
        Assert.NotEmpty(code);
        Assert.Equal(code, page);
    }

    [Fact]
    public void LocalApi_HasEachMetricOfTheDaemonWithTypeAndLabels()
    {
        var source = Source("LivepatchAgent.Daemon/LocalApi/Metrics.cs");
        var types = HeadInCode().Matches(source).ToDictionary(m => m.Groups[1].Value, m => m.Groups[2].Value);
        foreach (Match gauge in GaugeInCode().Matches(source)) types.Add(gauge.Groups[1].Value, "gauge");
        var labels = LineInCode().Matches(source).ToDictionary(
            m => m.Groups[1].Value,
            m => string.Join(',', LabelInCode().Matches(m.Groups[2].Value).Select(l => l.Groups[1].Value)));
        var code = types.Select(
            t => $"{t.Key}{(labels.TryGetValue(t.Key, out var names) ? $"{{{names}}}" : "")} {t.Value}");
        Assert.True(types.Count > 10);
        Assert.Equal(
            code.Order(StringComparer.Ordinal),
            MetricInPage().Matches(Doc("local-api.md")).Select(
                m => $"{m.Groups[1].Value} {m.Groups[2].Value}").Order(StringComparer.Ordinal));
    }

    private static string Groups(Match match) =>
        string.Join(' ', match.Groups.Values.Skip(1).Select(g => g.Value.ToLowerInvariant()));

    private static string Source(string path) => File.ReadAllText(Path.Combine(Root(), "src", path));

    /// <summary>Headings as they are linked to, and anchors set by hand.</summary>
    private static HashSet<string> Anchors(string markdown) =>
    [
        .. Heading().Matches(markdown).Select(
            m => NotInAnchor().Replace(m.Groups[1].Value.ToLowerInvariant(), "").Replace(' ', '-')),
        .. Anchor().Matches(markdown).Select(m => m.Groups[1].Value),
    ];

    private static string Kebabed(string name) => System.Text.Json.JsonNamingPolicy.KebabCaseLower.ConvertName(name);

    private static string Doc(string name) => File.ReadAllText(Path.Combine(Root(), "docs", name));

    private static string Root([CallerFilePath] string here = "") =>
        Path.GetFullPath(Path.Combine(Path.GetDirectoryName(here)!, "..", ".."));

    [GeneratedRegex("^\\| <a id=\"([^\"]+)\"></a>`([^`]+)` \\|", RegexOptions.Multiline)]
    private static partial Regex ErrorRow();

    [GeneratedRegex(@"^\| `([a-z-]+)` \|", RegexOptions.Multiline)]
    private static partial Regex CheckRow();

    [GeneratedRegex(@"`([A-Za-z]+\.Tests/[A-Za-z/]+\.cs)(?:: (\w+))?`")]
    private static partial Regex TestMethod();

    [GeneratedRegex("new\\(\"([A-Z]+)\", \"([^\"]+)\", Access\\.(\\w+),")]
    private static partial Regex RouteInCode();

    [GeneratedRegex(@"^\| `([A-Z]+)` \| `([^`]+)` \| (\w+) \|", RegexOptions.Multiline)]
    private static partial Regex RouteInPage();

    [GeneratedRegex("Head\\(\\s*\"(\\w+)\", \"(\\w+)\"")]
    private static partial Regex HeadInCode();

    [GeneratedRegex("Gauge\\(\\s*\"(\\w+)\"")]
    private static partial Regex GaugeInCode();

    [GeneratedRegex("Line\\(\\s*\"(\\w+)\", [^;]*?((?:, ?\\(\"\\w+\", [^;]*)*);")]
    private static partial Regex LineInCode();

    [GeneratedRegex("\\(\"(\\w+)\", ")]
    private static partial Regex LabelInCode();

    [GeneratedRegex(@"^\| `(livepatch_[\w{},]+)` \| (\w+) \|", RegexOptions.Multiline)]
    private static partial Regex MetricInPage();

    [GeneratedRegex(@"\]\((?!https?:|mailto:)([^)#\s]*)#?([^)\s]*)\)")]
    private static partial Regex Link();

    [GeneratedRegex(@"^#{1,6} (.+)$", RegexOptions.Multiline)]
    private static partial Regex Heading();

    [GeneratedRegex(@"[^\p{L}\p{N} _-]")]
    private static partial Regex NotInAnchor();

    [GeneratedRegex("<a id=\"([^\"]+)\">")]
    private static partial Regex Anchor();
}
