using LivepatchAgent.Core;
using LivepatchAgent.Core.Agent;
using Microsoft.Extensions.Logging;

namespace LivepatchAgent.Daemon;

/// <summary>What failures are worth a line in the log: an outage is one calm line and one when it is over, not one a try.</summary>
internal sealed class Outage(ILogger log)
{
    private readonly Dictionary<Type, ProblemCode> _told = [];
    private bool _away;

    /// <param name="wasFailing">Whether check-ins failed before this result, perhaps already before the daemon was started.</param>
    public void Tell(Step step, StepResult result, bool wasFailing)
    {
        if (result is StepResult.Failed failed)
        {
            log.Log(IsNews(step, failed.Problem.Code, wasFailing) ? LogLevel.Warning : LogLevel.Debug, "{Problem}", failed.Problem);
            return;
        }

        _told.Remove(step.GetType());
        if (!CallsServer(step)) return;
        if (_away || (wasFailing && step is Step.CheckIn)) log.LogInformation("The patch server answers again");
        _away = false;
    }

    private bool IsNews(Step step, ProblemCode code, bool wasFailing)
    {
        if (CallsServer(step) && IsAboutTheWay(code))
        {
            var known = _away || (wasFailing && step is Step.CheckIn);
            _away = true;
            return !known;
        }

        var before = _told.GetValueOrDefault(step.GetType(), (ProblemCode)(-1));
        _told[step.GetType()] = code;
        return before != code;
    }

    private static bool CallsServer(Step step) => step is Step.CheckIn or Step.FetchCatalogue or Step.FetchManifest or Step.FetchWithdrawal or Step.Download;

    private static bool IsAboutTheWay(ProblemCode code) => code is >= ProblemCode.ServerUnreachable and <= ProblemCode.ServerRedirected;
}
