using System.Globalization;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Server.Registry;

namespace LivepatchAgent.Server.Api;

/// <summary><c>POST /v1/check-ins</c>: a machine says what it is and learns what it should run.</summary>
internal sealed class CheckInEndpoint(Bodies bodies, CheckIns checkIns, HeldCalls held, TimeProvider time, ILogger log)
{
    /// <summary>Between check-ins that are not held.</summary>
    private static readonly TimeSpan Rest = TimeSpan.FromMinutes(15);

    public async Task HandleAsync(HttpContext call)
    {
        if (!Authorise(call).TryGet(out var machineId, out var problem)
            || !(await ReadAsync(call)).TryGet(out var request, out problem))
        {
            if (problem.Code == ProblemCode.MachineUnknown)
                log.LogWarning("Refused a check-in from {Address}: machine-unknown", call.Connection.RemoteIpAddress);
            await call.RefuseAsync(problem);
            return;
        }

        await checkIns.RecordAsync(machineId, request);
        var wait = Hold(call);
        var assigned = await held.DecideAsync(machineId, request.Machine, request.KnownTag, wait, call.RequestAborted);
        if (call.RequestAborted.IsCancellationRequested) return;
        var answer = new Assignment
        {
            Tag = assigned.Tag,
            ManifestDigest = assigned.ManifestDigest,
            PinsVersion = assigned.PinsVersion,
            CheckInSeconds = (int)Rest.TotalSeconds,
            Now = time.GetUtcNow(),
        };
        await call.SayAsync(StatusCodes.Status200OK, answer, WireJson.Default.Assignment);
    }

    private async Task<Result<CheckInRequest>> ReadAsync(HttpContext call)
    {
        var read = await bodies.ReadJsonAsync(call, WireJson.Default.CheckInRequest);
        return read.TryGet(out var request, out _) && RequestRules.Fault(request) is { } fault
            ? Bodies.Invalid(fault)
            : read;
    }

    /// <summary>How long the answer may wait for news: what the caller prefers, if there is room to hold it.</summary>
    private TimeSpan Hold(HttpContext call)
    {
        var wait = Preference.Wait(call.Request.Headers["Prefer"]);
        if (wait <= TimeSpan.Zero || !held.HasRoom) return TimeSpan.Zero;
        call.Response.Headers["Preference-Applied"] = string.Create(
            CultureInfo.InvariantCulture, $"wait={wait.TotalSeconds}");
        return wait;
    }

    private Result<string> Authorise(HttpContext call)
    {
        if (BearerCredential.TryParse(call.Request.Headers.Authorization, out var credential)
            && checkIns.FindCredential(credential.MachineId) is { Revoked: false } known
            && credential.Matches(known.Sha256))
        {
            return credential.MachineId;
        }

        return new Problem(
            ProblemCode.MachineUnknown,
            "cannot check in: this server knows no such machine, or it was revoked",
            "enrol the host again with a new token");
    }
}
