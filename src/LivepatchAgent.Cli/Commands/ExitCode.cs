using LivepatchAgent.Cli.Local;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Shared.CommandLine;

namespace LivepatchAgent.Cli.Commands;

/// <summary>The contract with scripts: docs/cli.md shows this table, a test compares the two.</summary>
internal static class ExitCode
{
    public const int Ok = 0;
    public const int Failed = 1;
    public const int Ongoing = 2;
    public const int NotEnrolled = 3;
    public const int DaemonAway = 4;
    public const int NotPermitted = 5;
    public const int Usage = ProgramArguments.UsageExitCode;

    /// <summary><c>status</c>: 0 only when nothing wants anybody's attention.</summary>
    public static int OfStatus(StatusReading reading)
    {
        var status = reading.Status;
        if (reading.Unknown.State is not null) return Failed; // not known to be good, so not called good
        if (status is { State: PatchState.NotEnrolled, Activity: null }) return NotEnrolled;
        if (Trouble(status)) return Failed;
        if (status.Patch?.Withdrawn is not null || status.Kernel.Coverage == CoverageState.Ended) return Failed;
        return OfState(status);
    }

    /// <summary><c>enable</c> and <c>refresh</c>, once the agent has settled: 0 when all is well.</summary>
    public static int OfOutcome(StatusReading reading) =>
        reading.Unknown.State is not null || Trouble(reading.Status) ? Failed : OfState(reading.Status);

    /// <summary>Any verb, when the daemon gave no answer that can be used.</summary>
    public static int OfAway(ApiAnswer.Away away) => away.Kind == AwayKind.NotPermitted ? NotPermitted : DaemonAway;

    /// <summary>Any verb, when the daemon refused.</summary>
    /// <param name="http">The answer's status code.</param>
    /// <param name="problem">Its problem code; null when it gave none.</param>
    public static int OfRefusal(int http, string? problem) => (http, problem) switch
    {
        (401 or 403, _) or (_, "not-permitted") => NotPermitted,
        (_, "not-enrolled") => NotEnrolled,
        _ => Failed,
    };

    private static bool Trouble(AgentStatus status)
    {
        if (status.Problem is not null || status.CheckIn.Result == CheckInResult.Failed) return true;
        return status.State
            is PatchState.Stalled or PatchState.Refused or PatchState.ApplyFailed or PatchState.Unsupported;
    }

    private static int OfState(AgentStatus status) => status.State switch
    {
        PatchState.Applied or PatchState.NothingToApply => Ok,
        PatchState.NotEnrolled when status.Activity is null => NotEnrolled,
        PatchState.NotEnrolled or PatchState.NeedsCheck or PatchState.Applying => Ongoing,
        _ => Failed,
    };
}
