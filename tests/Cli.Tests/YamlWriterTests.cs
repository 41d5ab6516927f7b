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
        "", " ", "a ", // spaces
        "yes", "No", "null", "~", "true", "y", "on", "OFF", // words of YAML 1.1
        "0x1f", "1e5", "e5", "1.0", ".inf", "2026-11-23", "12:30:00", // numbers and times
        "-", "- a", "? a", "a: b", "a #b", "#", "&a", "*a", "!t", "%", "@", "`", "=", "<<", // its signs
        "'", "\"", "\\", "---", "...", "[", "{}", // quotes and ends
        "\u0085", "\u2028", "\ufeff", "😀", "✓", "a\tb", "line\nline\n", "\r", "\0", "\e[2J", // other characters
    ];

    private static readonly Gen<string> Text = Gen.OneOf(
        Gen.String[Gen.Char, 0, 12].Select(Whole),
        Gen.String[Gen.Char[' ', '~'], 0, 12],
        Gen.Int[0, Awkward.Length - 1].Select(index => Awkward[index]));

    private static readonly Gen<object?> Scalar = Gen.OneOf(
        Text.Select(text => (object?)text),
        Gen.Bool.Select(value => (object?)value),
        Gen.Long.Select(value => (object?)value),
        Gen.Const((object?)null),
        Gen.Double.Where(double.IsFinite).Select(value => (object?)value));

    private static readonly Gen<object?> Value = Gen.Recursive<object?>((depth, value) => depth > 3
        ? Scalar
        : Gen.OneOf(
            Scalar,
            value.Array[0, 4].Select(items => (object?)items),
            Gen.Dictionary(Text, value)[0, 4].Select(map => (object?)map)));

    [Fact]
    public void Yaml_OfAnyValue_IsReadBackAsIt() => Value.Sample(value => RoundTrips(value), iter: 3000);

    [Fact]
    public void Yaml_OfAwkwardStrings_IsReadBackAsThem() => Assert.True(RoundTrips(Awkward));

    [Theory]
    [InlineData("{}", "{}\n")]
    [InlineData("[]", "[]\n")]
    [InlineData("1e5", "1.0e+5\n")]
    [InlineData("""{"a":[{"b":1,"c":[]}]}""", "a:\n  - b: 1\n    c: []\n")]
    [InlineData("[[2,[3]]]", "- - 2\n  - - 3\n")]
    [InlineData("""["x y","no"]""", "- x y\n- \"no\"\n")]
    [InlineData("""{"d":{},"e":-1.5E-3,"f":null,"g":false}""", "d: {}\ne: -1.5e-3\nf: null\ng: false\n")]
    [InlineData("\"a\"", "a\n")]
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
        (JsonValueKind.Object, YamlMappingNode map) => SameMembers([.. json.EnumerateObject()], [.. map.Children]),
        (JsonValueKind.Array, YamlSequenceNode list) => SameItems([.. json.EnumerateArray()], list.Children),
        (JsonValueKind.String, _) => IsText(yaml, json.GetString()!),
        (JsonValueKind.Number, YamlScalarNode { Style: ScalarStyle.Plain } scalar)
            => IsNumber(scalar, json.GetDouble()),
        (JsonValueKind.True, YamlScalarNode { Style: ScalarStyle.Plain, Value: "true" }) => true,
        (JsonValueKind.False, YamlScalarNode { Style: ScalarStyle.Plain, Value: "false" }) => true,
        (JsonValueKind.Null, YamlScalarNode { Style: ScalarStyle.Plain, Value: "null" }) => true,
        _ => false,
    };

    private static bool SameMembers(JsonProperty[] json, KeyValuePair<YamlNode, YamlNode>[] yaml) =>
        json.Length == yaml.Length && json.Zip(yaml).All(pair => SameMember(pair.First, pair.Second));

    private static bool SameMember(JsonProperty json, KeyValuePair<YamlNode, YamlNode> yaml) =>
        IsText(yaml.Key, json.Name) && Same(json.Value, yaml.Value);

    private static bool SameItems(JsonElement[] json, IList<YamlNode> yaml) =>
        json.Length == yaml.Count && json.Zip(yaml).All(pair => Same(pair.First, pair.Second));

    private static bool IsNumber(YamlScalarNode scalar, double number) =>
        double.Parse(scalar.Value!, NumberStyles.Float, CultureInfo.InvariantCulture).Equals(number);

    /// <summary>A plain scalar must be one that every reader takes for text.</summary>
    private static bool IsText(YamlNode node, string text)
    {
        if (node is not YamlScalarNode scalar || scalar.Value != text) return false;
        return scalar.Style == ScalarStyle.DoubleQuoted || (char.IsAsciiLetter(text[0]) && !IsYamlWord(text));
    }

    private static bool IsYamlWord(string text) =>
        text.ToUpperInvariant() is "NULL" or "TRUE" or "FALSE" or "YES" or "NO" or "ON" or "OFF" or "Y" or "N";

    /// <summary>Half a surrogate pair is no text; JSON has a test of its own for it.</summary>
    private static string Whole(string text) => Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text));
}
