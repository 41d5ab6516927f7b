using System.Text.RegularExpressions;

namespace LivepatchAgent.Cli.Tests;

/// <summary>The program's rooms (its folders) point downwards.</summary>
public sealed partial class ArchitectureTests
{
    /// <summary>Each room with those that it may name, from the bottom up.</summary>
    private static readonly Dictionary<string, string[]> Rooms = new()
    {
        ["Local"] = [],
        ["Terminals"] = ["Local"],
        ["Views"] = ["Local", "Terminals"],
        ["Commands"] = ["Local", "Terminals", "Views"],
    };

    public static TheoryData<string> Names => [.. Rooms.Keys];

    /// <summary>A room may name only rooms before it in the list, so no circle can be written down.</summary>
    [Fact]
    public void Rooms_AreInOrder()
    {
        var order = Rooms.Keys.ToList();
        Assert.All(Rooms, room => Assert.Subset(order[..order.IndexOf(room.Key)].ToHashSet(), room.Value.ToHashSet()));
        var folders = Directory.GetDirectories(Repository.Cli).Select(Path.GetFileName).Except(["bin", "obj"]);
        Assert.Equal(folders.Order(), order.Order());
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Room_NamesOnlyRoomsBelow(string room)
    {
        var files = Directory.GetFiles(Path.Combine(Repository.Cli, room), "*.cs");
        var others = Rooms.Keys.Except([room, .. Rooms[room]]).ToList();
        Assert.NotEmpty(files);
        Assert.All(files, file =>
        {
            var text = File.ReadAllText(file);
            Assert.Contains($"namespace LivepatchAgent.Cli.{room};", text, StringComparison.Ordinal);
            var names = Room().Matches(text).Select(match => match.Groups["room"].Value);
            Assert.Empty(names.Intersect(others));
        });
    }

    /// <summary>What the program starts with; everything else has a room.</summary>
    [Fact]
    public void Root_IsProgramAlone() =>
        Assert.Equal(["Program.cs"], Directory.GetFiles(Repository.Cli, "*.cs").Select(Path.GetFileName));

    [GeneratedRegex(@"(LivepatchAgent\.Cli\.|(?<![\w.]))(?<room>Local|Terminals|Views|Commands)(;|\.[A-Z])")]
    private static partial Regex Room();
}
