using System.Text.Json;

namespace LivepatchAgent.Fuzz;

/// <summary>A value of a JSON document, and the property it is of.</summary>
/// <param name="Start">Of the property's name; of the value where it stands in a list.</param>
/// <param name="Value">Where the value begins.</param>
/// <param name="End">Behind the value.</param>
internal readonly record struct JsonPiece(int Start, int Value, int End);

/// <summary>
/// Where the values of a document are, so that they can be left out and exchanged with the document still being one.
/// </summary>
internal static class JsonPieces
{
    /// <summary>None when the input is no JSON. A letter may stand before it (the target "wire").</summary>
    public static IReadOnlyList<JsonPiece> Of(byte[] input)
    {
        var begin = input is [not ((byte)'{' or (byte)'['), (byte)'{', ..] ? 1 : 0;
        List<JsonPiece> pieces = [];
        var reader = new Utf8JsonReader(input.AsSpan(begin));
        try
        {
            Stack<(int Start, int Value)> open = [];
            var name = -1;
            while (reader.Read())
            {
                var (start, end) = (begin + (int)reader.TokenStartIndex, begin + (int)reader.BytesConsumed);
                switch (reader.TokenType)
                {
                    case JsonTokenType.PropertyName:
                        name = start;
                        continue;
                    case JsonTokenType.StartObject or JsonTokenType.StartArray:
                        open.Push((name < 0 ? start : name, start));
                        break;
                    case JsonTokenType.EndObject or JsonTokenType.EndArray:
                        var (from, value) = open.Pop();
                        if (open.Count > 0) pieces.Add(new JsonPiece(from, value, end));
                        break;
                    default:
                        pieces.Add(new JsonPiece(name < 0 ? start : name, start, end));
                        break;
                }

                name = -1;
            }
        }
        catch (JsonException)
        {
            return [];
        }

        return pieces;
    }
}
