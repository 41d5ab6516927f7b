using LivepatchAgent.Core;
using LivepatchAgent.Core.Agent;
using Microsoft.Extensions.Logging;

namespace LivepatchAgent.Daemon;

/// <summary>What failures are worth a line in the log: an outage is one calm line and one when it is over, not one a try.</summary>
internal sealed class Outage(ILogger log)
{
    /// <summary>What was told of each kind of step since it last succeeded.</summary>
    private readonly Dictionary<Type, ProblemCode> _told = [];

    /// <summary>The kind of step whose failure told of the outage that is on.</summary>
    private Type? _toldBy;

    /// <param name="wasFailing">Whether check-ins failed before this result, perhaps already before the daemon was started.</param>
    public void Tell(Step step, StepResult result, bool wasFailing)
    {
        var kind = step.GetType();
        if (result is StepResult.Failed failed)
        {
            var news = IsNews(step, failed.Problem.Code, wasFailing);
            if (news && IsAboutTheWay(failed.Problem.Code)) _toldBy = kind;
            _told[kind] = failed.Problem.Code;
            log.Log(news ? LogLevel.Warning : LogLevel.Debug, "{Problem}", failed.Problem);
            return;
        }

        _told.Remove(kind);
        if ((step is Step.CheckIn && wasFailing) || _toldBy == kind) log.LogInformation("The patch server answers again");
        if (step is Step.CheckIn || _toldBy == kind) _toldBy = null;
    }

    private bool IsNews(Step step, ProblemCode code, bool wasFailing)
    {
        if (step is Step.CheckIn) return !wasFailing && _toldBy is null;
        var same = _told.TryGetValue(step.GetType(), out var before) && before == code;
        return !same && !(IsAboutTheWay(code) && (wasFailing || _toldBy is not null));
    }

    private static bool IsAboutTheWay(ProblemCode code) => code is >= ProblemCode.ServerUnreachable and <= ProblemCode.ServerRedirected;
}
