using LivepatchAgent.Core.Wire;
using LivepatchAgent.Daemon.Loop;
using LivepatchAgent.Daemon.Tests.Surroundings;

namespace LivepatchAgent.Daemon.Tests;

/// <summary>
/// Livepatches of somebody else, while they move. The kernel's log speaks just before sysfs changes: the daemon, woken
/// by the line, sees what was so before it, and no other line comes for as long as a task sleeps.
/// </summary>
public sealed class MovingPatchTests
{
    private const string Foreign = "foreign";

    /// <summary>enabled and transition when the line comes, and a moment later; "" is a patch that is gone.</summary>
    public static TheoryData<string, string, string> Changes => new()
    {
        { "begins to be applied", "01", "11" },
        { "begins to be taken back", "11", "01" },
        { "is applied", "11", "10" },
        { "is taken back", "01", "00" },
        { "is taken back and gone", "01", "" },
        { "is gone after its end", "00", "" },
        { "is applied after all", "00", "10" },
        { "is turned round", "01", "10" },
    };

    [Theory]
    [MemberData(nameof(Changes))]
    public async Task Patches_ThatChangeRightAfterTheLine_AreShownAsTheyAre(string what, string atTheLine, string after)
    {
        await using var host = await HostUnderTest.EnrolledAsync();
        Become(host, atTheLine);
        host.Inbox!.Nudge();
        bool IsSeen(AgentStatus s) => Shown(s) == atTheLine && host.Inbox.IsAwaited;
        await host.UntilAsync("seen at the line", IsSeen, timePasses: false);
        Become(host, after);
        var start = host.Time.GetUtcNow();
        // By the status's own time: the clock may move on before this test looks.
        var seen = await host.UntilAsync(what, s => Shown(s) == after);
        Assert.InRange(seen.At - start, TimeSpan.Zero, TimeSpan.FromSeconds(1));
    }

    /// <summary>A task sleeps for hours and the looks grow seldom; the line at its end brings close ones.</summary>
    [Fact]
    public async Task Patches_ThatMovedForLong_AreLookedAtClosely_WhenALineComes()
    {
        await using var host = await HostUnderTest.EnrolledAsync();
        Become(host, "11");
        host.Inbox!.Nudge();
        await host.UntilAsync("moves", s => Shown(s) == "11", timePasses: false);
        var start = host.Time.GetUtcNow();
        await host.HappensAsync("hours", () => host.Time.GetUtcNow() - start > TimeSpan.FromHours(2));

        host.Inbox.Nudge();
        bool LooksSoon() => host.Inbox.IsAwaited && host.Time.ToNextTimer < TimeSpan.FromSeconds(1);
        await host.HappensAsync("looked", LooksSoon, timePasses: false);
        Become(host, "10");
        start = host.Time.GetUtcNow();
        var seen = await host.UntilAsync("applied", s => Shown(s) == "10");
        Assert.InRange(seen.At - start, TimeSpan.Zero, TimeSpan.FromSeconds(1));
    }

    /// <summary>Looking costs little and ever less; and nothing once all patches are applied.</summary>
    [Fact]
    public async Task Looks_GrowSeldom_AndEndWithTheMovement()
    {
        await using var host = await HostUnderTest.EnrolledAsync();
        Become(host, "11");
        host.Inbox!.Nudge();
        await host.UntilAsync("moves", s => Shown(s) == "11" && host.Inbox.IsAwaited, timePasses: false);
        Assert.InRange(host.Time.ToNextTimer ?? TimeSpan.MaxValue, TimeSpan.Zero, TimeSpan.FromSeconds(1));
        var start = host.Time.GetUtcNow();
        await host.HappensAsync("half an hour", () => host.Time.GetUtcNow() - start > TimeSpan.FromMinutes(30));
        await host.HappensAsync("seldom", () => IsResting(host, TimeSpan.FromSeconds(30)));

        Become(host, "10");
        await host.UntilAsync("applied", s => Shown(s) == "10");
        await host.HappensAsync("at rest", () => IsResting(host, TimeSpan.FromMinutes(2)));
    }

    private static bool IsResting(HostUnderTest host, TimeSpan longerThan) =>
        host.Inbox!.IsAwaited && host.Time.ToNextTimer > longerThan;

    private static string Shown(AgentStatus status)
    {
        var shown = status.Loaded.Where(p => p.Name == Foreign);
        return string.Concat(shown.Select(p => $"{(p.Enabled ? 1 : 0)}{(p.Transition ? 1 : 0)}"));
    }

    /// <summary>As it is on a host: both attributes are there, or the folder is not.</summary>
    private static void Become(HostUnderTest host, string standing)
    {
        var folder = host.Path($"sys/kernel/livepatch/{Foreign}");
        if (standing.Length == 0)
        {
            Directory.Delete(folder, recursive: true);
            return;
        }

        // The loop may look meanwhile: a folder without its attributes is no patch, and no file is seen half written.
        Directory.CreateDirectory(folder);
        foreach (var (file, value) in new[] { ("enabled", standing[0]), ("transition", standing[1]) })
        {
            host.Write($"tmp/{file}", $"{value}\n");
            File.Move(host.Path($"tmp/{file}"), Path.Combine(folder, file), overwrite: true);
        }
    }
}
