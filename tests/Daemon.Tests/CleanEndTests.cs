using System.Diagnostics;
using System.Runtime.CompilerServices;
using LivepatchAgent.Core.Agent;
using LivepatchAgent.Daemon.Kernel;
using LivepatchAgent.Daemon.Tests.Surroundings;

namespace LivepatchAgent.Daemon.Tests;

/// <summary>The mark of a boot that ended in order: written by a unit of its own, read by the daemon.</summary>
public sealed class CleanEndTests
{
    private const string ThisBoot = "5f0d2c1e-8c55-4a3e-9d1b-6a4a3c2b1d0f";
    private const string BootBefore = "11111111-2222-4333-8444-555555555555";
    private static readonly string NoBoot = new('-', 36);

    [Theory]
    [InlineData(BootBefore + "\n", BootBefore)]
    [InlineData("------------------------------------\n", null)]
    [InlineData("", null)]
    [InlineData("\n\n", null)]
    [InlineData(BootBefore + BootBefore, null)]
    [InlineData(null, null)]
    public void Observe_OfTheMark_GivesTheBootThatEndedOrNothing(string? text, string? boot)
    {
        using var root = new FakeRoot();
        if (text is not null) root.Write("var/lib/livepatch-agent/clean-end", text);
        Assert.Equal(boot, CleanEnd(root));
    }

    [Fact]
    public void Observe_OfAMarkThatCannotBeRead_GivesNothing()
    {
        using var root = new FakeRoot();
        Directory.CreateDirectory(root.Paths.CleanEnd);
        Assert.Null(CleanEnd(root));
    }

    [Theory]
    [InlineData(null)]
    [InlineData(ThisBoot + "\n")]
    [InlineData("cut off")]
    [InlineData("longer than a boot id: 0123456789 0123456789 0123456789\n")]
    public async Task Prepare_WithNothingToKeep_MakesAMarkOfNoBoot(string? before)
    {
        using var host = Host(before);
        await RunAsync(host, "prepare", "running");
        Assert.Equal(NoBoot + "\n", Mark(host));
        Assert.Null(CleanEnd(host));
        var mode = File.GetUnixFileMode(host.Paths.CleanEnd);
        if (before is null) Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, mode);
    }

    /// <summary>The daemon starts after it and has yet to read how the boot before ended.</summary>
    [Fact]
    public async Task Prepare_WithTheMarkOfAnotherBoot_KeepsIt()
    {
        using var host = Host(BootBefore + "\n");
        await RunAsync(host, "prepare", "starting");
        Assert.Equal(BootBefore, CleanEnd(host));
    }

    [Fact]
    public async Task Note_WhileTheSystemEnds_WritesTheBootThatEnds()
    {
        using var host = Host(BootBefore + "\n");
        await RunAsync(host, "note", "stopping");
        Assert.Equal(ThisBoot + "\n", Mark(host));
        Assert.Equal(ThisBoot, CleanEnd(host));
    }

    /// <summary>The unit is stopped by hand, or its package is removed: the boot goes on, and may yet crash.</summary>
    [Theory]
    [InlineData("running")]
    [InlineData("degraded")]
    [InlineData("maintenance")]
    [InlineData("")]
    public async Task Note_WhileTheSystemRuns_WritesNothing(string state)
    {
        using var host = Host(BootBefore + "\n");
        await RunAsync(host, "note", state);
        Assert.Equal(BootBefore + "\n", Mark(host));
    }

    [Fact]
    public async Task Note_OnAFullDisk_IsWrittenAllTheSame()
    {
        using var host = Host(null);
        using var disk = new SmallDisk(host.Paths.StateFolder, 64);
        await RunAsync(host, "prepare", "starting");
        disk.Fill();
        var more = Path.Combine(host.Paths.StateFolder, "more");
        Assert.Throws<IOException>(() => File.WriteAllBytes(more, new byte[8192]));
        await RunAsync(host, "note", "stopping");
        Assert.Equal(ThisBoot, CleanEnd(host));
    }

    private static string? CleanEnd(FakeRoot root) => new HostObserver(root.Paths, new ManualTime())
        .Observe(new AgentState(), new ListenState.Off()).Value.CleanEnd;

    private static string Mark(FakeRoot host) => File.ReadAllText(host.Paths.CleanEnd);

    private static FakeRoot Host(string? mark)
    {
        var host = new FakeRoot();
        host.Write("proc/sys/kernel/random/boot_id", ThisBoot + "\n");
        if (mark is not null) host.Write("var/lib/livepatch-agent/clean-end", mark);
        return host;
    }

    /// <summary>The unit's own script, where systemctl says this of the system.</summary>
    private static async Task RunAsync(FakeRoot host, string verb, string state)
    {
        host.Write("bin/systemctl", $"#!/bin/sh\necho {state}\nfalse\n");
        File.SetUnixFileMode(host.Path("bin/systemctl"), UnixFileMode.UserRead | UnixFileMode.UserExecute);
        var start = new ProcessStartInfo(Script(), [verb]) { RedirectStandardError = true };
        start.Environment["LIVEPATCH_AGENTD_ROOT"] = host.Folder;
        start.Environment["PATH"] = $"{host.Path("bin")}:{Environment.GetEnvironmentVariable("PATH")}";
        using var script = Process.Start(start)!;
        var error = await script.StandardError.ReadToEndAsync(HostUnderTest.Ct);
        await script.WaitForExitAsync(HostUnderTest.Ct);
        Assert.Equal((0, ""), (script.ExitCode, error));
    }

    private static string Script([CallerFilePath] string here = "") =>
        Path.GetFullPath(Path.Combine(Path.GetDirectoryName(here)!, "../../packaging/agent/clean-end"));
}
