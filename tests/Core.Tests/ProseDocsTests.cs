using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;

namespace LivepatchAgent.Core.Tests;

/// <summary>How documents and messages are written: plain English, in Markdown one sentence a line.</summary>
public sealed partial class ProseDocsTests
{
    private static readonly string[] Folders =
    [
        ".", "docs", "packaging", "src",
        "tests/EndToEnd.Tests", "tests/lab", "tests/lab/cases", "tests/lab/patches",
    ];

    [Fact]
    public void Docs_HaveNoneOfTheTurnsOfPhrase()
    {
        var found =
            from page in Pages()
            from line in Prose(page)
            from turn in Turns(line.Text)
            select $"{Name(page)}:{line.Number}: {turn}";
        AssertNone(found);
    }

    [Fact]
    public void Messages_HaveNoneOfTheTurnsOfPhrase()
    {
        var found =
            from file in Directory.EnumerateFiles(Path.Combine(Root(), "src"), "*.cs", SearchOption.AllDirectories)
            where !Generated().IsMatch(file)
            from line in File.ReadAllLines(file).Index()
            where !line.Item.TrimStart().StartsWith("//", StringComparison.Ordinal)
            from Match text in Literal().Matches(line.Item)
            where text.Value.Contains(' ', StringComparison.Ordinal)
            from turn in Turns(text.Value)
            select $"{Name(file)}:{line.Index + 1}: {turn}";
        AssertNone(found);
    }

    [Theory]
    [InlineData("the host is told", "told")]
    [InlineData("there is no such thing: that is none", "is none")]
    [InlineData("Whoever asks shall wait", "Whoever", "shall")]
    [InlineData("it always tells the truth; the check says `cannot-tell`")]
    [InlineData("the kernel is none the wiser of beforehand")]
    public void Turns_AreFoundInPlainText(string line, params string[] turns) => Assert.Equal(turns, Turns(line));

    [Fact]
    public void Markdown_HasOneSentenceALine()
    {
        var found =
            from page in Pages()
            from line in Paragraphs(page)
            where !IsOneSentence(line)
            select $"{Name(page)}:{line.Number}: {line.Text}";
        AssertNone(found);
    }

    [Theory]
    [InlineData(true, "One sentence, with v1.2 and `a. B`.", false)]
    [InlineData(true, "1. A row of a list.", false)]
    [InlineData(true, "A row without a full stop", false)]
    [InlineData(true, "A rule, and where it is checked. (`Oracle.Loads`)", false)]
    [InlineData(false, "One. Two.", false)]
    [InlineData(false, "Is it? (It is.)", false)]
    [InlineData(false, "A sentence that goes on", true)]
    [InlineData(true, "A sentence that ends, and another line follows.", true)]
    public void Sentences_AreCounted(bool one, string text, bool goesOn) =>
        Assert.Equal(one, IsOneSentence(new(1, text, goesOn)));

    private static void AssertNone(IEnumerable<string> found)
    {
        var lines = string.Join('\n', found);
        Assert.True(lines.Length == 0, lines);
    }

    private sealed record Line(int Number, string Text, bool GoesOn = false);

    /// <summary>Turns of phrase that a native editor would not write; "tell the truth" is an idiom.</summary>
    private static IEnumerable<string> Turns(string line) =>
        Turn().Matches(CodeSpan().Replace(line, "code")).Select(match => match.Value);

    private static bool IsOneSentence(Line line)
    {
        var text = CodeSpan().Replace(WhereItIs().Replace(ListMark().Replace(line.Text, ""), ""), "code");
        return !NextSentence().IsMatch(text) && (!line.GoesOn || SentenceEnd().IsMatch(text));
    }

    /// <summary>Lines outside fenced code.</summary>
    private static IEnumerable<Line> Prose(string page)
    {
        var fenced = false;
        foreach (var (index, text) in File.ReadAllLines(page).Index())
        {
            var isFence = text.TrimStart().StartsWith("```", StringComparison.Ordinal);
            if (isFence) fenced = !fenced;
            else if (!fenced) yield return new(index + 1, text);
        }
    }

    /// <summary>Lines of paragraphs and lists: no code, table or heading.</summary>
    private static IEnumerable<Line> Paragraphs(string page)
    {
        var lines = Prose(page).ToDictionary(line => line.Number);
        foreach (var line in lines.Values.Where(line => IsText(line.Text)))
        {
            var next = lines.GetValueOrDefault(line.Number + 1)?.Text ?? "";
            yield return line with { GoesOn = IsText(next) && !ListMark().IsMatch(next) };
        }
    }

    private static bool IsText(string line) => line.Trim().Length > 0 && !NoText().IsMatch(line);

    /// <summary>docs/preflight-cases.md is printed by tests/lab/cases/run, and held to that.</summary>
    private static IEnumerable<string> Pages() =>
        Folders
            .SelectMany(folder => Directory.EnumerateFiles(Path.Combine(Root(), folder), "*.md"))
            .Where(page => Path.GetFileName(page) is not "preflight-cases.md");

    private static string Name(string page) => Path.GetRelativePath(Root(), page);

    private static string Root([CallerFilePath] string here = "") =>
        Path.GetFullPath(Path.Combine(Path.GetDirectoryName(here)!, "..", ".."));

    [GeneratedRegex(
        @"\b(told|tells?(?! the truth)|telling|(is|are) none(?! the )|of before|whoever|anew|by itself|shall"
        + @"|is to be had|comes about|at the most)\b",
        RegexOptions.IgnoreCase)]
    private static partial Regex Turn();

    /// <summary>A text in quotes; a name, such as that of a field in JSON, has no blank in it.</summary>
    [GeneratedRegex(@"""(?:[^""\\]|\\.)*""")]
    private static partial Regex Literal();

    [GeneratedRegex(@"[/\\](bin|obj)[/\\]")]
    private static partial Regex Generated();

    [GeneratedRegex("`[^`]*`")]
    private static partial Regex CodeSpan();

    /// <summary>A reference behind a full stop: (`Type.Member`).</summary>
    [GeneratedRegex(@" \(`[^`]*`\)$")]
    private static partial Regex WhereItIs();

    [GeneratedRegex(@"^ *([-*]|\d+\.) ")]
    private static partial Regex ListMark();

    [GeneratedRegex("[.!?][)\"*]* +[(\"*\\[]*(\\p{Lu}|code)")]
    private static partial Regex NextSentence();

    [GeneratedRegex("[.!?:][)\"*\\]]*$")]
    private static partial Regex SentenceEnd();

    [GeneratedRegex(@"^(    |\t|\||#)")]
    private static partial Regex NoText();
}
