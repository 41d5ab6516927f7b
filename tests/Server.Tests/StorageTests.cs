using LivepatchAgent.Core;
using LivepatchAgent.Server.Storage;
using LivepatchAgent.Shared.Files;

namespace LivepatchAgent.Server.Tests;

public sealed class StorageTests : IDisposable
{
    private readonly DirectoryInfo _root = Directory.CreateTempSubdirectory("livepatch-storage-");

    private string DatabasePath => Path.Combine(_root.FullName, "server.db");

    [Fact]
    public async Task WriteQueue_OnePieceThatFails_TakesNoOtherWithIt()
    {
        await using (var database = Database.Open(DatabasePath).Value)
        {
            var all = Enumerable.Range(0, 50).Select(i => database.WriteAsync(db =>
            {
                SettingTable.Set(db, $"n{i}", "1");
                return i % 5 == 0 ? throw new InvalidDataException("no") : i;
            })).ToList();
            for (var i = 0; i < all.Count; i++)
            {
                if (i % 5 == 0) await Assert.ThrowsAsync<InvalidDataException>(() => all[i]);
                else Assert.Equal(i, await all[i]);
            }
        }

        using var again = Database.Open(DatabasePath).Value;
        Assert.Equal(40, again.Read(db => db.Query("SELECT count(*) FROM settings", row => row.GetInt64(0)))[0]);
    }

    [Fact]
    public void Database_OfVersion1_IsBroughtUpToDate()
    {
        using (var database = Database.Open(DatabasePath).Value)
        {
            database.Write(db => db.Run("ALTER TABLE machines DROP COLUMN held"));
            database.Write(db => db.Run("PRAGMA user_version=1"));
        }

        for (var opened = 1; opened <= 2; opened++)
        {
            using var database = Database.Open(DatabasePath).Value;
            Assert.Empty(database.Read(MachineTable.All));
            var version = database.Read(db => db.Query("PRAGMA user_version", row => row.GetInt64(0)));
            Assert.Equal([Schema.Version], version);
        }
    }

    [Fact]
    public void Database_OfANewerProgram_IsLeftAlone()
    {
        using (var database = Database.Open(DatabasePath).Value) database.Write(db => db.Run("PRAGMA user_version=7"));
        Assert.Equal(ProblemCode.StateNewer, Database.Open(DatabasePath).Problem!.Code);
    }

    [Fact]
    public void Database_OfGarbage_IsAProblem()
    {
        File.WriteAllText(DatabasePath, string.Concat(Enumerable.Repeat("this is no database. ", 300)));
        Assert.Equal(ProblemCode.StateInvalid, Database.Open(DatabasePath).Problem!.Code);
    }

    [Fact]
    public void Database_AndKeys_AreTheOwnersAlone()
    {
        using (Database.Open(DatabasePath).Value)
            Assert.Equal(FileRights.OwnerOnly, File.GetUnixFileMode(DatabasePath));
    }

    public void Dispose() => _root.Delete(recursive: true);
}
