using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Modules;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Server.Storage;
using LivepatchAgent.Server.Trust;
using Microsoft.Data.Sqlite;

namespace LivepatchAgent.Server.Api;

/// <summary><c>POST /v1/enrolments</c>: a token's secret for a place among the machines.</summary>
internal sealed class EnrolmentEndpoint(Bodies bodies, Publishers publishers, PinSets pins, Database database, WriteQueue writes, X509Certificate2 catalogue, TimeProvider time, ILogger log)
{
    public async Task HandleAsync(HttpContext call)
    {
        if (!(await bodies.ReadJsonOfStrangerAsync(call, WireJson.Default.EnrolmentRequest)).TryGet(out var request, out var problem)
            || (problem = RequestRules.Fault(request) is { } fault ? Bodies.Invalid(fault) : null) is not null)
        {
            await call.RefuseAsync(problem);
            return;
        }

        // The token first: the rest is work, and its faults the business of those who have one.
        var hostname = PrintableText.Of(request.Machine.Hostname);
        var (now, signers) = (time.GetUtcNow(), default(Signers));
        problem = database.Read(db => TokenTable.FindBySecret(db, SecretDigest(request.Secret))) is null ? Unknown : null;
        if (problem is not null
            || !publishers.InForce().TryGet(out signers, out problem)
            || !(await writes.RunAsync(db => Enrol(db, request, now))).TryGet(out var enrolled, out problem))
        {
            log.LogWarning("Refused an enrolment of {Hostname} from {Address}: {Code}", hostname, call.Connection.RemoteIpAddress, Kebab.Of(problem.Code));
            await call.RefuseAsync(problem, problem.Code == ProblemCode.RequestInvalid ? StatusCodes.Status409Conflict : null);
            return;
        }

        if (enrolled.New) log.LogInformation("Enrolled {Hostname} ({KernelRelease}) as {Machine} with token {Token}", hostname, request.Machine.KernelRelease, enrolled.MachineId, enrolled.TokenId);
        var answer = new EnrolmentAnswer
        {
            MachineId = enrolled.MachineId,
            CatalogueCertificates = pins.Newest?.Catalogue ?? [Convert.ToBase64String(catalogue.RawData)],
            PublisherCertificates = [.. signers.Certificates.Select(p => Convert.ToBase64String(p.RawData))],
        };
        await call.SayAsync(enrolled.New ? StatusCodes.Status201Created : StatusCodes.Status200OK, answer, WireJson.Default.EnrolmentAnswer);
    }

    private static Problem Unknown => new(ProblemCode.TokenUnknown, "cannot enrol: this server made no such token", "check that the token is of this server, or make one with `livepatch-server token create`");

    private sealed record Enrolled(string MachineId, string TokenId, bool New);

    /// <summary>In one transaction, so that a token never admits more machines than it may.</summary>
    private static Result<Enrolled> Enrol(SqliteConnection db, EnrolmentRequest request, DateTimeOffset now)
    {
        if (TokenTable.FindBySecret(db, SecretDigest(request.Secret)) is not { } token) return Unknown;

        // The answer of an earlier call was lost: whatever became of the token since, this machine is in.
        if (MachineTable.FindEnrolment(db, request.EnrolmentId) is [var made])
        {
            return made.TokenId == token.Id && made.CredentialSha256 == request.CredentialSha256 && !made.Revoked
                ? new Enrolled(made.Id, token.Id, New: false)
                : new Problem(ProblemCode.RequestInvalid, "cannot enrol: this enrolment was made before with another token or credential, or was revoked", "start a new enrolment");
        }

        if (token.Refusal(now) is { } refusal) return refusal;
        var id = $"m{RandomNumberGenerator.GetHexString(20, lowercase: true)}";
        MachineTable.Insert(db, id, request, token.Id, now);
        TokenTable.CountUse(db, token.Id);
        return new Enrolled(id, token.Id, New: true);
    }

    public static string SecretDigest(string secret) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(secret)));
}
