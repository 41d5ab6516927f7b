using LivepatchAgent.Cli.Views;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Cli.Tests;

/// <summary>Times, sizes, counts and activities in words.</summary>
public sealed class WordsTests
{
    [Theory]
    [InlineData(-60, "at 2026-11-23 12:01:00 UTC, which is in the future: the clock was changed")]
    [InlineData(-5, "just now")]
    [InlineData(-2, "just now")]
    [InlineData(0, "just now")]
    [InlineData(1, "1 second ago")]
    [InlineData(59, "59 seconds ago")]
    [InlineData(60, "1 minute ago")]
    [InlineData(3599, "59 minutes ago")]
    [InlineData(86400, "24 hours ago")]
    [InlineData(172800, "2 days ago")]
    public void Ago_OfAnAge_IsInWords(int seconds, string words) =>
        Assert.Equal(words, Words.Ago(Samples.Now.AddSeconds(-seconds), Samples.Now));

    [Theory]
    [InlineData(-1, "0 seconds")]
    [InlineData(0, "0 seconds")]
    [InlineData(61, "1 minute")]
    [InlineData(3600, "1 hour")]
    [InlineData(172799, "47 hours")]
    [InlineData(172800, "2 days")]
    public void Span_OfATime_HasOneUnit(int seconds, string words) =>
        Assert.Equal(words, Words.Span(TimeSpan.FromSeconds(seconds)));

    [Theory]
    [InlineData(-1, "0 bytes")]
    [InlineData(1, "1 byte")]
    [InlineData(1023, "1023 bytes")]
    [InlineData(1024, "1.0 KiB")]
    [InlineData(1536, "1.5 KiB")]
    [InlineData(1 << 20, "1.0 MiB")]
    [InlineData(268_435_456, "256.0 MiB")]
    public void Size_OfBytes_IsBinary(long bytes, string words) => Assert.Equal(words, Words.Size(bytes));

    /// <summary>A time zone or a culture changes nothing.</summary>
    [Fact]
    public void Instant_IsUtc()
    {
        var there = new DateTimeOffset(2026, 11, 23, 1, 30, 0, TimeSpan.FromHours(2));
        Assert.Equal("2026-11-22 23:30:00 UTC", Words.Instant(there));
        Assert.Equal("2026-02-03", Words.Day(new DateOnly(2026, 2, 3)));
    }

    [Theory]
    [InlineData(null, null, "downloading the patch")]
    [InlineData(100L, null, "downloading the patch: 100 bytes")]
    [InlineData(100L, 0L, "downloading the patch: 100 bytes")]
    [InlineData(512L, 1024L, "downloading the patch: 512 bytes of 1.0 KiB (50 %)")]
    [InlineData(2048L, 1024L, "downloading the patch: 2.0 KiB of 1.0 KiB (100 %)")]
    public void Activity_OfADownload_HasWhatIsKnown(long? bytes, long? total, string words) =>
        Assert.Equal(words, Words.Activity(Doing(ActivityKind.Downloading) with { Bytes = bytes, TotalBytes = total }));

    [Theory]
    [InlineData(null, 0, "waiting for tasks to switch over")]
    [InlineData(0, 0, "waiting for tasks to switch over")]
    [InlineData(1, 0, "waiting for 1 task to switch over")]
    [InlineData(7, 2, "waiting for 7 tasks to switch over")]
    [InlineData(null, 2, "waiting for 2 tasks to switch over")]
    public void Activity_OfATransition_HasTheCountThatIsKnown(int? count, int named, string words)
    {
        var tasks = Enumerable.Range(1, named).Select(id => new BlockingTask(id, id, "t", null, [])).ToList();
        var activity = Doing(ActivityKind.WaitingForTasks) with { TaskCount = count, Tasks = named > 0 ? tasks : null };
        Assert.Equal(words, Words.Activity(activity));
    }

    /// <summary>A kind without words of its own would read "busy".</summary>
    [Fact]
    public void Activity_OfEveryKind_HasItsOwnWords()
    {
        var words = Enum.GetValues<ActivityKind>().Select(kind => Words.Activity(Doing(kind))).ToList();
        Assert.Equal(words.Count, words.Distinct().Count());
        Assert.DoesNotContain("busy", words);
        Assert.Equal("busy", Words.Activity(Doing((ActivityKind)99)));
    }

    private static ActivityStatus Doing(ActivityKind kind) => new() { Kind = kind, Since = Samples.Now };
}
