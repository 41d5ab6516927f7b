using LivepatchAgent.Core;
using LivepatchAgent.Core.Agent;
using Microsoft.Extensions.Logging;

namespace LivepatchAgent.Daemon.Loop;

/// <summary>
/// Which failures are worth a line in the log: an outage is one calm line when it begins and one when it is over, not
/// one for each try.
/// </summary>
internal sealed class FailureLog(ILogger log)
{
    /// <summary>The last failure of each kind of step since it last succeeded.</summary>
    private readonly Dictionary<Type, ProblemCode> _last = [];

    /// <summary>The kind of step whose failure announced the outage that is on.</summary>
    private Type? _outageBy;

    /// <param name="step">What was done.</param>
    /// <param name="result">What came of it.</param>
    /// <param name="wasFailing">Whether check-ins failed before this, perhaps before the daemon was started.</param>
    public void Add(Step step, StepResult result, bool wasFailing)
    {
        if (result is StepResult.Failed failed) Failed(step, failed.Problem, wasFailing);
        else Succeeded(step, wasFailing);
    }

    private void Failed(Step step, Problem problem, bool wasFailing)
    {
        var kind = step.GetType();
        var isNews = IsNews(step, problem.Code, wasFailing);
        if (isNews && IsAboutTheWay(problem.Code)) _outageBy = kind;
        _last[kind] = problem.Code;
        log.Log(isNews ? LogLevel.Warning : LogLevel.Debug, "{Problem}", problem);
    }

    private void Succeeded(Step step, bool wasFailing)
    {
        var kind = step.GetType();
        _last.Remove(kind);
        var endsOutage = (step is Step.CheckIn && wasFailing) || _outageBy == kind;
        if (endsOutage) log.LogInformation("The patch server answers again");
        if (step is Step.CheckIn || _outageBy == kind) _outageBy = null;
    }

    private bool IsNews(Step step, ProblemCode code, bool wasFailing)
    {
        if (step is Step.CheckIn) return !wasFailing && _outageBy is null;
        var isRepeated = _last.TryGetValue(step.GetType(), out var before) && before == code;
        var isPartOfOutage = IsAboutTheWay(code) && (wasFailing || _outageBy is not null);
        return !isRepeated && !isPartOfOutage;
    }

    private static bool IsAboutTheWay(ProblemCode code) =>
        code is >= ProblemCode.ServerUnreachable and <= ProblemCode.ServerRedirected;
}
