using LivepatchAgent.Core.Kernel;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Agent;
using LivepatchAgent.Core.History;
using LivepatchAgent.Daemon.Kernel;
using LivepatchAgent.Daemon.PatchServer;
using LivepatchAgent.Daemon.Store;
using LivepatchAgent.Daemon.Systemd;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace LivepatchAgent.Daemon;

/// <summary>
/// Observe, decide, save, perform, save: one effect a turn. The watchdog is fed here, at each turn and from the progress of
/// an effect, so a loop that hangs is a daemon that is restarted.
/// </summary>
internal sealed class AgentLoop(
    StateStore store, HistoryLog history, HostObserver observer, Performer performer, Listener listener, StatusBoard board, Inbox inbox, ServiceNotifier notifier, LiveSettings settings, FailPoint failPoint, TimeProvider time, ILogger<AgentLoop> log) : BackgroundService
{
    /// <summary>The journal is saved, or read, again after this time when the disk would not.</summary>
    private static readonly TimeSpan DiskPause = TimeSpan.FromSeconds(10);

    /// <summary>So many looks at the kernel in a row that fail are a problem.</summary>
    private const int BlindLooks = 3;

    /// <summary>Doubled with each look that fails, up to ten seconds.</summary>
    private static readonly TimeSpan FirstLookPause = TimeSpan.FromMilliseconds(40);

    /// <summary>A rest longer than this is one to go to sleep for.</summary>
    private static readonly TimeSpan LongRest = TimeSpan.FromSeconds(5);

    private readonly Outage _outage = new(log);
    private AgentState _state = new();
    private Problem? _diskProblem;
    private Problem? _historyProblem;
    private string _bootId = "";
    private bool _chronicled;
    private int _blindLooks;
    private IReadOnlyList<Problem> _passedOver = [];
    private int _faults;
    private bool _tired = true;

    /// <summary>The uptime when patches began to move, or when something woke the loop since; null while none moves.</summary>
    private TimeSpan? _movingSince;

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

        listener.Close();
        Save(Told(Decider.Stopped(_state, _bootId), new Cause.Stopped()));
    }

    /// <summary>
    /// Before anything else. A journal that the disk does not give may say that a patch took this host down: nothing is
    /// done until it is read.
    /// </summary>
    private async Task ReadJournalAsync(CancellationToken stop)
    {
        for (var tries = 1; ; tries++)
        {
            notifier.Alive();
            (_state, var problem) = store.Load();
            if (problem is not null && (tries == 1 || !store.Unread)) log.LogWarning("{Problem}", problem);
            if (!store.Unread)
            {
                if (tries > 1) log.LogInformation("The disk gives the journal again");
                return;
            }

            notifier.Say(board.Show(board.Current with { At = time.GetUtcNow(), Problem = problem }));
            Decline(problem!);
            await RestAsync(time.GetUtcNow() + DiskPause, stop);
        }
    }

    /// <summary>What escapes a turn is a bug: the host keeps what it runs, and the daemon stays there to say so.</summary>
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
            var problem = new Problem(ProblemCode.InternalError, $"cannot go on in phase {_state.Phase.GetType().Name}: {e.Message.ReplaceLineEndings(" ")}", "look at `journalctl -u livepatch-agentd` and report it; it is tried again and the host keeps what it runs");
            log.LogError(e, "{Problem}", problem);
            notifier.Say(board.Show(board.Current with { Problem = problem }));
            await RestAsync(time.GetUtcNow() + Cadence.Backoff(++_faults, jitter: 1), stop);
        }
    }

    /// <summary>True when an effect came to its end.</summary>
    private async Task<bool> TurnAsync(CancellationToken stop)
    {
        notifier.Alive();
        if (!observer.Observe(_state, listener.State).TryGet(out var host, out var unseen))
        {
            await LookAgainAsync(unseen, stop);
            return false;
        }

        _blindLooks = 0;
        if (host.KillSwitch == KillSwitch.Off && host.Listen is not ListenState.Off)
        {
            listener.Close(); // no call to the server at all, not even one that waits
            host = host with { Listen = listener.State };
        }

        _bootId = host.BootId;
        if (!_chronicled) OpenHistory(host);
        if (inbox.TryTake(out var request))
        {
            Answer(request!, host);
            return false;
        }

        var step = Decider.Next(Turn(host));
        // An effect whose intent is not on the disk is not begun: a crash in it would not be recognised.
        // A rest saves too: a boot from here on that finds no clean stop was a crash.
        if (!Save(Told(Decider.Begin(Turn(host), step), new Cause.Begun(step))))
        {
            step = new Step.Rest(time.GetUtcNow() + DiskPause);
        }

        Show(host, step, null);
        if (step is Step.Rest rest)
        {
            await RestAsync(Earlier(rest.Until, NextLook(host)), stop);
            return false;
        }

        return await PerformAsync(step, host, stop);
    }

    /// <summary>
    /// Nothing is decided on a look that failed. The next one comes soon, as sysfs may fail for a moment while a patch
    /// is taken away; it is a problem when it stays so.
    /// </summary>
    private async Task LookAgainAsync(Problem problem, CancellationToken stop)
    {
        if (++_blindLooks >= BlindLooks)
        {
            if (_blindLooks == BlindLooks) log.LogWarning("{Problem}", problem);
            notifier.Say(board.Show(board.Current with { At = time.GetUtcNow(), Problem = problem }));
            Decline(problem);
        }

        await RestAsync(time.GetUtcNow() + FirstLookPause * (1 << Math.Min(_blindLooks, 8)), stop);
    }

    /// <summary>People who ask for something get this for an answer; an address that came is not forgotten.</summary>
    private void Decline(Problem problem)
    {
        while (inbox.HasCommands && inbox.TryTake(out var request)) request!.Answer.SetResult(problem);
    }

    private async Task<bool> PerformAsync(Step step, HostSnapshot host, CancellationToken stop)
    {
        _tired = true;
        failPoint.Pass(step, before: true);
        StepResult result = new StepResult.Done();
        var started = time.GetTimestamp();
        if (step is Step.Believe believe)
        {
            if (believe.TakesHeldAnswer) listener.Close();
            _state = Told(believe.After, new Cause.Performed(step, result));
            // A held check-in that ends is everyday life; what comes of it is told.
            log.Log(believe.TakesHeldAnswer ? LogLevel.Debug : LogLevel.Information, "{Why}", Sentence(believe.Why));
        }
        else if (await WithPatienceAsync(step, host, stop) is { } done)
        {
            result = done;
            log.LogDebug("Step {Step} took {Milliseconds:F1} ms", step.GetType().Name, time.GetElapsedTime(started).TotalMilliseconds);
            Tell(step, result);
            _state = Told(Decider.Apply(Turn(host), step, result), new Cause.Performed(step, result));
        }
        else
        {
            return true; // broken off for a command; the step is decided anew
        }

        failPoint.Pass(step, before: false);
        Save(_state);
        return true;
    }

    /// <summary>Null when a command came in while a slow effect was under way: people come first, downloads resume.</summary>
    private async Task<StepResult?> WithPatienceAsync(Step step, HostSnapshot host, CancellationToken stop)
    {
        var canBreakOff = step is Step.CheckIn or Step.FetchCatalogue or Step.FetchPins or Step.FetchManifest or Step.FetchWithdrawal or Step.Download;
        using var breakOff = CancellationTokenSource.CreateLinkedTokenSource(stop);
        var effect = performer.PerformAsync(
            step,
            _state,
            host,
            progress =>
            {
                notifier.Alive();
                Show(host, step, progress);
            },
            breakOff.Token);
        if (canBreakOff && !effect.IsCompleted)
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

    private Turn Turn(HostSnapshot host) => new(_state, host, settings.Current.Policy, time.GetUtcNow());

    private void Answer(Inbox.Request request, HostSnapshot host)
    {
        if (store.ReadOnly && request.Command is not Command.NetworkUp)
        {
            request.Answer.SetResult((_state.Phase as Phase.NotEnrolled)?.Problem ?? new Problem(ProblemCode.StateNewer, "cannot change anything: a newer agent's state is here", "install that version again"));
            return;
        }

        if (!Decider.Accept(Turn(host), request.Command).TryGet(out var after, out var problem))
        {
            request.Answer.SetResult(problem);
            return;
        }

        if (ReferenceEquals(after, _state))
        {
            request.Answer.SetResult(board.Current.Revision); // an address came and nobody waited for one
            return;
        }

        var byPeople = request.Command is not Command.NetworkUp;
        log.Log(byPeople ? LogLevel.Information : LogLevel.Debug, "Asked to {Command}", request.Command.GetType().Name.ToLowerInvariant());
        if (request.Command is Command.Refresh) after = after with { Conversation = after.Conversation with { AskedBy = request.By } };
        // What cannot be remembered is not taken.
        if (!Save(Told(after, new Cause.Asked(request.Command, request.By))))
        {
            request.Answer.SetResult(_diskProblem!);
            return;
        }

        if (byPeople) listener.Close();
        // Whoever asked follows the status from here: it must not look settled until the loop has looked again.
        var status = Projection.Status(_state, host, new Step.Believe(_state, ""), null, Performer.AgentVersion, time.GetUtcNow());
        request.Answer.SetResult(board.Show(status).Revision);
        inbox.Nudge();
    }

    /// <summary>When patches that move are looked at again: what the board shows of them must not stay wrong.</summary>
    private DateTimeOffset NextLook(HostSnapshot host)
    {
        var age = _movingSince is { } since ? host.Uptime - since : TimeSpan.Zero;
        var pause = Cadence.NextLook(host.Patches, age);
        _movingSince = pause is null ? null : host.Uptime - age;
        return pause is { } soon ? host.At + soon : DateTimeOffset.MaxValue;
    }

    private static DateTimeOffset Earlier(DateTimeOffset a, DateTimeOffset b) => a < b ? a : b;

    private async Task RestAsync(DateTimeOffset until, CancellationToken stop)
    {
        var rest = until - time.GetUtcNow();
        if (rest > LongRest && _tired)
        {
            // What was set in motion, a held call's handshake for one, is to be over before its memory can go back.
            var pause = notifier.FeedEvery is { } often && often < LongRest ? often : LongRest;
            if (await WaitAsync(pause, stop)) return;
            _tired = false;
            Memory.GiveBack();
            notifier.Alive();
            rest = until - time.GetUtcNow();
        }

        if (notifier.FeedEvery is { } feed && feed < rest) rest = feed;
        if (rest <= TimeSpan.Zero) return;
        // Longer than a timer can count is as good as for ever.
        await WaitAsync(rest.TotalDays > 20 ? Timeout.InfiniteTimeSpan : rest, stop);
    }

    private async Task<bool> WaitAsync(TimeSpan atMost, CancellationToken stop)
    {
        var nudged = await inbox.WaitAsync(atMost, stop);
        if (nudged) _movingSince = null; // perhaps by a line of the kernel's: look closely again
        return nudged;
    }

    private void Show(HostSnapshot host, Step step, DownloadProgress? progress)
    {
        var status = Projection.Status(_state, host, step, progress, Performer.AgentVersion, time.GetUtcNow());
        // A file of trust.d that is passed over stops nothing, so everything else is said first.
        var problem = _diskProblem ?? status.Problem ?? (_passedOver is [var fault, ..] ? fault : null);
        if (problem is not null) status = status with { Problem = problem };
        notifier.Say(board.Show(status));
    }

    private bool Save(AgentState state)
    {
        var problem = store.Save(state);
        if (problem is not null && _diskProblem is null) log.LogWarning("{Problem}", problem);
        if (problem is null && _diskProblem is not null) log.LogInformation("The disk takes the journal again");
        _diskProblem = problem;
        if (problem is not null) return false;
        _state = state;
        problem = history.Write(state.History);
        // The history is no reason to leave a host unpatched: its lines wait in the journal, and what is lost is counted.
        if (problem is not null && _historyProblem is null) log.LogWarning("{Problem}", problem);
        if (problem is null && _historyProblem is not null) log.LogInformation("The disk takes the history again");
        _historyProblem = problem;
        return true;
    }

    /// <summary>The state, with its history carried on by what led to it.</summary>
    private AgentState Told(AgentState after, Cause cause) =>
        after with { History = history.Add(_state.History, Chronicle.Between(_state, after, cause), time.GetUtcNow(), _bootId) };

    private void OpenHistory(HostSnapshot host)
    {
        _chronicled = true;
        if (store.ReadOnly) return;
        var start = history.Start(_state.History);
        foreach (var found in start.Found) log.Log(found.Kind == HistoryKind.Damaged ? LogLevel.Error : LogLevel.Information, "Looked at the history: {Found}", found.Note);
        _state = _state with { History = history.Add(start.Mark, start.Found, time.GetUtcNow(), _bootId) };
        _state = Told(_state, new Cause.Started(Performer.AgentVersion, host.KernelRelease));
        log.LogInformation("The history has {Count} entries, the last is {Hash}", _state.History.Count, _state.History.Hash);
    }

    private void Tell(Step step, StepResult result)
    {
        foreach (var fault in performer.PassedOver.Except(_passedOver)) log.LogWarning("{Problem}", fault);
        _passedOver = performer.PassedOver;
        _outage.Tell(step, result, _state.Conversation.CheckIn.Failures > 0);
        switch (result)
        {
            case StepResult.ModuleVerified v:
                log.LogInformation("Verified {Module} {Version}, signed by {Signer}", v.Module.Facts.Name, v.Module.Manifest.Content.Version, v.Module.Signer[..16]);
                break;
            case StepResult.PinsRead p:
                foreach (var file in performer.StillTrusting(_state, p.Pins)) log.LogWarning("Pin set {Version} revokes a publisher's key that this host trusts by {File}: take it away, unless that is meant", p.Pins.Content.Version, file);
                break;
            case StepResult.Preflighted p:
                if (Preflight.Refusal(p.Report, out _) is { } refusal) log.LogWarning("{Problem}", refusal);
                foreach (var finding in p.Report.Of(CheckOutcome.Warning)) log.LogWarning("Preflight of {Module}: {Check}: {Found}", p.Report.Module, finding.Check, finding.Found);
                foreach (var finding in p.Report.Of(CheckOutcome.CannotTell))
                    log.LogDebug("Preflight of {Module} is unsure: {Check}: {Found}", p.Report.Module, finding.Check, finding.Found);
                break;
            case StepResult.Done when step is Step.Load l:
                log.LogInformation("The kernel took {Module}", l.Patch.Name);
                break;
            case StepResult.Enrolled e:
                log.LogInformation("Enrolled as {Machine}", e.Enrolment);
                break;
            default:
                break;
        }
    }

    private static string Sentence(string why) => why.Length == 0 ? why : char.ToUpperInvariant(why[0]) + why[1..];
}
