using System.Globalization;
using System.Text.Json;

namespace LivepatchAgent.Model;

/// <summary>What happens to one host: so many turns of its daemon's loop, and the incidents among them.</summary>
/// <remarks>
/// Its text is one line, <c>TURNS: TURN.POINT KIND[=BEHAVIOUR], …</c>, such as
/// <c>40: 0.look publish=ok, 12.saved power</c>.
/// </remarks>
internal sealed record Sequence(int Turns, IReadOnlyList<Incident> Incidents)
{
    public override string ToString() =>
        Turns.ToString(CultureInfo.InvariantCulture) + ": " + string.Join(", ", Incidents.Select(Text));

    public static string Text(Incident incident) =>
        string.Create(CultureInfo.InvariantCulture, $"{incident.Turn}.{Word(incident.Point)} {What(incident)}");

    /// <summary>The incident without its place.</summary>
    public static string What(Incident incident) => Incident.HasBehaviour(incident.Kind)
        ? $"{Word(incident.Kind)}={Word(incident.Behaviour)}"
        : Word(incident.Kind);

    /// <summary>Reads what <see cref="ToString"/> wrote.</summary>
    /// <exception cref="FormatException">It is not such a text.</exception>
    public static Sequence Parse(string text)
    {
        var colon = text.IndexOf(':', StringComparison.Ordinal);
        if (colon < 0) throw new FormatException($"cannot read the sequence: it has no colon: {text}");
        const StringSplitOptions Options = StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries;
        var incidents = text[(colon + 1)..].Split(',', Options);
        return new Sequence(
            int.Parse(text.AsSpan(0, colon), NumberStyles.None, CultureInfo.InvariantCulture),
            [.. incidents.Select(ParseIncident)]);
    }

    private static Incident ParseIncident(string text)
    {
        var dot = text.IndexOf('.', StringComparison.Ordinal);
        var space = text.IndexOf(' ', StringComparison.Ordinal);
        if (dot < 0 || space < dot) throw new FormatException($"cannot read the incident: {text}");
        var what = text[(space + 1)..].Split('=');
        return new Incident(
            int.Parse(text.AsSpan(0, dot), NumberStyles.None, CultureInfo.InvariantCulture),
            Value<Point>(text[(dot + 1)..space]),
            Value<IncidentKind>(what[0]),
            what.Length > 1 ? Value<Behaviour>(what[1]) : Behaviour.Ok);
    }

    private static T Value<T>(string word)
        where T : struct, Enum
    {
        foreach (var value in Enum.GetValues<T>())
        {
            if (Word(value) == word) return value;
        }

        throw new FormatException($"cannot read the sequence: no {typeof(T).Name} is called {word}");
    }

    internal static string Word<T>(T value)
        where T : struct, Enum => JsonNamingPolicy.KebabCaseLower.ConvertName(value.ToString());
}
