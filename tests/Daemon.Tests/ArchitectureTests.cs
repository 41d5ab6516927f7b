using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;

namespace LivepatchAgent.Daemon.Tests;

/// <summary>The daemon's rooms (its folders) point downwards, and one place puts its parts together.</summary>
public sealed partial class ArchitectureTests
{
    /// <summary>Each room with those that it may name, from the bottom up.</summary>
    private static readonly Dictionary<string, string[]> Rooms = new()
    {
        ["Host"] = [],
        ["Systemd"] = [],
        ["Store"] = ["Host"],
        ["Kernel"] = ["Host"],
        ["PatchServer"] = ["Host"],
        ["Loop"] = ["Host", "Systemd", "Store", "Kernel", "PatchServer"],
        ["LocalApi"] = ["Host", "Store", "Loop"],
    };

    public static TheoryData<string> Names => [.. Rooms.Keys];

    /// <summary>A room may name only rooms above it in the list, so no circle can be written down.</summary>
    [Fact]
    public void Rooms_AreInOrder()
    {
        var order = Rooms.Keys.ToList();
        Assert.All(
            Rooms,
            room => Assert.All(room.Value, below => Assert.True(order.IndexOf(below) < order.IndexOf(room.Key))));
        var folders = Directory.GetDirectories(Daemon()).Select(Path.GetFileName).Except(["bin", "obj"]);
        Assert.Equal(order.Order(), folders.Order());
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
            Assert.Contains($"namespace LivepatchAgent.Daemon.{room};", text, StringComparison.Ordinal);
            var named = Named().Matches(text).Select(match => match.Groups["room"].Value).Distinct();
            Assert.Empty(named.Intersect(others).Select(other => $"{Path.GetFileName(file)} → {other}"));
        });
    }

    /// <summary>What the program starts with, and its parts put together; everything else has a room.</summary>
    [Fact]
    public void Root_IsTheProgramAndItsParts()
    {
        var files = Directory.GetFiles(Daemon(), "*.cs").Select(Path.GetFileName);
        Assert.Equal(["DaemonParts.cs", "Program.cs"], files.Order());
    }

    /// <summary>Others read what the loop believes; two readers of one file would see two truths.</summary>
    [Fact]
    public void Journal_IsOpenedByTheLoopAlone()
    {
        var all = Rooms.Keys.SelectMany(Code).Concat(Directory.GetFiles(Daemon(), "*.cs"));
        var users = all.Where(file => File.ReadAllText(file).Contains("StateStore", StringComparison.Ordinal));
        Assert.Equal(["AgentJournal.cs", "StateStore.cs"], users.Select(Path.GetFileName).Order());
    }

    [GeneratedRegex(@"LivepatchAgent\.Daemon\.(?<room>Host|Systemd|Store|Kernel|PatchServer|Loop|LocalApi)\b")]
    private static partial Regex Named();

    private static string[] Code(string room) => Directory.GetFiles(Path.Combine(Daemon(), room), "*.cs");

    private static string Daemon([CallerFilePath] string here = "")
    {
        var folder = Path.GetDirectoryName(here);
        while (folder is not null && !File.Exists(Path.Combine(folder, "LivepatchAgent.sln")))
            folder = Path.GetDirectoryName(folder);
        Assert.NotNull(folder);
        return Path.Combine(folder, "src", "LivepatchAgent.Daemon");
    }
}
