using System.Text;
using LivepatchAgent.Cli.Local;
using LivepatchAgent.Cli.Terminals;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Cli.Views;

/// <summary>Each patch state in a sentence that says what is so and nothing more; see docs/status.md.</summary>
internal static class PatchStateView
{
    private static readonly Problem NotEnrolled = new(
        ProblemCode.NotEnrolled, "",
        "run `sudo livepatch-agent enable TOKEN` with a token from the livepatch server");

    private static readonly Problem SwitchedOff = new(
        ProblemCode.SwitchedOff, "",
        "take `livepatch_agent=off` off the kernel command line, or empty /etc/livepatch-agent/mode");

    private static readonly Problem HeldUp = new(
        ProblemCode.TransitionStalled, "",
        "the kernel carries on when these tasks leave the patched functions; restarting their unit helps");

    public static string Sentence(StatusReading reading, DateTimeOffset now, Style style)
    {
        var status = reading.Status;
        if (reading.Unknown.State is { } word)
            return $"{style.Of(Mark.Bad)} {style.Clean(word)} (a state that is newer than this livepatch-agent)";
        return status.State switch
        {
            PatchState.NotEnrolled when status.Activity is not null =>
                $"{style.Of(Mark.Wait)} this host is being enrolled",
            PatchState.NotEnrolled => $"{style.Of(Mark.Bad)} this host is not enrolled",
            PatchState.NeedsCheck => $"{style.Of(Mark.Wait)} enrolled, and nothing heard from the server yet",
            PatchState.NothingToApply when status.Hold?.Available is not null =>
                $"{style.Of(Mark.Wait)} no patch is loaded, as this host is held",
            PatchState.NothingToApply =>
                $"{style.Of(Mark.Good)} the server offers no livepatch for kernel {style.Clean(status.Kernel.Release)}",
            PatchState.Applying => $"{style.Of(Mark.Wait)} {Applying(status.Activity)}",
            PatchState.Applied when status.Hold?.Available is not null =>
                $"{style.Of(Mark.Good)} the patch that this host is held at is applied",
            PatchState.Applied => $"{style.Of(Mark.Good)} all applicable livepatch modules applied",
            PatchState.Stalled => $"{style.Of(Mark.Bad)} {Stalled(status.Activity, now)}",
            PatchState.Refused => $"{style.Of(Mark.Bad)} a patch was refused before the kernel saw it",
            PatchState.ApplyFailed => $"{style.Of(Mark.Bad)} the kernel did not take the patch",
            _ => $"{style.Of(Mark.Bad)} {Unsupported(status)}",
        };
    }

    /// <summary>What to do about a state that no problem explains.</summary>
    public static Problem? Advice(StatusReading reading) => reading switch
    {
        { Unknown.State: not null } or { Status.Problem: not null } => null,
        { Status: { State: PatchState.NotEnrolled, Activity: null } } => NotEnrolled,
        { Status: { State: PatchState.Unsupported, Kernel.LivepatchSupported: true } } => SwitchedOff,
        { Status.State: PatchState.Stalled } => HeldUp,
        _ => null,
    };

    /// <summary>The tasks that the kernel waits for, one a line.</summary>
    public static void Tasks(StringBuilder text, ActivityStatus? activity, Style style)
    {
        if (activity?.Tasks is not { Count: > 0 } tasks) return;
        foreach (var task in tasks)
        {
            var unit = task.Unit is null ? "" : $" of {style.Clean(task.Unit)}";
            var place = task.Stack.Count == 0 ? "" : $", in {style.Clean(task.Stack[0])}";
            text.Append($"  task {task.Tid} ({style.Clean(task.Comm)}){unit}{place}\n");
        }
        var more = activity.TaskCount - tasks.Count ?? 0;
        if (more > 0) text.Append($"  and {Words.Count(more, "more task")}\n");
    }

    /// <summary>One line for the end of `enable` and `refresh`.</summary>
    public static string Outcome(StatusReading reading, DateTimeOffset now, Style style)
    {
        if (reading is { Unknown.State: null, Status: { State: PatchState.Applied, Patch: { } patch } })
            return $"{style.Of(Mark.Good)} patched: version {Name(patch, style)}{Fixes(patch, style)}";
        return Sentence(reading, now, style);
    }

    public static string Name(PatchStatus patch, Style style) =>
        $"{style.Clean(patch.Version)} (notice {style.Clean(patch.Notice)})";

    public static string Fixes(PatchStatus patch, Style style) =>
        patch.Fixes.Count == 0 ? "" : $", fixes {style.Clean(string.Join(", ", patch.Fixes))}";

    private static string Applying(ActivityStatus? activity) =>
        activity is null ? "a patch is on its way" : Words.Activity(activity);

    private static string Stalled(ActivityStatus? activity, DateTimeOffset now)
    {
        if (activity is null) return "the kernel is switching over, and some task holds it up";
        var count = activity.TaskCount ?? activity.Tasks?.Count ?? 0;
        var who = count switch
        {
            0 => "some task holds it up",
            1 => "1 task holds it up",
            _ => $"{count} tasks hold it up",
        };
        var way = activity.Kind == ActivityKind.Reversing ? "taking the patch back" : "switching over";
        return $"the kernel has been {way} for {Words.Span(now - activity.Since)}, and {who}";
    }

    private static string Unsupported(AgentStatus status) => status switch
    {
        { Kernel.LivepatchSupported: false } => "this host cannot be live-patched",
        { Problem: null or { Code: ProblemCode.SwitchedOff } } => "livepatching is switched off on this host",
        _ => "this host cannot be live-patched",
    };
}
