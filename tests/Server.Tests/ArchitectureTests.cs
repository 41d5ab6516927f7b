using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;

namespace LivepatchAgent.Server.Tests;

/// <summary>
/// The server's rooms (its folders) point downwards; SQL and the database's client stand in one of them.
/// </summary>
public sealed partial class ArchitectureTests
{
    /// <summary>Each room with those that it may name, from the bottom up.</summary>
    private static readonly Dictionary<string, string[]> Rooms = new()
    {
        ["Model"] = [],
        ["Files"] = [],
        ["Storage"] = ["Model"],
        ["Trust"] = ["Files"],
        ["Rollout"] = ["Model"],
        ["Registry"] = ["Model", "Files", "Storage", "Trust", "Rollout"],
        ["Api"] = ["Model", "Files", "Trust", "Rollout", "Registry"],
        ["Host"] = ["Model", "Files", "Storage", "Trust", "Rollout", "Registry", "Api"],
        ["Commands"] = ["Model", "Files", "Trust", "Registry", "Host"],
    };

    public static TheoryData<string> Names => [.. Rooms.Keys];

    /// <summary>A room may name only rooms above it in the list, so no circle can be written down.</summary>
    [Fact]
    public void Rooms_AreInOrder()
    {
        var order = Rooms.Keys.ToList();
        Assert.All(
            Rooms,
            room => Assert.All(
                room.Value,
                below => Assert.True(order.IndexOf(below) < order.IndexOf(room.Key), $"{room.Key} → {below}")));
        Assert.Equal(
            order.Order(), Directory.GetDirectories(Server()).Select(Path.GetFileName).Except(["bin", "obj"]).Order());
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Room_NamesOnlyRoomsBelow(string room)
    {
        var others = Rooms.Keys.Except([room, .. Rooms[room]]).ToList();
        Assert.NotEmpty(Code(room));
        Assert.All(Code(room), file =>
        {
            var text = File.ReadAllText(file);
            Assert.Contains($"namespace LivepatchAgent.Server.{room};", text, StringComparison.Ordinal);
            var named = Named().Matches(text).Select(match => match.Groups["room"].Value).Distinct();
            Assert.Empty(named.Intersect(others).Select(other => $"{Path.GetFileName(file)} → {other}"));
        });
    }

    /// <summary>What the program starts with; everything else has a room.</summary>
    [Fact]
    public void Root_IsProgramAlone() =>
        Assert.Equal(["Program.cs"], Directory.GetFiles(Server(), "*.cs").Select(Path.GetFileName));

    /// <summary>So that another database is another room, and nothing else.</summary>
    [Fact]
    public void Database_IsKnownToStorageAlone()
    {
        var files = Rooms.Keys.Where(room => room != "Storage").SelectMany(Code);
        Assert.All(
            files.Append(Path.Combine(Server(), "Program.cs")),
            file => Assert.DoesNotMatch(Database(), File.ReadAllText(file)));
        Assert.Contains(Code("Storage"), file => Database().IsMatch(File.ReadAllText(file)));
    }

    [GeneratedRegex(@"(LivepatchAgent\.Server\.|(?<![\w.]))"
        + @"(?<room>Model|Files|Storage|Trust|Rollout|Registry|Api|Host|Commands)(;|\.[A-Z])")]
    private static partial Regex Named();

    [GeneratedRegex(@"Sqlite|SQLITE|\bSELECT\b|\bINSERT INTO\b|\bUPDATE \w+ SET\b|\bDELETE FROM\b|\bPRAGMA\b")]
    private static partial Regex Database();

    private static string[] Code(string room) => Directory.GetFiles(Path.Combine(Server(), room), "*.cs");

    private static string Server([CallerFilePath] string here = "")
    {
        var folder = Path.GetDirectoryName(here);
        while (folder is not null && !File.Exists(Path.Combine(folder, "LivepatchAgent.sln")))
            folder = Path.GetDirectoryName(folder);
        return Path.Combine(
            folder ?? throw new DirectoryNotFoundException("no LivepatchAgent.sln above " + here),
            "src",
            "LivepatchAgent.Server");
    }
}
