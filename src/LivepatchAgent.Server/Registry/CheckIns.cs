using LivepatchAgent.Core.Wire;
using LivepatchAgent.Server.Model;
using LivepatchAgent.Server.Storage;

namespace LivepatchAgent.Server.Registry;

/// <summary>Who may check in, and what machines last said.</summary>
internal sealed class CheckIns(Database database, TimeProvider time)
{
    /// <summary>Null when no machine has that id.</summary>
    public MachineCredential? FindCredential(string machineId) =>
        database.Read(db => MachineTable.FindCredential(db, machineId));

    /// <summary>Returns when it is on the disk.</summary>
    public Task RecordAsync(string machineId, CheckInRequest request)
    {
        var now = time.GetUtcNow();
        return database.WriteAsync(db => MachineTable.Record(db, machineId, request, now));
    }
}
