using System.Diagnostics;
using System.Runtime.CompilerServices;
using LivepatchAgent.Core.Agent;
using LivepatchAgent.Daemon.Kernel;
using LivepatchAgent.Daemon.Tests.Surroundings;

namespace LivepatchAgent.Daemon.Tests;

/// <summary>The mark of a boot that ended in order: written by a unit of its own, read by the daemon.</summary>
public sealed class CleanEndTests
{
    private const int Most = 13;
    private const string ThisBoot = "5f0d2c1e-8c55-4a3e-9d1b-6a4a3c2b1d0f";
    private const string BootBefore = "11111111-2222-4333-8444-555555555555";
    private static readonly string NoBoot = new('-', 36);

    [Theory]
    [InlineData(BootBefore + "\n", BootBefore)]
    [InlineData(BootBefore + "\n" + ThisBoot + "\n", BootBefore + "," + ThisBoot)]
    [InlineData(BootBefore + "\n------------------------------------\n", BootBefore)]
    [InlineData("------------------------------------\n", "")]
    [InlineData("", "")]
    [InlineData("\n\n", "")]
    [InlineData("cut off\n" + BootBefore + "\n5f0d2c1e", BootBefore)]
    [InlineData(BootBefore + BootBefore, "")]
    [InlineData(null, "")]
    public void Observe_OfTheMark_GivesTheBootsThatEnded(string? text, string boots)
    {
        using var root = new FakeRoot();
        if (text is not null) root.Write("var/lib/livepatch-agent/clean-end", text);
        Assert.Equal(boots, string.Join(',', CleanEnds(root)));
    }

    /// <summary>The file is on a disk, and may be anything.</summary>
    [Fact]
    public void Observe_OfALongMark_ReadsAsManyBootsAsThereAre()
    {
        using var root = new FakeRoot();
        root.Write("var/lib/livepatch-agent/clean-end", Lines([.. Boots(1500)]));
        Assert.Equal(Boots(Most), CleanEnds(root));
    }

