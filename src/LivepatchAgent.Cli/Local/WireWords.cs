using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Cli.Local;

/// <summary>
/// The wire's words, spelt out: looking them up by reflection costs at every start.
/// A test compares them with the enums.
/// </summary>
internal static class WireWords
{
    public static PatchState? State(string word) => word switch
    {
        "not-enrolled" => PatchState.NotEnrolled,
        "needs-check" => PatchState.NeedsCheck,
        "nothing-to-apply" => PatchState.NothingToApply,
        "applying" => PatchState.Applying,
        "applied" => PatchState.Applied,
        "stalled" => PatchState.Stalled,
        "refused" => PatchState.Refused,
        "apply-failed" => PatchState.ApplyFailed,
        "unsupported" => PatchState.Unsupported,
        _ => null,
    };

    public static CoverageState? Coverage(string word) => word switch
    {
        "unknown" => CoverageState.Unknown,
        "covered" => CoverageState.Covered,
        "not-covered" => CoverageState.NotCovered,
        "ended" => CoverageState.Ended,
        _ => null,
    };

    public static CheckInResult? CheckIn(string word) => word switch
    {
        "never" => CheckInResult.Never,
        "succeeded" => CheckInResult.Succeeded,
        "failed" => CheckInResult.Failed,
        _ => null,
    };

    public static ActivityKind? Activity(string word) => word switch
    {
        "enrolling" => ActivityKind.Enrolling,
        "checking-in" => ActivityKind.CheckingIn,
        "fetching-manifest" => ActivityKind.FetchingManifest,
        "downloading" => ActivityKind.Downloading,
        "verifying" => ActivityKind.Verifying,
        "loading" => ActivityKind.Loading,
        "waiting-for-tasks" => ActivityKind.WaitingForTasks,
        "reversing" => ActivityKind.Reversing,
        "removing-old-module" => ActivityKind.RemovingOldModule,
        _ => null,
    };
}
