using LivepatchAgent.Cli.Local;
using LivepatchAgent.Cli.Views;

namespace LivepatchAgent.Cli.Commands;

/// <summary>An answer that is no success, in one line on standard error, with its exit code.</summary>
internal static class Failure
{
    public static int Tell(Surroundings surroundings, ApiAnswer answer, string socket)
    {
        if (answer is ApiAnswer.Away away)
        {
            surroundings.Error.WriteLine(AwayView.Line(away, socket, surroundings.ErrorStyle));
            return AwayView.ExitCodeOf(away);
        }
        var said = (ApiAnswer.Said)answer;
        var error = ApiError.Read(said.Body);
        surroundings.Error.WriteLine(Line(said.Code, error, surroundings.ErrorStyle));
        return (said.Code, error?.Code) switch
        {
            (401 or 403, _) or (_, "not-permitted") => ExitCode.NotPermitted,
            (_, "not-enrolled") => ExitCode.NotEnrolled,
            _ => ExitCode.Failed,
        };
    }

    private static string Line(int code, ApiError? error, Style style)
    {
        if (error is { Cure.Length: > 0 }) return $"{style.Clean(error.Message)}; {style.Clean(error.Cure)}";
        if (error is not null) return style.Clean(error.Message);
        return code is 401 or 403
            ? "cannot do that: livepatch-agentd takes changes from root and the group `livepatch` only; use sudo"
            : $"cannot do that: livepatch-agentd answered {code} without a reason; see `journalctl -u livepatch-agentd`";
    }
}
