using System.Runtime.CompilerServices;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Daemon.LocalApi;
using LivepatchAgent.Daemon.Tests.Surroundings;

namespace LivepatchAgent.Daemon.Tests;

/// <summary>The way that docs/local-api.md recommends, as it is written there, to a real node_exporter.</summary>
public sealed class TextfileCollectorTests
{
    [Fact]
    public async Task Metrics_WrittenAsTheDocsSay_AreTakenWhole()
    {
        await using var host = await HostUnderTest.EnrolledAsync(Workshop.Patch(1));
        await host.StartSocketAsync();
        var folder = Directory.CreateDirectory(host.Path("textfiles")).FullName;
        var command = Command()
            .Replace("/var/lib/prometheus/node-exporter", folder, StringComparison.Ordinal)
            .Replace("/run/livepatch-agent/agent.sock", host.Paths.Socket, StringComparison.Ordinal);
        await Tool.RunAsync("bash", "-euc", command);
        var file = Assert.Single(Directory.GetFiles(folder));
        var written = await File.ReadAllTextAsync(file, HostUnderTest.Ct);
        Assert.Equal(Metrics.Of(host.Board.Current, MetricsFormat.Classical), written);

        await using var exporter = await NodeExporter.StartAsync(folder);
        AssertTaken(written, await exporter.ScrapeAsync());

        var full = Metrics.Of(MetricsTests.Full, MetricsFormat.Classical);
        await File.WriteAllTextAsync(file, full, HostUnderTest.Ct);
        AssertTaken(full, await exporter.ScrapeAsync());

        // That this reader can say no: it did so to all that the daemon said, when that was OpenMetrics.
        await File.WriteAllTextAsync(file, Metrics.Of(MetricsTests.Full, MetricsFormat.OpenMetrics), HostUnderTest.Ct);
        Assert.Contains("node_textfile_scrape_error 1", await exporter.ScrapeAsync(), StringComparison.Ordinal);
    }

    private static void AssertTaken(string written, string scraped)
    {
        Assert.Contains("node_textfile_scrape_error 0", scraped, StringComparison.Ordinal);
        Assert.Equal(Names(written), Names(scraped));
    }

    private static string[] Names(string text)
    {
        var samples = text.Split('\n').Where(l => l.StartsWith("livepatch_", StringComparison.Ordinal));
        return [.. samples.Select(l => l.Split('{', ' ')[0]).Order(StringComparer.Ordinal)];
    }

    /// <summary>The block of the page that writes the file.</summary>
    private static string Command([CallerFilePath] string here = "")
    {
        var page = File.ReadAllText(Path.Combine(Path.GetDirectoryName(here)!, "../../docs/local-api.md"));
        return Assert.Single(page.Split("```\n"), block => block.StartsWith("out=", StringComparison.Ordinal));
    }
}
