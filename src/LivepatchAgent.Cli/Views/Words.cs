using System.Globalization;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Cli.Views;

/// <summary>Times, sizes and counts in words.</summary>
internal static class Words
{
    public static string Ago(DateTimeOffset then, DateTimeOffset now)
    {
        var age = now - then;
        if (age < TimeSpan.FromSeconds(-5)) return $"at {Instant(then)}, which is in the future: the clock was changed";
        return age < TimeSpan.FromSeconds(1) ? "just now" : $"{Span(age)} ago";
    }

    public static string Span(TimeSpan span) => span switch
    {
        { TotalMinutes: < 1 } => Count((long)Math.Max(0, span.TotalSeconds), "second"),
        { TotalHours: < 1 } => Count((long)span.TotalMinutes, "minute"),
        { TotalDays: < 2 } => Count((long)span.TotalHours, "hour"),
        _ => Count((long)span.TotalDays, "day"),
    };

    public static string Instant(DateTimeOffset at) =>
        at.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss 'UTC'", CultureInfo.InvariantCulture);

    public static string Day(DateOnly day) => day.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);

    public static string Count(long count, string thing)
    {
        if (count == 1) return $"1 {thing}";
        return string.Create(CultureInfo.InvariantCulture, $"{count} {thing}s");
    }

    public static string Size(long bytes) => bytes switch
    {
        < 1024 => Count(Math.Max(0, bytes), "byte"),
        < 1024 * 1024 => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1024.0:0.0} KiB"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{bytes / (1024.0 * 1024):0.0} MiB"),
    };

    /// <summary>What the agent does, as the end of "the agent is …".</summary>
    public static string Activity(ActivityStatus activity) => activity.Kind switch
    {
        ActivityKind.Enrolling => "enrolling with the server",
        ActivityKind.CheckingIn => "checking in with the server",
        ActivityKind.FetchingManifest => "fetching the patch manifest",
        ActivityKind.Downloading => Downloading(activity.Bytes, activity.TotalBytes),
        ActivityKind.Verifying => "verifying the patch",
        ActivityKind.Loading => "loading the patch",
        ActivityKind.WaitingForTasks => Waiting(activity.TaskCount ?? activity.Tasks?.Count),
        ActivityKind.Reversing => "taking the patch back",
        ActivityKind.RemovingOldModule => "removing a superseded livepatch module",
        _ => "busy",
    };

    private static string Downloading(long? bytes, long? total) => (bytes, total) switch
    {
        ({ } done, > 0 and { } all) => $"downloading the patch: {Size(done)} of {Size(all)} ({Percent(done, all)} %)",
        ({ } done, _) => $"downloading the patch: {Size(done)}",
        _ => "downloading the patch",
    };

    private static string Percent(long done, long total) =>
        Math.Clamp(done * 100.0 / total, 0, 100).ToString("0", CultureInfo.InvariantCulture);

    private static string Waiting(int? tasks)
    {
        var which = tasks is > 0 ? Count(tasks.Value, "task") : "tasks";
        return $"waiting for {which} to switch over";
    }
}
