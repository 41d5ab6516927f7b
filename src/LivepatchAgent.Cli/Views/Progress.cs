using LivepatchAgent.Cli.Local;
using LivepatchAgent.Cli.Terminals;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Cli.Views;

/// <summary>What goes on: one line that is rewritten on a terminal, a line for each stage in a pipe or a log.</summary>
internal sealed class Progress(TextWriter output, Terminal terminal, Style style)
{
    private const string EraseLine = "\r\e[2K";
    private const string NoWrap = "\e[?7l"; // a line that wraps could not be rewritten
    private const string Wrap = "\e[?7h";

    /// <summary>The stage of waiting for tasks once it is known how many.</summary>
    private static readonly object Counted = new();

    private object? _stage;
    private bool _open;

    public void Show(StatusReading reading)
    {
        if (reading.Unknown.Activity is { } word) Show(style.Clean(word));
        else if (reading.Status.Activity is { } activity) Show(activity);
    }

    public void Show(ActivityStatus activity) => Show(Words.Activity(activity), StageOf(activity));

    public void Show(string text) => Show(text, text);

    /// <summary>Takes the line back, so that the outcome stands in its place.</summary>
    public void End()
    {
        if (!_open) return;
        output.Write(EraseLine);
        output.Flush();
        _open = false;
    }

    private void Show(string text, object stage)
    {
        if (terminal.Interactive)
        {
            output.Write($"{EraseLine}{NoWrap}{style.Of(Mark.Wait)} {text}{Wrap}");
            _open = true;
        }
        else if (IsNew(stage))
        {
            output.WriteLine(text);
            _stage = stage;
        }

        output.Flush();
    }

    /// <summary>Once the tasks were counted, a moment in which their number is unknown is no new stage.</summary>
    private bool IsNew(object stage)
    {
        var isSameWait = _stage == Counted && stage is ActivityKind.WaitingForTasks;
        return !isSameWait && !stage.Equals(_stage);
    }

    private static object StageOf(ActivityStatus activity)
    {
        var isCounted = (activity.TaskCount ?? activity.Tasks?.Count) > 0;
        return isCounted && activity.Kind == ActivityKind.WaitingForTasks ? Counted : activity.Kind;
    }
}
