using System.Text.Json;
using System.Text.Json.Serialization;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Core.Agent;

/// <summary>JSON of preflight: host facts (which a stranger may have written) and reports.</summary>
[JsonSourceGenerationOptions(
    GenerationMode = JsonSourceGenerationMode.Metadata,
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = true,
    MaxDepth = 16)]
[JsonSerializable(typeof(HostFacts))]
[JsonSerializable(typeof(PreflightReport))]
public sealed partial class PreflightJson : JsonSerializerContext
{
    /// <summary>For people and pipes, not for HTML.</summary>
    public static PreflightJson Readable => field ??= new(ReadableJson.Options(Default));

    /// <summary>Host facts of this schema, or why the file has no such facts.</summary>
    public static Result<HostFacts> ReadFacts(ReadOnlySpan<byte> json, string file)
    {
        if (Whole(json) is not { } facts) return Unreadable(file, "it is no description of a host");
        const int Known = Agent.HostFacts.CurrentSchema;
        return facts.Schema == Known
            ? facts
            : Unreadable(file, $"it has schema {facts.Schema}, this program knows {Known}");
    }

    private static HostFacts? Whole(ReadOnlySpan<byte> json)
    {
        try
        {
            return JsonSerializer.Deserialize(json, Default.HostFacts) is { } facts && IsWhole(facts) ? facts : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    /// <summary>JSON can have a null in any list.</summary>
    private static bool IsWhole(HostFacts facts) =>
        !Holes(facts.BlockedModules)
        && !Holes(facts.Patches)
        && !Holes(facts.Modules)
        && !Holes(facts.LoadedModules)
        && !Holes(facts.InstalledModules)
        && !Holes(facts.BuiltInModules)
        && !Holes(facts.Hooks)
        && !Holes(facts.Probes)
        && !Holes(facts.Keys?.Keys)
        && !Holes(facts.Symbols?.Values)
        && !Holes(facts.InstalledSymbols?.Values)
        && !Holes(facts.Traceable?.Values)
        && !Holes(facts.InstalledTraceable?.Values)
        && !Holes(facts.PatchStates?.Values)
        && !Holes(facts.SymbolNamespaces?.Values)
        && facts.Patches.All(p => p.Name is not null && p.Functions is not null && !Holes(p.Functions))
        && facts.Hooks?.Any(h => h.Handlers is null || Holes(h.Handlers)) != true;

    private static bool Holes<T>(IEnumerable<T>? list)
        where T : class => list?.Contains(null!) == true;

    private static Problem Unreadable(string file, string why) =>
        new(ProblemCode.RequestInvalid, $"cannot use {file}: {why}", "make it with `livepatch-agent facts`");
}
