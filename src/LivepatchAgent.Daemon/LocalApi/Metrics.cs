using System.Globalization;
using System.Text;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Daemon.LocalApi;

/// <summary>The status as OpenMetrics text: a projection, no counters of its own.</summary>
internal static class Metrics
{
    public static string Of(AgentStatus status)
    {
        var text = new StringBuilder();
        Head(text, "livepatch_agent_info", "info", "What runs here.");
        Line(text, "livepatch_agent_info", 1, ("version", status.AgentVersion), ("kernel", status.Kernel.Release));

        Head(text, "livepatch_patch_state", "stateset", "Where the host stands; exactly one is 1.");
        foreach (var state in Enum.GetValues<PatchState>())
            Line(text, "livepatch_patch_state", state == status.State ? 1 : 0, ("livepatch_patch_state", Kebab.Of(state)));

        Gauge(text, "livepatch_agent_enrolled", "Whether the host is enrolled.", status.Enrolment is null ? 0 : 1);
        Gauge(text, "livepatch_checkin_success", "Whether the last check-in succeeded.", status.CheckIn.Result == CheckInResult.Succeeded ? 1 : 0);
        if (status.CheckIn.LastSuccess is { } success) Gauge(text, "livepatch_checkin_success_timestamp_seconds", "When a check-in last succeeded.", success.ToUnixTimeSeconds());
        if (status.CheckIn.CatalogueExpires is { } fresh) Gauge(text, "livepatch_catalogue_expiry_timestamp_seconds", "Until when the last catalogue counts.", fresh.ToUnixTimeSeconds());
        Gauge(text, "livepatch_kernel_taint", "The taint bits of the kernel.", status.Kernel.Taint);
        if (status.Kernel.CoveredUntil is { } day) Gauge(text, "livepatch_coverage_end_timestamp_seconds", "Last day of coverage of this kernel.", new DateTimeOffset(day, TimeOnly.MinValue, TimeSpan.Zero).ToUnixTimeSeconds());
        Gauge(text, "livepatch_transition_blocking_tasks", "Tasks that hold up a transition.", status.Activity?.TaskCount ?? 0);

        if (status.Patch is { } patch)
        {
            Head(text, "livepatch_patch_info", "info", "The patch of this agent that the kernel runs.");
            Line(text, "livepatch_patch_info", 1, ("name", patch.Name), ("version", patch.Version), ("notice", patch.Notice));
            Gauge(text, "livepatch_patch_fixes", "CVEs that it fixes.", patch.Fixes.Count);
            if (patch.AppliedAt is { } at) Gauge(text, "livepatch_patch_applied_timestamp_seconds", "When its transition was complete.", at.ToUnixTimeSeconds());
        }

        if (status.Problem is { } problem)
        {
            Head(text, "livepatch_problem", "gauge", "The problem that status shows, by its code.");
            Line(text, "livepatch_problem", 1, ("code", Kebab.Of(problem.Code)));
        }

        return text.Append("# EOF\n").ToString();
    }

    private static void Gauge(StringBuilder text, string name, string help, long value)
    {
        Head(text, name, "gauge", help);
        Line(text, name, value);
    }

    private static void Head(StringBuilder text, string name, string type, string help)
    {
        var family = type == "info" ? name[..^"_info".Length] : name;
        text.Append(CultureInfo.InvariantCulture, $"# TYPE {family} {type}\n# HELP {family} {help}\n");
    }

    private static void Line(StringBuilder text, string name, long value, params ReadOnlySpan<(string Key, string Value)> labels)
    {
        text.Append(name);
        for (var i = 0; i < labels.Length; i++)
            text.Append(i == 0 ? '{' : ',').Append(labels[i].Key).Append("=\"").Append(Escaped(labels[i].Value)).Append('"');
        if (labels.Length > 0) text.Append('}');
        text.Append(CultureInfo.InvariantCulture, $" {value}\n");
    }

    private static string Escaped(string value) => value.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal);
}
