using System.Globalization;
using LivepatchAgent.Core;
using LivepatchAgent.Server.Registry;
using LivepatchAgent.Server.Rollout;
using LivepatchAgent.Server.Trust;

namespace LivepatchAgent.Server.Api;

/// <summary>
/// Sets of pins by version. Like all that is signed they are open to all, and whoever has one that the publishers
/// signed may bring it.
/// </summary>
internal sealed class PinsEndpoints(
    Bodies bodies, PinSets pins, Publishers publishers, PublishedPatches published, ServerCertificates own, ILogger log)
{
    public async Task GetAsync(HttpContext call)
    {
        if (Version(call) is not { } version || pins.Find(version) is not { } envelope)
        {
            await call.RefuseAsync(new Problem(
                ProblemCode.NotFound,
                "cannot find the pin set: no set has this version",
                "ask for one up to the version that a check-in names"));
            return;
        }

        call.Response.Headers.CacheControl = "no-cache";
        await TypedResults.Bytes(envelope, FetchEndpoints.EnvelopeType).ExecuteAsync(call);
    }

    public async Task PutAsync(HttpContext call)
    {
        if (Version(call) is not { } version)
        {
            await call.RefuseAsync(Bodies.Invalid("its address does not end in a version"));
            return;
        }

        if (!(await bodies.ReadEnvelopeAsync(call)).TryGet(out var envelope, out var problem)
            || !publishers.BeforePins().TryGet(out var first, out problem)
            || !pins.Put(version, envelope, first, own).TryGet(out var isNew, out problem))
        {
            await call.RefuseAsync(log, problem);
            return;
        }

        if (isNew)
        {
            published.NewPins(version);
            log.LogInformation("Took pin set {Version}", version);
        }

        call.Response.StatusCode = isNew ? StatusCodes.Status201Created : StatusCodes.Status200OK;
    }

    private static long? Version(HttpContext call) =>
        long.TryParse(
            FetchEndpoints.Route(call, "version"),
            NumberStyles.None,
            CultureInfo.InvariantCulture,
            out var version) && version > 0
            ? version
            : null;
}
