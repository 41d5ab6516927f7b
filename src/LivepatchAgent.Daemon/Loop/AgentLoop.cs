using LivepatchAgent.Core;
using LivepatchAgent.Core.Agent;
using LivepatchAgent.Core.History;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace LivepatchAgent.Daemon.Loop;

/// <summary>
/// Observe, decide, save, perform, save: one effect a turn. The watchdog is fed at each turn and by the progress of an
/// effect, so systemd restarts a daemon whose loop hangs.
/// </summary>
internal sealed class AgentLoop(
    AgentJournal journal, HostWatch watch, StepRunner runner, CommandDesk desk, Pacer pacer, ILogger<AgentLoop> log)
    : BackgroundService
{
    private int _failedLooks;
    private int _faults;

    protected override async Task ExecuteAsync(CancellationToken stop)
    {
        try
        {
            await ReadJournalAsync(stop);
            while (!stop.IsCancellationRequested) await SafeTurnAsync(stop);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // the end was asked for
        }

        watch.HangUp();
        journal.Save(Decider.Stopped(journal.State, journal.BootId), new Cause.Stopped());
    }

    /// <summary>Before anything else: nothing is decided without the journal.</summary>
    private async Task ReadJournalAsync(CancellationToken stop)
    {
        for (var tries = 1; ; tries++)
        {
            pacer.Alive();
            if (journal.Load() is not { } problem)
            {
                if (tries > 1) log.LogInformation("The journal can be read again");
                return;
            }

            if (tries == 1) log.LogWarning("{Problem}", problem);
            desk.Decline(problem);
            await pacer.RestAsync(Cadence.DiskPause, stop);
        }
    }

    /// <summary>What escapes a turn is a bug: the host keeps what it runs, and the daemon stays to say so.</summary>
    private async Task SafeTurnAsync(CancellationToken stop)
    {
        try
        {
            if (await TurnAsync(stop)) _faults = 0;
        }
#pragma warning disable CA1031 // the one place where a bug is caught
        catch (Exception e) when (e is not OperationCanceledException)
#pragma warning restore CA1031
        {
            var why = e.Message.ReplaceLineEndings(" ");
            var problem = new Problem(
                ProblemCode.InternalError,
                $"cannot go on in phase {journal.State.Phase.GetType().Name}: {why}",
                "look at `journalctl -u livepatch-agentd` and report it; "
                + "it is tried again and the host keeps what it runs");
            log.LogError(e, "{Problem}", problem);
            desk.Show(problem);
            await pacer.RestAsync(Cadence.Backoff(++_faults, jitter: 1), stop);
        }
    }

    /// <summary>True when an effect came to its end.</summary>
    private async Task<bool> TurnAsync(CancellationToken stop)
    {
        pacer.Alive();
        if (!watch.Look(journal.State).TryGet(out var host, out var unseen))
        {
            await LookAgainAsync(unseen, stop);
            return false;
        }

        _failedLooks = 0;
        journal.EnterBoot(host);
        if (desk.TryServe(host)) return false;

        var turn = watch.Turn(journal.State, host);
        var step = Decider.Next(turn);
        // An effect whose intent is not on the disk is not begun: a crash in it would not be recognised.
        // A rest saves too: a boot from here on that finds no clean stop was a crash.
        if (!journal.Save(Decider.Begin(turn, step), new Cause.Begun(step)))
            step = new Step.Rest(watch.Now + Cadence.DiskPause);

        desk.Show(host, step, null, runner.TrustFault);
        if (step is not Step.Rest rest) return await PerformAsync(step, host, stop);
        var nextLook = pacer.NextLook(host);
        await pacer.RestAsync(nextLook < rest.Until ? nextLook : rest.Until, stop);
        return false;
    }

    /// <summary>
    /// Nothing is decided on a look that failed. The next one comes soon, as sysfs may fail for a moment while a patch
    /// is taken away; it is a problem when it stays so.
    /// </summary>
    private async Task LookAgainAsync(Problem problem, CancellationToken stop)
    {
        if (++_failedLooks >= Cadence.FailedLooks)
        {
            if (_failedLooks == Cadence.FailedLooks) log.LogWarning("{Problem}", problem);
            desk.Decline(problem);
        }

        await pacer.RestAsync(Cadence.LookPause(_failedLooks), stop);
    }

    private async Task<bool> PerformAsync(Step step, HostSnapshot host, CancellationToken stop)
    {
        pacer.Work();
        var state = journal.State;
        if (await runner.RunAsync(step, state, host, Progress, stop) is not { } result)
            return true; // broken off for a command; the step is decided again

        var after = step is Step.Believe believe ? believe.After : Decider.Apply(watch.Turn(state, host), step, result);
        if (step is Step.Believe { TakesHeldAnswer: true }) watch.HangUp();
        journal.Believe(after, new Cause.Performed(step, result));
        runner.Pass(step);
        journal.Save();
        return true;

        void Progress(DownloadProgress progress)
        {
            pacer.Alive();
            desk.Show(host, step, progress, runner.TrustFault);
        }
    }
}
