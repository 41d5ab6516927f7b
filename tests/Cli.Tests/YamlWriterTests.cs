using System.Globalization;
using System.Text;
using System.Text.Json;
using CsCheck;
using LivepatchAgent.Cli.Views;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace LivepatchAgent.Cli.Tests;

/// <summary>What is written is read back by YamlDotNet as the same value.</summary>
public sealed class YamlWriterTests
{
    private static readonly string[] Awkward =
    [
        "", " ", "a ", "yes", "No", "null", "~", "true", "0x1f", "1e5", "1.0", ".inf", "-", "- a", "? a", "a: b", "a #b", "#", "&a", "*a", "!t", "%", "@", "`",
        "'", "\"", "\\", "---", "...", "[", "{}", "2026-11-23", "12:30:00", "\u0085", "\u2028", "\ufeff", "😀", "✓", "a\tb", "line\nline\n", "\r", "\0", "\e[2J", "=", "<<", "e5", "y", "on", "OFF",
    ];

    private static readonly Gen<string> Text = Gen.OneOf(Gen.String[Gen.Char, 0, 12].Select(Whole), Gen.String[Gen.Char[' ', '~'], 0, 12], Gen.Int[0, Awkward.Length - 1].Select(index => Awkward[index]));

    private static readonly Gen<object?> Scalar = Gen.OneOf(
        Text.Select(text => (object?)text), Gen.Bool.Select(value => (object?)value), Gen.Long.Select(value => (object?)value), Gen.Const((object?)null),
        Gen.Double.Where(double.IsFinite).Select(value => (object?)value));

    private static readonly Gen<object?> Value = Gen.Recursive<object?>((depth, value) => depth > 3
        ? Scalar
        : Gen.OneOf(Scalar, value.Array[0, 4].Select(items => (object?)items), Gen.Dictionary(Text, value)[0, 4].Select(map => (object?)map)));

    [Fact]
    public void Yaml_OfAnyValue_IsReadBackAsIt() => Value.Sample(value => RoundTrips(value), iter: 3000);

    [Fact]
    public void Yaml_OfAwkwardStrings_IsReadBackAsThem() => Assert.True(RoundTrips(Awkward));

    [Theory]
    [InlineData("{}", "{}\n")]
    [InlineData("[]", "[]\n")]
    [InlineData("1e5", "1.0e+5\n")]
    [InlineData("""{"a":[{"b":1,"c":[]},[2,[3]],"x y","no"],"d":{}}""", "a:\n  - b: 1\n    c: []\n  - - 2\n    - - 3\n  - x y\n  - \"no\"\nd: {}\n")]
    [InlineData("""["\ud800"]""", "- \"\\ud800\"\n")]
    public void Yaml_OfJson_Reads(string json, string yaml)
    {
        using var document = JsonDocument.Parse(json);
        Assert.Equal(yaml, YamlWriter.Write(document.RootElement));
    }

    private static bool RoundTrips(object? value)
    {
        var json = JsonSerializer.SerializeToUtf8Bytes(value);
        using var document = JsonDocument.Parse(json);
        var yaml = YamlWriter.Write(document.RootElement);
        var stream = new YamlStream();
        stream.Load(new StringReader(yaml));
        return Same(document.RootElement, stream.Documents.Single().RootNode);
    }

    private static bool Same(JsonElement json, YamlNode yaml) => (json.ValueKind, yaml) switch
    {
        (JsonValueKind.Object, YamlMappingNode map) => map.Children.Count == json.EnumerateObject().Count()
            && json.EnumerateObject().Zip(map.Children).All(pair => IsText(pair.Second.Key, pair.First.Name) && Same(pair.First.Value, pair.Second.Value)),
        (JsonValueKind.Array, YamlSequenceNode list) => list.Children.Count == json.GetArrayLength() && json.EnumerateArray().Zip(list.Children).All(pair => Same(pair.First, pair.Second)),
        (JsonValueKind.String, _) => IsText(yaml, json.GetString()!),
        (JsonValueKind.Number, YamlScalarNode { Style: ScalarStyle.Plain } scalar) =>
            double.Parse(scalar.Value!, NumberStyles.Float, CultureInfo.InvariantCulture).Equals(json.GetDouble()),
        (JsonValueKind.True, YamlScalarNode { Style: ScalarStyle.Plain, Value: "true" }) => true,
        (JsonValueKind.False, YamlScalarNode { Style: ScalarStyle.Plain, Value: "false" }) => true,
        (JsonValueKind.Null, YamlScalarNode { Style: ScalarStyle.Plain, Value: "null" }) => true,
        _ => false,
    };

    /// <summary>A plain scalar must be one that no reader resolves to something else: it begins with a letter and is no word of YAML's.</summary>
    private static bool IsText(YamlNode node, string text) => node is YamlScalarNode scalar && scalar.Value == text
        && (scalar.Style == ScalarStyle.DoubleQuoted
            || (char.IsAsciiLetter(text[0]) && text.ToUpperInvariant() is not ("NULL" or "TRUE" or "FALSE" or "YES" or "NO" or "ON" or "OFF" or "Y" or "N")));

    /// <summary>Half a surrogate pair is no text; JSON has a test of its own for it.</summary>
    private static string Whole(string text) => Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text));
}
