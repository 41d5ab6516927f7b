using LivepatchAgent.Core;
using LivepatchAgent.Server.Files;
using LivepatchAgent.Server.Model;
using LivepatchAgent.Server.Storage;

namespace LivepatchAgent.Server.Registry;

/// <summary>What the commands beside a server see and change; it may be running.</summary>
internal sealed class Administration : IDisposable
{
    private readonly Database _database;

    private Administration(Database database) => _database = database;

    /// <summary>Of a server that has been set up.</summary>
    public static Result<Administration> Open(DataFolder folder)
    {
        if (!File.Exists(folder.Database))
        {
            return new Problem(
                ProblemCode.NotFound,
                $"cannot open {folder.Root}: no livepatch-server has been set up there",
                "give the folder of `livepatch-server serve` with --data");
        }

        return Database.Open(folder.Database).TryGet(out var database, out var problem)
            ? new Administration(database)
            : problem;
    }

    public IReadOnlyList<MachineRow> Machines() => _database.Read(MachineTable.All);

    public IReadOnlyList<PatchRow> Patches() => _database.Read(PatchTable.All);

    public IReadOnlyList<TokenRow> Tokens() => _database.Read(TokenTable.All);

    /// <summary>False when no machine has that id. Revoking twice keeps the first time.</summary>
    public bool RevokeMachine(string id, DateTimeOffset now) => _database.Write(db => MachineTable.Revoke(db, id, now));

    /// <summary>False when no token has that id. Revoking twice keeps the first time.</summary>
    public bool RevokeToken(string id, DateTimeOffset now) => _database.Write(db => TokenTable.Revoke(db, id, now));

    public void Dispose() => _database.Dispose();
}
