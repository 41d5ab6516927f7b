using System.Security.Cryptography.X509Certificates;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Modules;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Server.Registry;
using LivepatchAgent.Server.Trust;

namespace LivepatchAgent.Server.Api;

/// <summary><c>POST /v1/enrolments</c>: a token's secret for a place among the machines.</summary>
internal sealed class EnrolmentEndpoint(
    Bodies bodies, Enrolments enrolments, Publishers publishers, PinSets pins, ServerCertificates own, ILogger log)
{
    public async Task HandleAsync(HttpContext call)
    {
        if (!(await ReadAsync(call)).TryGet(out var request, out var problem))
        {
            await call.RefuseAsync(problem);
            return;
        }

        var hostname = PrintableText.Of(request.Machine.Hostname);
        if (!(await EnrolAsync(request)).TryGet(out var place, out problem))
        {
            log.LogWarning(
                "Refused an enrolment of {Hostname} from {Address}: {Code}",
                hostname, call.Connection.RemoteIpAddress, Kebab.Of(problem.Code));
            await call.RefuseAsync(
                problem, problem.Code == ProblemCode.RequestInvalid ? StatusCodes.Status409Conflict : null);
            return;
        }

        var enrolled = place.Enrolled;
        if (enrolled.New)
        {
            log.LogInformation(
                "Enrolled {Hostname} ({KernelRelease}) as {Machine} with token {Token}",
                hostname, request.Machine.KernelRelease, enrolled.MachineId, enrolled.TokenId);
        }

        var status = enrolled.New ? StatusCodes.Status201Created : StatusCodes.Status200OK;
        await call.SayAsync(status, Answer(place), WireJson.Default.EnrolmentAnswer);
    }

    private async Task<Result<EnrolmentRequest>> ReadAsync(HttpContext call)
    {
        var read = await bodies.ReadJsonOfStrangerAsync(call, WireJson.Default.EnrolmentRequest);
        return read.TryGet(out var request, out _) && RequestRules.Fault(request) is { } fault
            ? Bodies.Invalid(fault)
            : read;
    }

    private sealed record Place(Enrolled Enrolled, Signers Signers);

    /// <summary>The token first: the rest is work, and its faults are the business of those who have one.</summary>
    private async Task<Result<Place>> EnrolAsync(EnrolmentRequest request)
    {
        if (enrolments.UnknownSecret(request.Secret) is { } unknown) return unknown;
        if (!publishers.InForce().TryGet(out var signers, out var problem)) return problem;
        var enrolled = await enrolments.EnrolAsync(request);
        return enrolled.TryGet(out var made, out problem) ? new Place(made, signers) : problem;
    }

    private EnrolmentAnswer Answer(Place place) => new()
    {
        MachineId = place.Enrolled.MachineId,
        CatalogueCertificates = pins.Newest?.Catalogue ?? [Base64(own.Catalogue)],
        PublisherCertificates = [.. place.Signers.Certificates.Select(Base64)],
    };

    private static string Base64(X509Certificate2 certificate) => Convert.ToBase64String(certificate.RawData);
}
