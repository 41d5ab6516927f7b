using System.Diagnostics;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Agent;

namespace LivepatchAgent.Daemon.Loop;

/// <summary>Carries out one step and logs it; a slow one is broken off when a person's command comes.</summary>
internal sealed class StepRunner(Performer performer, StepLog log, Inbox inbox, FailPoint failPoint)
{
    /// <summary>A file of trust.d that was passed over when it was last looked whom to trust.</summary>
    public Problem? TrustFault => performer.PassedOver is [var fault, ..] ? fault : null;

    /// <summary>
    /// Null when a command came in while a slow effect was under way: people come first, and downloads resume.
    /// </summary>
    public async Task<StepResult?> RunAsync(
        Step step, AgentState state, HostSnapshot host, Action<DownloadProgress> progress, CancellationToken stop)
    {
        failPoint.Pass(step, before: true);
        if (step is Step.Believe believe)
        {
            log.Add(believe);
            return new StepResult.Done();
        }

        var started = Stopwatch.GetTimestamp();
        var result = await WithPatienceAsync(step, state, host, progress, stop);
        if (result is null) return null;
        var wasFailing = state.Conversation.CheckIn.Failures > 0;
        log.AddTrustFaults(performer.PassedOver);
        log.Add(step, result, Stopwatch.GetElapsedTime(started), wasFailing);
        if (result is StepResult.PinsRead { Pins: var pins })
            log.AddStillTrusted(pins.Content.Version, performer.StillTrusting(state, pins));
        return result;
    }

    /// <summary>What came of the step is believed; it is not saved yet. Tests end the daemon here.</summary>
    public void Pass(Step step) => failPoint.Pass(step, before: false);

    private async Task<StepResult?> WithPatienceAsync(
        Step step, AgentState state, HostSnapshot host, Action<DownloadProgress> progress, CancellationToken stop)
    {
        using var breakOff = CancellationTokenSource.CreateLinkedTokenSource(stop);
        var effect = performer.PerformAsync(step, state, host, progress, breakOff.Token);
        if (CanBreakOff(step) && !effect.IsCompleted)
        {
            await Task.WhenAny(effect, inbox.CommandWaitsAsync(breakOff.Token));
            if (!effect.IsCompleted && inbox.HasCommands) await breakOff.CancelAsync();
        }

        try
        {
            var result = await effect;
            await breakOff.CancelAsync();
            return result;
        }
        catch (OperationCanceledException) when (breakOff.IsCancellationRequested && !stop.IsCancellationRequested)
        {
            return null;
        }
    }

    /// <summary>A call that is made again without loss. An enrolment is not: people wait for it.</summary>
    private static bool CanBreakOff(Step step) => step is Step.CheckIn or Step.FetchCatalogue or Step.FetchPins
        or Step.FetchManifest or Step.FetchWithdrawal or Step.Download;
}
