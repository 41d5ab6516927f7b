using LivepatchAgent.Daemon.Systemd;
using Microsoft.Extensions.Hosting.Systemd;

namespace LivepatchAgent.Daemon.Tests;

/// <summary>What systemd gets to know.</summary>
public sealed class ServiceNotifierTests
{
    [Theory]
    [InlineData(-365)]
    [InlineData(0)]
    [InlineData(365)]
    public void Alive_WhenTheClockWasSet_FeedsTheWatchdogAsBefore(int days)
    {
        var time = new Clocks();
        var systemd = new Notices();
        var notifier = new ServiceNotifier(systemd, "900000000", time);
        notifier.Alive();
        time.Set += TimeSpan.FromDays(days);
        time.Passed += TimeSpan.FromMinutes(3);
        notifier.Alive();
        Assert.Equal(1, systemd.Count);
        time.Passed += notifier.FeedEvery!.Value - TimeSpan.FromMinutes(3);
        notifier.Alive();
        Assert.Equal(2, systemd.Count);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("0")]
    [InlineData("-5")]
    [InlineData("soon")]
    public void Alive_WithoutAWatchdog_SaysNothing(string? watchdog)
    {
        var systemd = new Notices();
        var notifier = new ServiceNotifier(systemd, watchdog, new Clocks());
        notifier.Alive();
        Assert.Equal((0, null), (systemd.Count, notifier.FeedEvery));
    }

    /// <summary>What has passed, and what the clock on the wall says.</summary>
    private sealed class Clocks : TimeProvider
    {
        public TimeSpan Passed { get; set; }

        public TimeSpan Set { get; set; }

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => Passed.Ticks;

        public override DateTimeOffset GetUtcNow() => DateTimeOffset.UnixEpoch.AddYears(50) + Passed + Set;
    }

    private sealed class Notices : ISystemdNotifier
    {
        public int Count { get; private set; }

        public bool IsEnabled => true;

        public void Notify(ServiceState state) => Count++;
    }
}
