namespace LivepatchAgent.Core.Wire;

/// <summary>A call of a host to its patch server (docs/openapi.yaml).</summary>
public enum ServerCall
{
    Enrolment,
    CheckIn,
    HeldCheckIn,
    Catalogue,
    Pins,
    Manifest,
    Withdrawal,
    Module,
}

/// <summary>
/// The problem codes that a server may choose in its answer to each call. Every other code belongs to the host and
/// steers it: <c>switched-off</c> of a server is not the host's kill switch, its <c>kernel-error</c> not the kernel's.
/// </summary>
public static class ServerCodes
{
    private static readonly ProblemCode[] OfEnrolment =
    [
        ProblemCode.TokenUnknown, ProblemCode.TokenExpired, ProblemCode.TokenUsedUp, ProblemCode.TokenRevoked,
        ProblemCode.RequestInvalid, ProblemCode.RequestTooLarge, ProblemCode.ServerTimeout, ProblemCode.TooManyRequests,
    ];

    private static readonly ProblemCode[] OfCheckIn =
    [
        ProblemCode.MachineUnknown,
        ProblemCode.RequestInvalid, ProblemCode.RequestTooLarge, ProblemCode.ServerTimeout,
    ];

    private static readonly ProblemCode[] OfCatalogue = [ProblemCode.RequestInvalid, ProblemCode.TooManyRequests];

    private static readonly ProblemCode[] OfContent = [ProblemCode.NotFound];

    /// <summary>
    /// What livepatch-server answers with a status below 500. What goes wrong inside the server (<c>disk-full</c>,
    /// <c>internal-error</c>) is <see cref="ProblemCode.ServerError"/> to a host: those codes speak of its own disk.
    /// </summary>
    public static IReadOnlyList<ProblemCode> Of(ServerCall call) => call switch
    {
        ServerCall.Enrolment => OfEnrolment,
        ServerCall.CheckIn or ServerCall.HeldCheckIn => OfCheckIn,
        ServerCall.Catalogue => OfCatalogue,
        ServerCall.Pins or ServerCall.Manifest or ServerCall.Withdrawal or ServerCall.Module => OfContent,
        _ => throw new System.Diagnostics.UnreachableException($"call {call}"),
    };

    /// <summary>The code of this word, or null where the server may not say it in answer to this call.</summary>
    public static ProblemCode? Find(ServerCall call, string word)
    {
        foreach (var code in Of(call))
        {
            if (Kebab.Of(code) == word) return code;
        }

        return null;
    }
}

/// <summary>An <see cref="ErrorAnswer"/> as it comes: its code is any word.</summary>
public sealed record UntrustedErrorAnswer(UntrustedProblem Error);

/// <summary>A <see cref="Problem"/> of somebody else's choosing.</summary>
public sealed record UntrustedProblem(string Code, string Message, string Cure);
