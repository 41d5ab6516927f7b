using System.Globalization;
using System.Text;

namespace LivepatchAgent.Daemon.LocalApi;

/// <summary>An exposition in one of the two formats. A family's head comes once, before its samples.</summary>
internal sealed class MetricsText(MetricsFormat format)
{
    private readonly StringBuilder _text = new();

    public void Gauge(string name, string help, bool value) => Gauge(name, help, value ? 1 : 0);

    public void Gauge(string name, string help, DateTimeOffset value) => Gauge(name, help, value.ToUnixTimeSeconds());

    public void Gauge(string name, string help, long value)
    {
        Head(name, "gauge", help);
        Line(name, value);
    }

    /// <param name="name">Of the samples.</param>
    /// <param name="type">Of OpenMetrics; the classical format has a gauge in the place of info and stateset.</param>
    /// <param name="help">One line that needs no escaping: no backslash, no quotation mark.</param>
    public void Head(string name, string type, string help)
    {
        if (format == MetricsFormat.Classical)
        {
            _text.Append(CultureInfo.InvariantCulture, $"# HELP {name} {help}\n# TYPE {name} gauge\n");
            return;
        }

        var family = type == "info" ? name[..^"_info".Length] : name;
        _text.Append(CultureInfo.InvariantCulture, $"# TYPE {family} {type}\n# HELP {family} {help}\n");
    }

    public void Line(string name, long value, params ReadOnlySpan<(string Key, string Value)> labels)
    {
        _text.Append(name);
        for (var i = 0; i < labels.Length; i++)
        {
            _text.Append(i == 0 ? '{' : ',').Append(labels[i].Key);
            _text.Append("=\"").Append(Escaped(labels[i].Value)).Append('"');
        }

        if (labels.Length > 0) _text.Append('}');
        _text.Append(CultureInfo.InvariantCulture, $" {value}\n");
    }

    /// <summary>The whole text; OpenMetrics marks its end, so that a reader sees what was cut off.</summary>
    public string End() => _text.Append(format == MetricsFormat.OpenMetrics ? "# EOF\n" : "").ToString();

    private static string Escaped(string value) => value
        .Replace("\\", "\\\\", StringComparison.Ordinal)
        .Replace("\"", "\\\"", StringComparison.Ordinal)
        .Replace("\n", "\\n", StringComparison.Ordinal);
}
