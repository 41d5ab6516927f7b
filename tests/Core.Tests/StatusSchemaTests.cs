using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Schema;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Core.Tests;

/// <summary>
/// docs/status.schema.json is what the code writes; UPDATE_GOLDENS=1 rewrites it, and the diff is reviewed.
/// </summary>
public sealed class StatusSchemaTests
{
    [Fact]
    public void Schema_OfTheStatus_IsTheDocumented()
    {
        var schema = Schema();
        var path = Path.Combine(Docs(), "status.schema.json");
        if (Environment.GetEnvironmentVariable("UPDATE_GOLDENS") == "1") File.WriteAllText(path, schema);
        Assert.True(
            File.Exists(path), $"{path} is missing: run the tests with UPDATE_GOLDENS=1 and look at what they wrote");
        Assert.Equal(File.ReadAllText(path), schema);
    }

    [Fact]
    public void Schema_NamesEveryWordOfEachEnum()
    {
        var schema = Schema();
        string[] words =
        [
            .. Words<PatchState>(),
            .. Words<CoverageState>(),
            .. Words<CheckInResult>(),
            .. Words<ActivityKind>(),
            .. Words<ProblemCode>(),
        ];
        foreach (var word in words)
            Assert.Contains($"\"{word}\"", schema, StringComparison.Ordinal);
    }

    private static string Schema()
    {
        var exported = WireJson.Default.Options.GetJsonSchemaAsNode(
            typeof(AgentStatus), new JsonSchemaExporterOptions { TreatNullObliviousAsNonNullable = true }).AsObject();
        var schema = new JsonObject
        {
            ["$schema"] = "https://json-schema.org/draft/2020-12/schema",
            ["title"] = AgentStatus.SchemaName,
            ["description"] = "GET /v1/status of livepatch-agentd and /run/livepatch-agent/status.json. "
                + "Fields and words are added, never changed; docs/status.md explains them.",
        };
        foreach (var (name, value) in exported.ToList())
        {
            exported.Remove(name);
            schema[name] = value;
        }

        schema["properties"]!["schema"] = new JsonObject { ["const"] = AgentStatus.SchemaName };
        return schema.ToJsonString(
            new JsonSerializerOptions(WireJson.Default.Options)
            {
                WriteIndented = true,
                Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
            }) + "\n";
    }

    private static IEnumerable<string> Words<T>()
        where T : struct, Enum => Enum.GetValues<T>().Select(Kebab.Of);

    private static string Docs([CallerFilePath] string here = "") =>
        Path.GetFullPath(Path.Combine(Path.GetDirectoryName(here)!, "..", "..", "docs"));
}
