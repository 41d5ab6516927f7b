using System.Globalization;
using System.Text;
using LivepatchAgent.Cli.Terminals;
using LivepatchAgent.Core.Agent;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Core;

namespace LivepatchAgent.Cli.Views;

/// <summary>A preflight's report, one line a check; what matters most stands last, where the eye is.</summary>
internal static class CheckView
{
    public static string Render(PreflightReport report, Style style)
    {
        var text = new StringBuilder();
        var width = report.Checks.Select(c => c.Check.Length).DefaultIfEmpty().Max();
        var arrow = style.Unicode ? "→" : "->";
        var indent = new string(' ', MarkWidth(style) + width);
        foreach (var finding in report.Checks.OrderBy(c => c.Outcome))
        {
            var check = style.Clean(finding.Check).PadRight(width);
            text.Append($"{style.Of(MarkOf(finding.Outcome))} {check}  {style.Clean(finding.Found)}\n");
            if (finding.Cure is { Length: > 0 } cure) text.Append($"{indent}  {arrow} {style.Clean(cure)}\n");
        }

        text.Append($"\n{style.Clean(report.Module)}: {Verdict(report)}\n");
        return text.ToString();
    }

    /// <summary>Columns of a mark and the space after it.</summary>
    private static int MarkWidth(Style style) => style.Unicode ? 2 : 5;

    private static Mark MarkOf(CheckOutcome outcome) => outcome switch
    {
        CheckOutcome.Ok => Mark.Good,
        CheckOutcome.Refused => Mark.Bad,
        _ => Mark.Wait,
    };

    private static string Verdict(PreflightReport report) => report.Verdict switch
    {
        CheckOutcome.Ok => "nothing found against it",
        CheckOutcome.Warning => $"the kernel would take it; {Count(report, CheckOutcome.Warning)} worth knowing",
        CheckOutcome.CannotTell =>
            $"nothing found against it; {Count(report, CheckOutcome.CannotTell)} could not be carried out",
        _ => $"{Kebab.Of(report.Verdict)}: {Count(report, CheckOutcome.Refused)} against it",
    };

    private static string Count(PreflightReport report, CheckOutcome outcome)
    {
        var count = report.Of(outcome).Count();
        return count == 1 ? "one check" : $"{count.ToString(CultureInfo.InvariantCulture)} checks";
    }
}
