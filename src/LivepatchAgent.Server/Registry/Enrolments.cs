using System.Security.Cryptography;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Server.Storage;

namespace LivepatchAgent.Server.Registry;

/// <summary>A place among the machines.</summary>
/// <param name="New">False when an earlier call had made it.</param>
internal sealed record Enrolled(string MachineId, string TokenId, bool New);

/// <summary>How a token's secret becomes a place among the machines.</summary>
internal sealed class Enrolments(Database database, TimeProvider time)
{
    /// <summary>Null when the secret is of a token that this server made, whatever became of it since.</summary>
    public Problem? UnknownSecret(string secret)
    {
        var digest = TokenSecret.Digest(secret);
        return database.Read(db => TokenTable.FindBySecret(db, digest)) is null ? UnknownToken : null;
    }

    /// <summary>In one transaction, so that a token never admits more machines than it may.</summary>
    public Task<Result<Enrolled>> EnrolAsync(EnrolmentRequest request)
    {
        var now = time.GetUtcNow();
        return database.WriteAsync(db => Enrol(db, request, now));
    }

    private static Problem UnknownToken => new(
        ProblemCode.TokenUnknown,
        "cannot enrol: this server made no such token",
        "check that the token is from this server, or make one with `livepatch-server token create`");

    private static Result<Enrolled> Enrol(Session db, EnrolmentRequest request, DateTimeOffset now)
    {
        if (TokenTable.FindBySecret(db, TokenSecret.Digest(request.Secret)) is not { } token) return UnknownToken;

        // The answer of an earlier call was lost: whatever became of the token since, this machine is in.
        if (MachineTable.FindEnrolment(db, request.EnrolmentId) is [var made])
        {
            return made.TokenId == token.Id && made.CredentialSha256 == request.CredentialSha256 && !made.Revoked
                ? new Enrolled(made.Id, token.Id, New: false)
                : new Problem(
                    ProblemCode.RequestInvalid,
                    "cannot enrol: this enrolment was made before with another token or credential, or was revoked",
                    "start a new enrolment");
        }

        if (token.Refusal(now) is { } refusal) return refusal;
        var id = $"m{RandomNumberGenerator.GetHexString(20, lowercase: true)}";
        MachineTable.Insert(db, id, request, token.Id, now);
        TokenTable.CountUse(db, token.Id);
        return new Enrolled(id, token.Id, New: true);
    }
}
