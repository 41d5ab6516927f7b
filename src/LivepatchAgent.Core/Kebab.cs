using System.Text.Json;
using System.Text.Json.Serialization;

namespace LivepatchAgent.Core;

/// <summary>Enums on the wire are words in kebab case, never numbers.</summary>
public sealed class KebabEnumConverter<T>()
    : JsonStringEnumConverter<T>(JsonNamingPolicy.KebabCaseLower, allowIntegerValues: false)
    where T : struct, Enum;

/// <summary>The same words outside JSON: metric labels, log lines, anchors.</summary>
public static class Kebab
{
    public static string Of<T>(T value)
        where T : struct, Enum => JsonNamingPolicy.KebabCaseLower.ConvertName(value.ToString());

    /// <summary>The value of a word, if there is one.</summary>
    public static bool TryRead<T>(string word, out T value)
        where T : struct, Enum
    {
        foreach (var known in Enum.GetValues<T>())
        {
            if (Of(known) != word) continue;
            value = known;
            return true;
        }

        value = default;
        return false;
    }
}
