using System.Text;
using LivepatchAgent.Cli.Local;
using LivepatchAgent.Cli.Terminals;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Cli.Views;

/// <summary>`status` for people. Six lines when all is well; more only when there is more to know.</summary>
internal static class StatusView
{
    public static string Render(StatusReading reading, DateTimeOffset now, Style style)
    {
        var status = reading.Status;
        var text = new StringBuilder();
        Line(text, "last check", LastCheck(status.CheckIn, now));
        Line(text, "kernel", style.Clean(status.Kernel.Release));
        Line(text, "server check-in", CheckIn(reading, style));
        Cure(text, status.CheckIn.Problem, style);
        Line(text, "kernel state", Kernel(reading, style));
        Line(text, "patch state", PatchStateView.Sentence(reading, now, style));
        PatchStateView.Tasks(text, status.Activity, style);
        Cure(text, PatchStateView.Advice(reading), style);
        Patch(text, status, style);
        Others(text, status, style);
        HoldView.Lines(text, status.Hold, style);
        if (Aside(reading) is { } doing) Line(text, "activity", style.Clean(doing));
        if (status.Problem is { } problem && problem != status.CheckIn.Problem)
        {
            Line(text, "problem", style.Clean(problem.Message));
            Cure(text, problem, style);
        }
        return text.ToString();
    }

    private static string LastCheck(CheckInStatus checkIn, DateTimeOffset now)
    {
        if ((checkIn.LastAttempt ?? checkIn.LastSuccess) is not { } last) return "never";
        if (checkIn.Result != CheckInResult.Failed) return Words.Ago(last, now);
        var success = checkIn.LastSuccess is { } good ? $"last success {Words.Ago(good, now)}" : "no success so far";
        return $"{Words.Ago(last, now)} ({success})";
    }

    private static string CheckIn(StatusReading reading, Style style)
    {
        if (reading.Unknown.CheckIn is { } word) return NewWord(word, style);
        var checkIn = reading.Status.CheckIn;
        var problem = checkIn.Problem is { } p ? style.Clean(p.Message) : null;
        return checkIn.Result switch
        {
            CheckInResult.Succeeded => problem is null ? "succeeded" : $"succeeded, but {problem}",
            CheckInResult.Failed => problem is null ? "failed" : $"failed: {problem}",
            _ when problem is not null => problem,
            _ => reading.Status.Enrolment is null ? "none, as this host is not enrolled" : "none so far",
        };
    }

    private static string Kernel(StatusReading reading, Style style)
    {
        var kernel = reading.Status.Kernel;
        if (!kernel.LivepatchSupported)
            return $"{style.Of(Mark.Bad)} built without livepatch support (CONFIG_LIVEPATCH)";
        if (reading.Unknown.Coverage is { } word) return $"{style.Of(Mark.Wait)} {NewWord(word, style)}";
        var day = kernel.CoveredUntil is { } until ? Words.Day(until) : null;
        return kernel.Coverage switch
        {
            CoverageState.Covered => $"{style.Of(Mark.Good)} {Covered(day)}",
            CoverageState.NotCovered => $"{style.Of(Mark.Bad)} not covered by livepatch",
            CoverageState.Ended => $"{style.Of(Mark.Bad)} {Ended(day)}; upgrade the kernel and reboot",
            _ => $"{style.Of(Mark.Wait)} not known yet whether livepatch covers it",
        };
    }

    private static string Covered(string? day) =>
        day is null ? "covered by livepatch" : $"covered by livepatch until {day}";

    private static string Ended(string? day) =>
        day is null ? "livepatch coverage has ended" : $"livepatch coverage ended on {day}";

    private static void Patch(StringBuilder text, AgentStatus status, Style style)
    {
        if (status.Patch is not { } patch) return;
        var loaded = status.Loaded.FirstOrDefault(each => each.Name == patch.Name);
        var isReversing = status.Activity?.Kind == ActivityKind.Reversing;
        var standing = loaded switch
        {
            null => ", not in the kernel",
            { Transition: true } => $", the kernel is {(isReversing ? "taking it back" : "switching over")}",
            _ => "",
        };
        var (name, fixes) = (PatchStateView.Name(patch, style), PatchStateView.Fixes(patch, style));
        Line(text, "patch version", $"{name}{standing}{fixes}");
        if (patch.Withdrawn is null) return;
        text.Append($"  {style.Of(Mark.Bad)} withdrawn by its publisher: {style.Clean(patch.Withdrawn)}\n");
        text.Append("  cure: it runs until this host reboots or a newer patch replaces it\n");
    }

    /// <summary>Livepatches that the kernel has and that are not the one above: superseded, or not ours.</summary>
    private static void Others(StringBuilder text, AgentStatus status, Style style)
    {
        var others = status.Loaded.Where(each => each.Name != status.Patch?.Name)
            .Select(each => $"{style.Clean(each.Name)} ({PatchesView.Standing(each)})");
        var line = string.Join(", ", others);
        if (line.Length > 0) Line(text, "other livepatches", line);
    }

    /// <summary>What goes on, where the patch state does not say it already.</summary>
    private static string? Aside(StatusReading reading) => reading switch
    {
        { Unknown.Activity: { } word } => word,
        { Status: { State: PatchState.Applying or PatchState.Stalled } } => null,
        { Status.Activity: { } activity } => Words.Activity(activity),
        _ => null,
    };

    private static string NewWord(string word, Style style) =>
        $"{style.Clean(word)} (a word that is newer than this livepatch-agent)";

    private static void Line(StringBuilder text, string label, string value) => text.Append($"{label}: {value}\n");

    private static void Cure(StringBuilder text, Problem? problem, Style style)
    {
        if (problem is { Cure.Length: > 0 }) text.Append($"  cure: {style.Clean(problem.Cure)}\n");
    }
}
