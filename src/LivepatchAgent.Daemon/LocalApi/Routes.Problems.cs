using LivepatchAgent.Core;
using Microsoft.AspNetCore.Http;

namespace LivepatchAgent.Daemon.LocalApi;

/// <summary>Why a request is refused.</summary>
internal sealed partial class Routes
{
    /// <summary>No route has this path, or none with this method.</summary>
    /// <param name="methods">Those of the routes that have the path.</param>
    private static Problem Unserved(string method, string path, List<string> methods)
    {
        var message = methods.Count > 0
            ? $"cannot {method} {path}: use {string.Join(" or ", methods)}"
            : $"cannot find {path}: no such route";
        return new(ProblemCode.NotFound, message, "see docs/local-api.md");
    }

    private static Problem NotPermitted(string method)
    {
        var message = method == "GET"
            ? "cannot show this: you are neither root nor in group livepatch"
            : "cannot change anything: you are neither root nor in group livepatch";
        const string cure = "use sudo, or have yourself added: `adduser USER livepatch`";
        return new Problem(ProblemCode.NotPermitted, message, cure);
    }

    private static Problem Malformed(BadHttpRequestException e) => new(
        e.StatusCode == 413 ? ProblemCode.RequestTooLarge : ProblemCode.RequestInvalid,
        $"cannot take the request: {e.Message.TrimEnd('.')}",
        $"a request has at most {MaxBody} bytes");

    private static Problem TooSlow() => new(
        ProblemCode.InternalError,
        $"cannot do it now: the daemon did not get to it within {MaxWait.TotalSeconds} s",
        "look at `systemctl status livepatch-agentd`; the command may still be carried out");

    private static Problem TooLarge(long length) => new(
        ProblemCode.RequestTooLarge,
        $"cannot check the module: it has {length} bytes",
        $"at most {MaxModule} are taken here");
}
