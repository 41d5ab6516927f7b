using LivepatchAgent.Core;

namespace LivepatchAgent.Server.Model;

/// <summary>An enrolment token as the server knows it: everything but its secret.</summary>
/// <param name="MaxUses">How many machines it enrols; 0 for no limit.</param>
internal sealed record TokenRow(
    string Id,
    DateTimeOffset CreatedAt,
    DateTimeOffset? ExpiresAt,
    long MaxUses,
    long Uses,
    DateTimeOffset? RevokedAt,
    string Note)
{
    private const string NewToken = "make a new one with `livepatch-server token create`";

    /// <summary>Why it enrols no machine now; null when it does.</summary>
    public Problem? Refusal(DateTimeOffset now)
    {
        if (RevokedAt is not null)
            return new Problem(
                ProblemCode.TokenRevoked,
                $"cannot enrol: token {Id} was revoked at {RevokedAt:u}",
                NewToken);
        if (ExpiresAt <= now)
            return new Problem(
                ProblemCode.TokenExpired,
                $"cannot enrol: token {Id} expired at {ExpiresAt:u}",
                NewToken);
        if (MaxUses == 0 || Uses < MaxUses) return null;
        var times = Uses == 1 ? "time" : "times";
        var message = $"cannot enrol: token {Id} was good for {MaxUses} and has been used {Uses} {times}";
        return new Problem(ProblemCode.TokenUsedUp, message, NewToken);
    }
}
