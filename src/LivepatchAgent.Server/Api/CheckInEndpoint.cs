using System.Globalization;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Server.Storage;

namespace LivepatchAgent.Server.Api;

/// <summary><c>POST /v1/check-ins</c>: what a machine is, for what it shall be.</summary>
internal sealed class CheckInEndpoint(Bodies bodies, Database database, WriteQueue writes, HeldCalls held, TimeProvider time, ILogger log)
{
    /// <summary>Between check-ins that are not held.</summary>
    private static readonly TimeSpan Rest = TimeSpan.FromMinutes(15);

    public async Task HandleAsync(HttpContext call)
    {
        if (!Authorise(call).TryGet(out var machineId, out var problem)
            || !(await bodies.ReadJsonAsync(call, WireJson.Default.CheckInRequest)).TryGet(out var request, out problem)
            || (problem = RequestRules.Fault(request) is { } fault ? Bodies.Invalid(fault) : null) is not null)
        {
            if (problem.Code == ProblemCode.MachineUnknown) log.LogWarning("Refused a check-in from {Address}: machine-unknown", call.Connection.RemoteIpAddress);
            await call.RefuseAsync(problem);
            return;
        }

        var now = time.GetUtcNow();
        await writes.RunAsync(db => MachineTable.Record(db, machineId, request, now));

        var wait = Preference.Wait(call.Request.Headers["Prefer"]);
        if (wait > TimeSpan.Zero && held.HasRoom) call.Response.Headers["Preference-Applied"] = string.Create(CultureInfo.InvariantCulture, $"wait={wait.TotalSeconds}");
        else wait = TimeSpan.Zero;
        var assigned = await held.DecideAsync(machineId, request.Machine, request.KnownTag, wait, call.RequestAborted);
        if (call.RequestAborted.IsCancellationRequested) return;
        var answer = new Assignment { Tag = assigned.Tag, Manifest = assigned.Manifest, PinsVersion = assigned.PinsVersion, CheckInSeconds = (int)Rest.TotalSeconds, Now = time.GetUtcNow() };
        await call.SayAsync(StatusCodes.Status200OK, answer, WireJson.Default.Assignment);
    }

    private Result<string> Authorise(HttpContext call)
    {
        if (BearerCredential.TryParse(call.Request.Headers.Authorization, out var credential)
            && database.Read(db => MachineTable.FindCredential(db, credential.MachineId)) is { Revoked: false } known
            && credential.Matches(known.Sha256))
            return credential.MachineId;
        return new Problem(ProblemCode.MachineUnknown, "cannot check in: this server knows no such machine, or it was revoked", "enrol the host again with a new token");
    }
}
