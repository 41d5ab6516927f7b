using LivepatchAgent.Core;
using LivepatchAgent.Core.Agent;
using LivepatchAgent.Core.History;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Daemon.Host;
using Microsoft.Extensions.Logging;

namespace LivepatchAgent.Daemon.Loop;

/// <summary>Where people meet the loop: it answers their commands, and puts on the board what the agent says.</summary>
internal sealed class CommandDesk(AgentJournal journal, HostWatch watch, Inbox inbox, StatusBoard board, ILogger log)
{
    private static readonly Problem Unchangeable = new(
        ProblemCode.StateNewer,
        "cannot change anything: a newer agent wrote the state of this host",
        "install that version again");

    /// <summary>Takes one command that waits. False when there was none.</summary>
    public bool TryServe(HostSnapshot host)
    {
        if (!inbox.TryTake(out var request)) return false;
        request!.Answer.SetResult(Answer(request, host));
        return true;
    }

    /// <summary>
    /// Shows a problem that keeps the loop from its work, and answers commands with it; an address that came is not
    /// forgotten.
    /// </summary>
    public void Decline(Problem problem)
    {
        Show(board.Current with { At = watch.Now, Problem = problem });
        while (inbox.HasCommands && inbox.TryTake(out var request)) request!.Answer.SetResult(problem);
    }

    /// <summary>Shows a problem beside all that was shown before.</summary>
    public void Show(Problem problem) => Show(board.Current with { Problem = problem });

    /// <param name="host">The look that the step was decided by.</param>
    /// <param name="step">What is done now.</param>
    /// <param name="progress">Of a download.</param>
    /// <param name="trustFault">A file of trust.d that is passed over.</param>
    public void Show(HostSnapshot host, Step step, DownloadProgress? progress, Problem? trustFault)
    {
        var status = Projection.Status(journal.State, host, step, progress, AgentVersion.Text, watch.Now);
        // A fault of trust.d stops nothing, so everything else comes first.
        var problem = journal.DiskProblem ?? status.Problem ?? trustFault;
        Show(problem is null ? status : status with { Problem = problem });
    }

    private void Show(AgentStatus status) => board.Show(status);

    private static AgentState WithAsker(AgentState state, HistoryBy? by) =>
        state with { Conversation = state.Conversation with { AskedBy = by } };

    /// <summary>The status revision to follow from, or why the command is not taken.</summary>
    private Result<long> Answer(Inbox.Request request, HostSnapshot host)
    {
        var command = request.Command;
        var isByPeople = command is not Command.NetworkUp;
        if (journal.ReadOnly && isByPeople) return (journal.State.Phase as Phase.NotEnrolled)?.Problem ?? Unchangeable;
        var accepted = Decider.Accept(watch.Turn(journal.State, host), command);
        if (!accepted.TryGet(out var after, out var problem)) return problem;
        // An address came and no call waited for one.
        if (ReferenceEquals(after, journal.State)) return board.Current.Revision;

        var level = isByPeople ? LogLevel.Information : LogLevel.Debug;
        log.Log(level, "Asked to {Command}", command.GetType().Name.ToLowerInvariant());
        if (command is Command.Refresh) after = WithAsker(after, request.By);
        // What cannot be remembered is not taken.
        if (!journal.Save(after, new Cause.Asked(command, request.By))) return journal.DiskProblem!;

        if (isByPeople) watch.HangUp();
        // People follow the status from here: it must not look settled until the loop has looked again.
        var unsettled = new Step.Believe(journal.State, "");
        var status = Projection.Status(journal.State, host, unsettled, null, AgentVersion.Text, watch.Now);
        var revision = board.Show(status).Revision;
        inbox.Nudge();
        return revision;
    }
}
