using LivepatchAgent.Cli.Local;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Shared.CommandLine;

namespace LivepatchAgent.Cli;

/// <summary>The contract with scripts: docs/cli.md shows this table, a test holds the two together.</summary>
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

    /// <summary><c>enable</c> and <c>refresh</c> once the agent has settled: 0 when what was asked for came about.</summary>
    public static int OfOutcome(StatusReading reading) =>
        reading.Unknown.State is not null || Trouble(reading.Status) ? Failed : OfState(reading.Status);

    private static bool Trouble(AgentStatus status) =>
        status.Problem is not null
        || status.CheckIn.Result == CheckInResult.Failed
        || status.State is PatchState.Stalled or PatchState.Refused or PatchState.ApplyFailed or PatchState.Unsupported;

    private static int OfState(AgentStatus status) => status.State switch
    {
        PatchState.Applied or PatchState.NothingToApply => Ok,
        PatchState.NotEnrolled when status.Activity is null => NotEnrolled,
        PatchState.NotEnrolled or PatchState.NeedsCheck or PatchState.Applying => Ongoing,
        _ => Failed,
    };
}
