using LivepatchAgent.Cli.Local;
using LivepatchAgent.Cli.Terminals;
using LivepatchAgent.Cli.Views;
using LivepatchAgent.Core;

namespace LivepatchAgent.Cli.Commands;

/// <summary>A verb that fails: one line on standard error, and its exit code.</summary>
internal static class Failure
{
    /// <summary>An answer that is no success.</summary>
    public static int Show(Surroundings surroundings, ApiAnswer answer, string socket)
    {
        if (answer is ApiAnswer.Away away)
        {
            surroundings.Error.WriteLine(AwayView.Line(away, socket, surroundings.ErrorStyle));
            return ExitCode.OfAway(away);
        }
        var reply = (ApiAnswer.Reply)answer;
        var error = ApiError.Read(reply.Body);
        surroundings.Error.WriteLine(Line(reply.Code, error, surroundings.ErrorStyle));
        return ExitCode.OfRefusal(reply.Code, error?.Code);
    }

    /// <summary>An answer that this program cannot read.</summary>
    public static int ShowUnintelligible(Surroundings surroundings, string why, string socket) =>
        Show(surroundings, new ApiAnswer.Away(AwayKind.Unintelligible, why), socket);

    /// <summary>A problem that was found here, without the daemon.</summary>
    public static int Show(Surroundings surroundings, Problem problem)
    {
        surroundings.Error.WriteLine(surroundings.ErrorStyle.Clean(problem.ToString()));
        return ExitCode.Failed;
    }

    private static string Line(int code, ApiError? error, Style style)
    {
        if (error is { Cure.Length: > 0 }) return $"{style.Clean(error.Message)}; {style.Clean(error.Cure)}";
        if (error is not null) return style.Clean(error.Message);
        var why = code is 401 or 403
            ? "takes changes from root and the group `livepatch` only; use sudo"
            : $"answered {code} without a reason; see `journalctl -u livepatch-agentd`";
        return $"cannot do that: livepatch-agentd {why}";
    }
}
