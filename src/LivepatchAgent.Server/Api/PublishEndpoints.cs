using LivepatchAgent.Core;
using LivepatchAgent.Server.Registry;

namespace LivepatchAgent.Server.Api;

/// <summary>
/// Manifests and withdrawals. Whoever has one that enough known publishers signed may bring it: the signatures are the
/// authorisation, and replaying it adds nothing.
/// </summary>
internal sealed class PublishEndpoints(Bodies bodies, Publishing publishing, ILogger log)
{
    public async Task ManifestAsync(HttpContext call)
    {
        if (!(await DocumentAsync(call)).TryGet(out var document, out var problem))
        {
            await call.RefuseAsync(log, problem);
            return;
        }

        if (!(await publishing.ManifestAsync(document)).TryGet(out var isNew, out problem))
        {
            var isConflict = problem.Code == ProblemCode.RequestInvalid;
            await call.RefuseAsync(log, problem, isConflict ? StatusCodes.Status409Conflict : null);
            return;
        }

        call.Response.StatusCode = isNew ? StatusCodes.Status201Created : StatusCodes.Status200OK;
    }

    public async Task WithdrawalAsync(HttpContext call)
    {
        if (!(await DocumentAsync(call)).TryGet(out var document, out var problem)
            || !(await publishing.WithdrawalAsync(document)).TryGet(out var isNew, out problem))
        {
            await call.RefuseAsync(log, problem);
            return;
        }

        call.Response.StatusCode = isNew ? StatusCodes.Status201Created : StatusCodes.Status200OK;
    }

    private async Task<Result<SignedDocument>> DocumentAsync(HttpContext call)
    {
        var digest = FetchEndpoints.Route(call, "sha256");
        if (!Hex.IsSha256(digest)) return Bodies.Invalid("its address does not end in a SHA-256 in lower-case hex");
        var read = await bodies.ReadEnvelopeAsync(call);
        return read.TryGet(out var envelope, out var problem) ? new SignedDocument(envelope, digest) : problem;
    }
}
