using System.Diagnostics;
using Microsoft.Net.Http.Headers;

namespace LivepatchAgent.Daemon.LocalApi;

/// <summary>The two text formats that readers of metrics know.</summary>
internal enum MetricsFormat
{
    /// <summary>Prometheus' text format 0.0.4.</summary>
    Classical,

    /// <summary>OpenMetrics 1.0, for those who ask for it.</summary>
    OpenMetrics,
}

/// <summary>Which format a reader gets (RFC 9110, 12.5.1), and what it is called.</summary>
internal static class MetricsFormats
{
    private const string OpenMetrics = "application/openmetrics-text";

    public static string ContentType(MetricsFormat format) => format switch
    {
        MetricsFormat.Classical => "text/plain; version=0.0.4; charset=utf-8",
        MetricsFormat.OpenMetrics => $"{OpenMetrics}; version=1.0.0; charset=utf-8",
        _ => throw new UnreachableException($"format {format}"),
    };

    /// <summary>
    /// OpenMetrics where it is named and not liked less than the classical format. All others get the classical one,
    /// also those who accept neither: an answer in another format says more than none.
    /// </summary>
    /// <param name="accept">The lines of <c>Accept</c>; what cannot be understood of them does not count.</param>
    public static MetricsFormat Of(IReadOnlyList<string?> accept)
    {
        if (!MediaTypeHeaderValue.TryParseList([.. accept.OfType<string>()], out var ranges))
            return MetricsFormat.Classical;
        var open = Quality(ranges.Where(r => Names(r, OpenMetrics) && IsVersion(r, "1.0.0")));
        if (open is not > 0) return MetricsFormat.Classical;
        // The most specific range that fits counts, whatever the others say.
        var classical = Quality(ranges.Where(r => Names(r, "text/plain") && IsVersion(r, "0.0.4")))
            ?? Quality(ranges.Where(r => Names(r, "text/*")))
            ?? Quality(ranges.Where(r => Names(r, "*/*")))
            ?? 0;
        return open >= classical ? MetricsFormat.OpenMetrics : MetricsFormat.Classical;
    }

    /// <summary>Of the range that is liked best; null where there is no range.</summary>
    private static double? Quality(IEnumerable<MediaTypeHeaderValue> ranges) =>
        ranges.Max(r => (double?)(r.Quality ?? 1));

    private static bool Names(MediaTypeHeaderValue range, string type) =>
        range.MediaType.Equals(type, StringComparison.OrdinalIgnoreCase);

    /// <summary>A range without a version takes any.</summary>
    private static bool IsVersion(MediaTypeHeaderValue range, string version)
    {
        var named = range.Parameters.FirstOrDefault(p => p.Name.Equals("version", StringComparison.OrdinalIgnoreCase));
        return named is null || HeaderUtilities.RemoveQuotes(named.Value).Equals(version, StringComparison.Ordinal);
    }
}
