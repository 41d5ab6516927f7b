using System.Text.Json;
using LivepatchAgent.Core.History;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Daemon.Store;
using LivepatchAgent.Daemon.Tests.Surroundings;

namespace LivepatchAgent.Daemon.Tests;

/// <summary>history.jsonl without a daemon: how it is rotated, and what a file that cannot be written costs.</summary>
public sealed class HistoryLogTests
{
    [Fact]
    public void History_ThatGrows_IsRotatedAndStaysWhole()
    {
        using var root = new FakeRoot();
        Directory.CreateDirectory(root.Paths.StateFolder);
        var log = new HistoryLog(root.Paths.StateFolder, maxSize: 2000);
        var mark = log.Start(new HistoryMark()).Mark;
        for (var i = 0; i < 200; i++)
        {
            HistoryEvent[] events =
                [new(HistoryKind.Loaded) { Note = $"number {i}" }, new(HistoryKind.Applied)];
            mark = log.Add(mark, events, DateTimeOffset.UnixEpoch, "boot-1");
            if (i % 7 == 0)
            {
                // The daemon dies here: the journal has the mark, the file not yet.
                log = new HistoryLog(root.Paths.StateFolder, maxSize: 2000);
                mark = log.Start(mark).Mark;
            }

            Assert.Null(log.Write(mark));
            var verdict = Verified(log);
            Assert.True(verdict.Whole, $"{i}: {string.Join(", ", verdict.Faults)}");
        }

        Assert.All(Directory.GetFiles(root.Paths.StateFolder), f => Assert.InRange(new FileInfo(f).Length, 1, 3000));
        Assert.Equal(2, Directory.GetFiles(root.Paths.StateFolder).Length);
        var first = Verified(log).First;
        Assert.True(first > 300, $"{first}");
        File.Delete(System.IO.Path.Combine(root.Paths.StateFolder, "history.jsonl.old"));
        Assert.Contains("are missing", Assert.Single(Verified(log).Faults), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("history.jsonl")]
    [InlineData("history.jsonl.new")]
    [InlineData("history.jsonl.old")]
    public void History_ThatCannotBeRotatedForAWhile_IsWholeAfterwards(string blocked)
    {
        using var root = new FakeRoot();
        Directory.CreateDirectory(root.Paths.StateFolder);
        var log = new HistoryLog(root.Paths.StateFolder, maxSize: 2000);
        var mark = log.Start(new HistoryMark()).Mark;
        var (path, aside) = (Path.Combine(root.Paths.StateFolder, blocked), root.Path("aside"));
        var failures = 0;
        for (var i = 0; i < 80; i++)
        {
            if (i % 10 == 5)
            {
                if (File.Exists(path)) File.Move(path, aside, overwrite: true);
                Directory.CreateDirectory(Path.Combine(path, "in the way"));
            }

            if (i % 10 == 9)
            {
                Directory.Delete(path, recursive: true);
                if (File.Exists(aside)) File.Move(aside, path);
            }

            var loaded = new HistoryEvent(HistoryKind.Loaded) { Note = $"number {i}" };
            mark = log.Add(mark, [loaded], DateTimeOffset.UnixEpoch, "boot-1");
            if (log.Write(mark) is not null) failures++;
        }

        Assert.True(failures > 0);
        var answer = JsonSerializer.Deserialize(log.Read(1000, verify: true), HistoryJson.Default.HistoryAnswer)!;
        Assert.True(answer.Verification!.Whole, string.Join(", ", answer.Verification.Faults));
        Assert.Equal("number 79", answer.Entries[^1].Note);
        Assert.Equal(answer.Entries.Count, answer.Entries.Select(e => e.Number).Distinct().Count());
    }

    private static HistoryVerdict Verified(HistoryLog log) => Read(log).Verification!;

    private static HistoryAnswer Read(HistoryLog log) =>
        JsonSerializer.Deserialize(log.Read(1000, verify: true), HistoryJson.Default.HistoryAnswer)!;
}
