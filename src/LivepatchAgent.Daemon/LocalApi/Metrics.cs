using LivepatchAgent.Core.Wire;
using LivepatchAgent.Core;
using LivepatchAgent.Daemon.Host;

namespace LivepatchAgent.Daemon.LocalApi;

/// <summary>
/// The status as metrics: a projection, no counters of its own. By default in Prometheus' text format 0.0.4, whose
/// readers, node_exporter's textfile collector among them, refuse a whole file for one type that only OpenMetrics has.
/// </summary>
internal static class Metrics
{
    public static string Of(AgentStatus status, MetricsFormat format)
    {
        var text = new MetricsText(format);
        text.Head("livepatch_agent_info", "info", "What runs here.");
        text.Line("livepatch_agent_info", 1, ("version", status.AgentVersion), ("kernel", status.Kernel.Release));

        text.Head("livepatch_patch_state", "stateset", "Where the host stands; exactly one is 1.");
        foreach (var state in Enum.GetValues<PatchState>())
        {
            var value = state == status.State ? 1 : 0;
            text.Line("livepatch_patch_state", value, ("livepatch_patch_state", Kebab.Of(state)));
        }

        text.Gauge("livepatch_agent_enrolled", "Whether the host is enrolled.", status.Enrolment is not null);
        CheckIn(text, status.CheckIn);
        text.Gauge("livepatch_kernel_taint", "The taint bits of the kernel.", status.Kernel.Taint);
        if (status.Kernel.CoveredUntil is { } day)
        {
            var begin = new DateTimeOffset(day, TimeOnly.MinValue, TimeSpan.Zero);
            text.Gauge("livepatch_coverage_end_timestamp_seconds", "Last day of coverage of this kernel.", begin);
        }

        var blocking = status.Activity?.TaskCount ?? 0;
        text.Gauge("livepatch_transition_blocking_tasks", "Tasks that hold up a transition.", blocking);
        if (status.Patch is { } patch) Patch(text, patch);
        Hold(text, status);
        if (status.Problem is { } problem)
        {
            text.Head("livepatch_problem", "gauge", "The problem that status shows, by its code.");
            text.Line("livepatch_problem", 1, ("code", Kebab.Of(problem.Code)));
        }

        return text.End();
    }

    private static void Hold(MetricsText text, AgentStatus status)
    {
        var isHeld = status.Hold is not null;
        text.Gauge("livepatch_held", "Whether the administrator holds the host at what it runs.", isHeld);
        if (status.Hold?.Available is not { } available) return;
        text.Head("livepatch_patch_available", "gauge", "The patch that the hold keeps out.");
        text.Line("livepatch_patch_available", 1, ("version", available.Version));
    }

    private static void CheckIn(MetricsText text, CheckInStatus checkIn)
    {
        var succeeded = checkIn.Result == CheckInResult.Succeeded;
        text.Gauge("livepatch_checkin_success", "Whether the last check-in succeeded.", succeeded);
        if (checkIn.LastSuccess is { } success)
            text.Gauge("livepatch_checkin_success_timestamp_seconds", "When a check-in last succeeded.", success);
        if (checkIn.CatalogueExpires is { } end)
            text.Gauge("livepatch_catalogue_expiry_timestamp_seconds", "Until when the last catalogue counts.", end);
    }

    private static void Patch(MetricsText text, PatchStatus patch)
    {
        var (name, version, notice) = (patch.Name, patch.Version, patch.Notice);
        text.Head("livepatch_patch_info", "info", "The patch of this agent that the kernel runs.");
        text.Line("livepatch_patch_info", 1, ("name", name), ("version", version), ("notice", notice));
        text.Gauge("livepatch_patch_fixes", "CVEs that it fixes.", patch.Fixes.Count);
        if (patch.AppliedAt is { } at)
            text.Gauge("livepatch_patch_applied_timestamp_seconds", "When its transition was complete.", at);
    }
}
