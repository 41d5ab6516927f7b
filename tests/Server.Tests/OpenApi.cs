using System.Globalization;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using YamlDotNet.RepresentationModel;

namespace LivepatchAgent.Server.Tests;

/// <summary>docs/openapi.yaml, read, and the part of JSON Schema that it uses.</summary>
internal sealed class OpenApi
{
    private readonly JsonObject _document;

    private OpenApi(JsonObject document) => _document = document;

    public static OpenApi Load()
    {
        var yaml = new YamlStream();
        using var file = File.OpenText(Path.Combine(AppContext.BaseDirectory, "openapi.yaml"));
        yaml.Load(file);
        return new OpenApi(ToJson(yaml.Documents[0].RootNode)!.AsObject());
    }

    /// <summary>Every method, path and status that is written down.</summary>
    public IEnumerable<(string Method, string Path, string Status)> Documented() =>
        from path in _document["paths"]!.AsObject()
        from operation in path.Value!.AsObject()
        where operation.Key != "parameters"
        from response in operation.Value!["responses"]!.AsObject()
        select (operation.Key.ToUpperInvariant(), path.Key, response.Key);

    public string? Template(string path) => _document["paths"]!.AsObject().Select(p => p.Key).FirstOrDefault(template =>
        template.Split('/') is var parts
            && path.Split('/') is var given
            && parts.Length == given.Length
            && parts.Zip(given).All(p => p.First == p.Second || p.First.StartsWith('{')));

    /// <summary>What is wrong with a body that was sent or answered; null when nothing is.</summary>
    public string? Fault(JsonNode? content, string? mediaType, byte[] body)
    {
        var documented = Resolve(content)?["content"]?.AsObject();
        if (documented is null) return body.Length == 0 ? null : "a body that is not documented";
        if (mediaType is null || !documented.TryGetPropertyValue(mediaType, out var media))
            return $"media type {mediaType} is not documented";
        if (media?["schema"] is not { } schema) return null;
        return Fault(
            schema,
            mediaType == "application/json"
                ? JsonNode.Parse(body)
                : JsonValue.Create(System.Text.Encoding.UTF8.GetString(body)),
            "$");
    }

    public string? Fault(string schema, byte[] json) =>
        Fault(_document["components"]!["schemas"]![schema]!, JsonNode.Parse(json), "$");

    public JsonNode? Response(string method, string path, int status) =>
        Resolve(Operation(method, path)?["responses"]?[status.ToString(CultureInfo.InvariantCulture)]);

    public JsonNode? Request(string method, string path) => Operation(method, path)?["requestBody"];

    public string? HeaderFault(JsonNode? response, Func<string, string?> header)
    {
        var headers = Resolve(response)?["headers"]?.AsObject();
        return headers?.Select(Fault).FirstOrDefault(fault => fault is not null);

        string? Fault(KeyValuePair<string, JsonNode?> documented) => header(documented.Key) is { } value
            ? this.Fault(documented.Value!["schema"]!, JsonValue.Create(value), documented.Key)
            : null;
    }

    private JsonNode? Operation(string method, string path) => _document["paths"]?[path]?[method.ToLowerInvariant()];

    private static bool IsOfType(JsonNode? value, IEnumerable<string> types) =>
        types.Contains(TypeOf(value)) || (TypeOf(value) == "integer" && types.Contains("number"));

    private static JsonNode? Missing(JsonNode required, JsonNode value) =>
        required.AsArray().FirstOrDefault(name => !value.AsObject().ContainsKey(name!.ToString()));

    private static string? Additional(JsonObject schema, JsonNode value) =>
        value.AsObject().Select(p => p.Key).FirstOrDefault(name => schema["properties"]![name] is null);

