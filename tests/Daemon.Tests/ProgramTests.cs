using System.Text.Json;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Daemon.Host;
using LivepatchAgent.Daemon.Tests.Surroundings;
using Microsoft.Extensions.Hosting;
using static LivepatchAgent.Daemon.Tests.Surroundings.HostUnderTest;

namespace LivepatchAgent.Daemon.Tests;

/// <summary>The program as a process: how it starts, beside whom, and how it ends.</summary>
public sealed class ProgramTests
{
    [Theory]
    [InlineData("--hlep")]
    [InlineData("help")]
    [InlineData("--version", "--help")]
    [InlineData("\u001b[2J")]
    public async Task Start_WithAnArgumentThatThereIsNot_EndsWithOneLine(params string[] arguments)
    {
        await using var host = new HostUnderTest();
        using var daemon = DaemonProcess.Start(host, arguments);
        var (status, output, error) = await daemon.EndAsync();
        Assert.Equal((64, ""), (status, output));
        Assert.StartsWith("cannot understand \"", error, StringComparison.Ordinal);
        Assert.DoesNotContain(error.TrimEnd('\n'), char.IsControl);
        Assert.False(Directory.Exists(host.Paths.RunFolder));
    }

    [Theory]
    [InlineData("--help", "usage: livepatch-agentd ")]
    [InlineData("--version", "0.")]
    public async Task Start_AskedAQuestion_AnswersAndStartsNothing(string question, string answer)
    {
        await using var host = new HostUnderTest();
        using var daemon = DaemonProcess.Start(host, question);
        var (status, output, error) = await daemon.EndAsync();
        Assert.Equal((0, ""), (status, error));
        Assert.StartsWith(answer, output, StringComparison.Ordinal);
        Assert.False(Directory.Exists(host.Paths.RunFolder));
    }

    [Fact]
    public async Task Start_BesideAnother_EndsAndLeavesItAlone()
    {
        await using var host = new HostUnderTest();
        using var first = await DaemonProcess.RunningAsync(host);
        var journal = File.ReadAllBytes(host.Journal);
        using var second = DaemonProcess.Start(host);
        var (status, _, error) = await second.EndAsync();
        Assert.Equal(1, status);
        var line = Assert.Single(error.TrimEnd('\n').Split('\n'));
        Assert.Contains(host.Paths.StateFolder, line, StringComparison.Ordinal);
        Assert.Equal(journal, File.ReadAllBytes(host.Journal));
        await AnswersAsync(host);
        Assert.Equal(0, (await first.TerminateAsync()).Status);
        Assert.False(File.Exists(host.Paths.Socket));
    }

    [Fact]
    public async Task Start_AfterOneThatWasKilled_TakesItsPlace()
    {
        await using var host = new HostUnderTest();
        using var first = await DaemonProcess.RunningAsync(host);
        await first.KillAsync();
        using var second = await DaemonProcess.RunningAsync(host);
        await AnswersAsync(host);
    }

    [Fact]
    public async Task Start_WhereTheSocketCannotBe_EndsAndSaysWhy()
    {
        await using var host = new HostUnderTest();
        host.Write("run/livepatch-agent", "not a folder");
        using var daemon = DaemonProcess.Start(host);
        var (status, _, error) = await daemon.EndAsync();
        Assert.Equal(1, status);
        var start = "error: Cannot serve " + host.Paths.Socket;
        Assert.Contains(error.Split('\n'), line => line.StartsWith(start, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("ends", 0)]
    [InlineData("goes on", 0)]
    [InlineData("faults", 1)]
    [InlineData("gives up", 1)]
    public async Task Status_OfServicesThatEnded_IsAFailureWhenOneFailed(string how, int expected)
    {
        using var service = new Service(how);
        await service.StartAsync(Ct);
        if (how != "goes on") await Task.WhenAny(service.ExecuteTask!);
        Assert.Equal(expected, ExitStatus.Of([service]));
    }

    private static async Task AnswersAsync(HostUnderTest host)
    {
        using var person = Person.Of(host.Paths.Socket);
        var status = await person.GetByteArrayAsync("/v1/status", Ct);
        Assert.NotNull(JsonSerializer.Deserialize(status, WireJson.Default.AgentStatus));
    }

    private sealed class Service(string how) : BackgroundService
    {
        protected override Task ExecuteAsync(CancellationToken stoppingToken) => how switch
        {
            "ends" => Task.CompletedTask,
            "faults" => Task.FromException(new InvalidOperationException("a bug")),
            "gives up" => Task.FromException(new OperationCanceledException()),
            _ => Task.Delay(Timeout.Infinite, stoppingToken),
        };
    }
}