    [Fact]
    public void Observe_OfAMarkThatCannotBeRead_GivesNothing()
    {
        using var root = new FakeRoot();
        Directory.CreateDirectory(root.Paths.CleanEnd);
        Assert.Empty(CleanEnds(root));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData(ThisBoot + "\n")]
    [InlineData("cut off")]
    [InlineData("longer than a boot id: 0123456789 0123456789 0123456789\n")]
    public async Task Prepare_WithNothingToKeep_MakesAMarkOfNoBoot(string? before)
    {
        using var host = Host(before);
        await RunAsync(host, "prepare", "running");
        Assert.Equal(Lines(), Mark(host));
        Assert.Empty(CleanEnds(host));
        var mode = File.GetUnixFileMode(host.Paths.CleanEnd);
        if (before is null) Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, mode);
    }

    [Fact]
    public async Task Prepare_WhereTheMarkIsAFolder_MakesAMark()
    {
        using var host = Host(null);
        Directory.CreateDirectory(host.Paths.CleanEnd);
        await RunAsync(host, "prepare", "starting");
        Assert.Equal(Lines(), Mark(host));
    }

    /// <summary>The daemon starts after it and has yet to read how the boots before ended.</summary>
    [Fact]
    public async Task Prepare_WithTheMarkOfOtherBoots_KeepsIt()
    {
        using var host = Host(Lines([BootBefore, .. Boots(3)]));
        await RunAsync(host, "prepare", "starting");
        Assert.Equal(Lines([BootBefore, .. Boots(3)]), Mark(host));
    }

    /// <summary>As versions wrote it that knew one boot alone.</summary>
    [Fact]
    public async Task Prepare_WithAMarkOfOneLine_KeepsItsBootAndMakesRoomForMore()
    {
        using var host = Host(BootBefore + "\n");
        await RunAsync(host, "prepare", "starting");
        Assert.Equal(Lines(BootBefore), Mark(host));
        Assert.Equal([BootBefore], CleanEnds(host));
    }

    [Fact]
    public async Task Prepare_WithALongerFile_KeepsNoMoreThanThereIsRoomFor()
    {
        using var host = Host(Lines([.. Boots(20)]));
        await RunAsync(host, "prepare", "starting");
        Assert.Equal(Lines([.. Boots(Most)]), Mark(host));
    }

    /// <summary>After a soft reboot the same kernel runs on, and may yet crash.</summary>
    [Fact]
    public async Task Prepare_WithThisBootInTheMark_TakesItOutAndKeepsTheOthers()
    {
        using var host = Host(Lines(ThisBoot, BootBefore));
        await RunAsync(host, "prepare", "starting");
        Assert.Equal(Lines(BootBefore), Mark(host));
    }

    [Fact]
    public async Task Note_WhileTheSystemEnds_PutsTheBootThatEndsFirst()
    {
        using var host = Host(Lines(BootBefore));
        await RunAsync(host, "note", "stopping");
        Assert.Equal(Lines(ThisBoot, BootBefore), Mark(host));
        Assert.Equal([ThisBoot, BootBefore], CleanEnds(host));
        await RunAsync(host, "note", "stopping");
        Assert.Equal(Lines(ThisBoot, BootBefore), Mark(host));
    }

    [Fact]
    public async Task Note_WithoutRoomForAnother_DropsTheOldest()
    {
        using var host = Host(Lines([.. Boots(Most)]));
        await RunAsync(host, "note", "stopping");
        Assert.Equal([ThisBoot, .. Boots(Most - 1)], CleanEnds(host));
        Assert.Equal(Most * 37, new FileInfo(host.Paths.CleanEnd).Length);
    }

    /// <summary>No room was made for more: there was no room, or an older version made it.</summary>
    [Theory]
    [InlineData("")]
    [InlineData(BootBefore + "\n")]
    public async Task Note_InAMarkOfOneLine_WritesTheBootThatEnds(string before)
    {
        using var host = Host(before);
        await RunAsync(host, "note", "stopping");
        Assert.Equal(ThisBoot + "\n", Mark(host));
        Assert.Equal([ThisBoot], CleanEnds(host));
    }

    /// <summary>The unit is stopped by hand, or its package is removed: the boot goes on, and may yet crash.</summary>
    [Theory]
    [InlineData("running")]
    [InlineData("degraded")]
    [InlineData("maintenance")]
    [InlineData("")]
    public async Task Note_WhileTheSystemRuns_WritesNothing(string state)
    {
        using var host = Host(Lines(BootBefore));
        await RunAsync(host, "note", state);
        Assert.Equal(Lines(BootBefore), Mark(host));
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
        Assert.Equal([ThisBoot], CleanEnds(host));
    }

    [Fact]
    public async Task Prepare_WithAMarkOfOneLineOnAFullDisk_MakesRoomForMore()
    {
        using var host = Host(null);
        using var disk = new SmallDisk(host.Paths.StateFolder, 64);
        host.Write("var/lib/livepatch-agent/clean-end", BootBefore + "\n");
        disk.Fill();
        await RunAsync(host, "prepare", "starting");
        Assert.Equal(Lines(BootBefore), Mark(host));
    }

    private static IReadOnlyList<string> CleanEnds(FakeRoot root) => new HostObserver(root.Paths, new ManualTime())
        .Observe(new AgentState(), new ListenState.Off()).Value.CleanEnds;

    /// <summary>The whole mark, with these boots in front.</summary>
    private static string Lines(params string[] boots) =>
        string.Concat(boots.Concat(Enumerable.Repeat(NoBoot, Math.Max(0, Most - boots.Length))).Select(b => b + "\n"));

    private static IEnumerable<string> Boots(int count) =>
        Enumerable.Range(1, count).Select(i => $"{i:x8}-2222-4333-8444-555555555555");

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
