using System.Diagnostics;
using System.Text;
using System.Text.RegularExpressions;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Cli.Tests;

/// <summary>The program itself on a real terminal (a pseudo-terminal of script(1)).</summary>
public sealed partial class TerminalTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    [Fact]
    public async Task Enable_OnATerminal_ShowsBytesRiseOnOneLine()
    {
        const long total = 3 << 20;
        var done = 0L;
        using var daemon = new TestDaemon((request, _) =>
        {
            if (TestDaemon.IsChange(request)) return TestDaemon.Changed(10);
            var isDone = done == total;
            return TestDaemon.Json(200, isDone ? Settled(Samples.Applied) : Downloading(done += 512 << 10, total));
        });
        var shown = await RunAsync(daemon, $"enable {ChangeCommandTests.Token}");
        Assert.Equal(0, shown.Code);

        var before = shown.Text[..shown.Text.IndexOf('✓', StringComparison.Ordinal)];
        Assert.DoesNotContain('\n', before);
        const string first = "\r\e[2K\e[?7l\e[33m⧗\e[0m enrolling with the server\e[?7h";
        Assert.StartsWith(first, before, StringComparison.Ordinal);
        string[] sizes = ["512.0 KiB", "1.0 MiB", "1.5 MiB", "2.0 MiB", "2.5 MiB", "3.0 MiB"];
        Assert.Equal(sizes, Sizes().Matches(before).Select(match => match.Groups[1].Value));
        const string last = "patched: version 2.1 (notice LPN-0002), fixes CVE-2026-0001, CVE-2026-0002\r\n";
        Assert.EndsWith(last, shown.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Enable_WithTheTokenPastedAndEnter_DoesNotShowItAndGoesOn()
    {
        var asked = "";
        using var daemon = new TestDaemon((request, body) =>
        {
            if (!TestDaemon.IsChange(request)) return TestDaemon.Json(200, Settled(Samples.Applied));
            asked = body;
            return TestDaemon.Changed(10);
        });
        var shown = await RunAsync(daemon, "enable -; stty -a", ("then Enter: ", ChangeCommandTests.Token + "\n"));
        Assert.Equal($"{{\"token\":\"{ChangeCommandTests.Token}\"}}", asked);
        Assert.DoesNotContain(ChangeCommandTests.Token[5..20], shown.Text, StringComparison.Ordinal);
        Assert.Contains("patched: version 2.1", shown.Text, StringComparison.Ordinal);
        Assert.Matches(@"[^-]echo ", shown.Text);
    }

    [Fact]
    public async Task Enable_WithErrorsInAFile_WritesNoColourThere()
    {
        var refused = TestDaemon.Json(200, Settled(Samples.All["refused"].Status));
        using var daemon = new TestDaemon((request, _) =>
            TestDaemon.IsChange(request) ? TestDaemon.Changed(10) : refused);
        var file = daemon.File("errors", "");
        await RunAsync(daemon, $"refresh 2>{file}");
        Assert.StartsWith("✗ ", await File.ReadAllTextAsync(file, Deadline.Token), StringComparison.Ordinal);
    }

    private static AgentStatus Settled(AgentStatus status) => status with { Revision = long.MaxValue };

    private static AgentStatus Downloading(long bytes, long total)
    {
        var status = Samples.All["applying-downloading"].Status;
        var activity = status.Activity! with { Bytes = bytes, TotalBytes = total };
        return status with { Settled = false, Revision = 11 + bytes, Activity = activity };
    }

    /// <summary>Types each answer when its question has been asked.</summary>
    private static async Task<(int Code, string Text)> RunAsync(
        TestDaemon daemon, string words, params (string Question, string Answer)[] dialogue)
    {
        var program = Path.Combine(AppContext.BaseDirectory, "livepatch-agent.dll");
        string[] options = ["--quiet", "--return", "--flush", "--command", $"dotnet exec {program} {words}"];
        var start = new ProcessStartInfo("script", [.. options, "/dev/null"])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            StandardOutputEncoding = Encoding.UTF8,
            Environment =
            {
                ["TERM"] = "xterm",
                ["LC_ALL"] = "C.UTF-8",
                ["NO_COLOR"] = "",
                [SharedOptions.SocketVariable] = daemon.SocketPath,
            },
        };
        using var process = Process.Start(start)!;
        using var deadline = new CancellationTokenSource(Patience);
        var shown = new StringBuilder();
        var buffer = new char[1024];
        foreach (var (question, answer) in dialogue)
        {
            while (!shown.ToString().Contains(question, StringComparison.Ordinal))
            {
                var read = await process.StandardOutput.ReadAsync(buffer, deadline.Token);
                Assert.True(read > 0, $"never asked \"{question}\": {shown}");
                shown.Append(buffer, 0, read);
            }

            await process.StandardInput.WriteAsync(answer);
            await process.StandardInput.FlushAsync(deadline.Token);
        }

        shown.Append(await process.StandardOutput.ReadToEndAsync(deadline.Token));
        await process.WaitForExitAsync(deadline.Token);
        return (process.ExitCode, shown.ToString());
    }

    [GeneratedRegex(@"downloading the patch: (512\.0 KiB|\d\.\d MiB) of 3\.0 MiB")]
    private static partial Regex Sizes();
}
