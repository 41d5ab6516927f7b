using LivepatchAgent.Cli.Local;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Cli.Views;

/// <summary>What goes on: one line written anew on a terminal, a line for each stage in a pipe or a log.</summary>
internal sealed class Progress(TextWriter output, Terminal terminal, Style style)
{
    private const string EraseLine = "\r\e[2K";
    private const string NoWrap = "\e[?7l"; // a line that wraps could not be written anew
    private const string Wrap = "\e[?7h";

    private object? _stage;
    private bool _open;

    public void Show(StatusReading reading)
    {
        if (reading.Unknown.Activity is { } word) Show(style.Clean(word));
        else if (reading.Status.Activity is { } activity) Show(Words.Activity(activity), activity.Kind);
    }

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
        else if (!stage.Equals(_stage))
        {
            output.WriteLine(text);
        }
        _stage = stage;
        output.Flush();
    }
}