    private string? Fault(JsonNode? rule, JsonNode? value, string at)
    {
        var schema = Resolve(rule)!.AsObject();
        foreach (var (keyword, argument) in schema)
        {
            var fault = keyword switch
            {
                "type" when !IsOfType(value, Types(argument!)) => $"{at} is {TypeOf(value)}",
                "const" when !JsonNode.DeepEquals(argument, value) => $"{at} is not {argument}",
                "enum" when !argument!.AsArray().Any(a => JsonNode.DeepEquals(a, value)) => $"{at} has an unknown word",
                "pattern" when value is JsonValue
                    && !Regex.IsMatch(value.ToString(), argument!.ToString()) => $"{at} does not fit {argument}",
                "minLength" when value!.ToString().Length < (int)argument! => $"{at} is too short",
                "maxLength" when value?.ToString().Length > (int)argument! => $"{at} is too long",
                "minimum" when value!.GetValue<decimal>() < (int)argument! => $"{at} is too small",
                "minItems" when value!.AsArray().Count < (int)argument! => $"{at} has too few",
                "maxItems" when value!.AsArray().Count > (int)argument! => $"{at} has too many",
                "anyOf" when argument!.AsArray().All(one => Fault(one, value, at) is not null) => $"{at} fits none",
                "required" when Missing(argument!, value!) is { } missing => $"{at}.{missing} is missing",
                "additionalProperties" when Additional(schema, value!) is { } more => $"{at}.{more} is not documented",
                "items" => value!.AsArray().Select(
                    (item, i) => Fault(argument, item, $"{at}[{i}]")).FirstOrDefault(f => f is not null),
                "properties" => argument!.AsObject().Where(p => value!.AsObject().ContainsKey(p.Key)).Select(
                    p => Fault(p.Value, value![p.Key], $"{at}.{p.Key}")).FirstOrDefault(f => f is not null),
                "type" or "const" or "enum" or "pattern" or "minLength" or "maxLength" or "minimum" => null,
                "minItems" or "maxItems" or "anyOf" or "required" or "additionalProperties" => null,
                "description" or "format" or "examples" => null,
                _ => $"the schema at {at} uses {keyword}, which this test does not know",
            };
            if (fault is not null) return fault;
        }

        return null;
    }

    private JsonNode? Resolve(JsonNode? node)
    {
        while (node is JsonObject o && o["$ref"] is { } reference)
            node = reference.ToString().Split('/').Skip(1).Aggregate((JsonNode?)_document, (at, name) => at![name]);
        return node;
    }

    private static IEnumerable<string> Types(JsonNode type) =>
        type is JsonArray several ? several.Select(t => t!.ToString()) : [type.ToString()];

    private static string TypeOf(JsonNode? value) => value?.GetValueKind() switch
    {
        null => "null",
        System.Text.Json.JsonValueKind.Object => "object",
        System.Text.Json.JsonValueKind.Array => "array",
        System.Text.Json.JsonValueKind.String => "string",
        System.Text.Json.JsonValueKind.Number => value.ToJsonString().Contains('.', StringComparison.Ordinal)
            ? "number"
            : "integer",
        _ => "boolean",
    };

    private static JsonNode? ToJson(YamlNode node) => node switch
    {
        YamlMappingNode map => new JsonObject(
            map.Children.Select(c => KeyValuePair.Create(((YamlScalarNode)c.Key).Value!, ToJson(c.Value)))),
        YamlSequenceNode list => new JsonArray([.. list.Children.Select(ToJson)]),
        YamlScalarNode { Style: not YamlDotNet.Core.ScalarStyle.Plain } text => JsonValue.Create(text.Value),
        YamlScalarNode { Value: "true" or "false" } truth => JsonValue.Create(truth.Value == "true"),
        YamlScalarNode { Value: var value } when int.TryParse(
            value,
            NumberStyles.AllowLeadingSign,
            CultureInfo.InvariantCulture,
            out var number) => JsonValue.Create(number),
        YamlScalarNode { Value: var value } => JsonValue.Create(value),
        _ => throw new InvalidOperationException($"{node.NodeType} in YAML"),
    };
}
