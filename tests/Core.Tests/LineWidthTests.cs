using System.Runtime.CompilerServices;

namespace LivepatchAgent.Core.Tests;

/// <summary>How wide the C# of all projects is, tests and benchmarks too.</summary>
public sealed class LineWidthTests
{
    private const int MaxColumns = 120;

    [Fact]
    public void Lines_KeepWithinTheColumns()
    {
        var files = Files("src").Concat(Files("tests")).Order(StringComparer.Ordinal).ToArray();
        Assert.Contains("src/LivepatchAgent.Core/Problem.cs", files);
        Assert.Contains("tests/Core.Tests/LineWidthTests.cs", files);
        var wide = files.SelectMany(f => Wide(f, File.ReadLines(Path.Combine(Root(), f)))).ToArray();
        Assert.True(wide.Length == 0, $"{wide.Length} lines over {MaxColumns} columns:\n{string.Join('\n', wide)}");
    }

    [Theory]
    [InlineData('x', MaxColumns, false)]
    [InlineData('x', MaxColumns + 1, true)]
    [InlineData('✓', MaxColumns, false)]
    [InlineData('✓', MaxColumns + 1, true)]
    public void Wide_OfALine_NamesItsPlaceAndItsColumns(char character, int columns, bool isWide)
    {
        string[] lines = ["", new(character, columns)];
        string[] expected = isWide ? [$"a.cs:2: {columns}"] : [];
        Assert.Equal(expected, Wide("a.cs", lines));
    }

    /// <summary>The places of a file that are too wide, as an editor opens them.</summary>
    private static IEnumerable<string> Wide(string file, IEnumerable<string> lines) => lines
        .Select((line, at) => (Number: at + 1, Columns: line.EnumerateRunes().Count()))
        .Where(line => line.Columns > MaxColumns)
        .Select(line => $"{file}:{line.Number}: {line.Columns}");

    /// <summary>What is written by hand, as paths below the root.</summary>
    private static IEnumerable<string> Files(string folder) =>
        Directory.EnumerateFiles(Path.Combine(Root(), folder), "*.cs", SearchOption.AllDirectories)
            .Select(path => Path.GetRelativePath(Root(), path))
            .Where(path => !path.Split('/').Any(part => part is "bin" or "obj"));

    private static string Root([CallerFilePath] string file = "") => Path.GetFullPath(Path.Combine(file, "../../.."));
}
