using LivepatchAgent.Core;
using LivepatchAgent.Core.Agent;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Daemon.Store;
using LivepatchAgent.Daemon.Tests.Surroundings;
using Microsoft.Extensions.Logging;

namespace LivepatchAgent.Daemon.Tests;

/// <summary>The journal: missing, damaged, newer, and on disks that are full or do not let write.</summary>
public sealed class StateFileTests
{
    private static readonly Published One = Workshop.Patch(1);
    private static readonly Published Two = Workshop.Patch(2);

    public static TheoryData<string, string> Damages => new()
    {
        { "empty", "" },
        { "garbage", "\0\u0001nonsense" },
        { "no version", "{}" },
        { "version 0", """{"version":0}""" },
        { "cut off", """{"version":1,"phase":{"kind":"rest""" },
        { "unknown phase", """{"version":1,"phase":{"kind":"of-tomorrow"}}""" },
        { "null lists", """{"version":1,"leftovers":null}""" },
        { "huge", new string(' ', 5 << 20) + "{}" },
    };

    [Theory]
    [MemberData(nameof(Damages))]
    public async Task Journal_Damaged_IsMovedAsideAndTheOlderCopyTaken(string what, string text)
    {
        Assert.NotEmpty(what);
        await using var host = await HostUnderTest.EnrolledAsync(One);
        await host.StopAsync();
        File.WriteAllText(host.Journal, text);
        await host.StartAsync();
        var status = await host.SettledAsync(PatchState.Applied);
        Assert.Equal("m1", status.Enrolment?.MachineId);
        Assert.Equal(text.Length, new FileInfo(host.Journal + ".damaged").Length);
        Assert.Contains(host.Journal, Assert.Single(host.Log.From(LogLevel.Warning)), StringComparison.Ordinal);
        Assert.Single(host.Kernel.Loaded);
    }

    [Theory]
    [MemberData(nameof(Damages))]
    public async Task Journal_DamagedWithItsCopy_LeavesAHostThatSaysSoAndCanEnrolAgain(string what, string text)
    {
        Assert.NotEmpty(what);
        await using var host = await HostUnderTest.EnrolledAsync(One);
        await host.StopAsync();
        File.WriteAllText(host.Journal, text);
        File.WriteAllText(host.Journal + ".old", text);
        await host.StartAsync();
        var status = await host.SettledAsync(PatchState.NotEnrolled);
        HostUnderTest.AssertTold(status.Problem, ProblemCode.StateInvalid, "journal.json");
        Assert.Equal([One.Name], host.Kernel.Patches);
        await host.EnableAsync();
        await host.SettledAsync(PatchState.Applied);
        Assert.Single(host.Kernel.Loaded);
    }

    [Theory]
    [InlineData(true, false)]
    [InlineData(false, true)]
    public async Task Journal_MissingOrAFolder_IsGotOver(bool missing, bool folder)
    {
        await using var host = await HostUnderTest.EnrolledAsync(One);
        await host.StopAsync();
        File.Delete(host.Journal);
        if (folder) Directory.CreateDirectory(host.Journal);
        await host.StartAsync();
        Assert.Equal("m1", (await host.SettledAsync(PatchState.Applied)).Enrolment?.MachineId);
        Assert.NotEqual(missing, folder);
    }

    /// <summary>The disk may give it again: a good journal is not put aside, and no state without it is believed or saved.</summary>
    [Theory]
    [InlineData("journal.json", false)]
    [InlineData("journal.json.old", false)]
    [InlineData("journal.json.old", true)]
    public async Task Journal_ThatTheDiskDoesNotGive_IsWaitedFor(string file, bool damaged)
    {
        await using var host = await HostUnderTest.EnrolledAsync(One);
        await host.StopAsync();
        var good = File.ReadAllText(host.Journal);
        var path = Path.Combine(host.Paths.StateFolder, file);
        if (damaged) File.WriteAllText(host.Journal, "damaged");
        else File.Delete(host.Journal);
        File.Delete(path);
        File.CreateSymbolicLink(path, "/proc/self/mem"); // reading it is EIO
        var other = file == "journal.json" ? "" : File.Exists(host.Journal) ? File.ReadAllText(host.Journal) : "";
        await host.StartAsync();
        var status = await host.UntilAsync("told", s => s.Problem is not null);
        HostUnderTest.AssertTold(status.Problem, ProblemCode.DiskError, "journal.json");
        var enable = new Command.Enable(new EnrolmentIntent("e", host.Server.Token, "c"));
        HostUnderTest.AssertTold((await host.SendAsync(enable)).Problem, ProblemCode.DiskError);
        var (calls, start) = (host.Server.Calls.Count, host.Time.GetUtcNow());
        await host.HappensAsync("half an hour", () => host.Time.GetUtcNow() - start > TimeSpan.FromMinutes(30));
        Assert.Equal(calls, host.Server.Calls.Count);
        Assert.Single(host.Log.From(LogLevel.Warning));
        Assert.Equal(other, File.Exists(host.Journal) && file != "journal.json" ? File.ReadAllText(host.Journal) : "");
        Assert.False(File.Exists(host.Journal + ".damaged"));
        File.Delete(path);
        File.WriteAllText(path, good);
        status = await host.UntilAsync("read", s => s is { Settled: true, State: PatchState.Applied });
        Assert.Equal("m1", status.Enrolment?.MachineId);
        Assert.Equal([One.Name], host.Kernel.Loaded);
    }

    /// <summary>The end is orderly, and yet nothing may be written over what could not be read.</summary>
    [Fact]
    public async Task Journal_ThatTheDiskDoesNotGive_IsNotWrittenAtTheEndEither()
    {
        await using var host = await HostUnderTest.EnrolledAsync(One);
        await host.StopAsync();
        File.Delete(host.Journal);
        File.CreateSymbolicLink(host.Journal, "/proc/self/mem");
        await host.StartAsync();
        await host.UntilAsync("told", s => s.Problem?.Code == ProblemCode.DiskError);
        await host.StopAsync();
        Assert.Equal("/proc/self/mem", new FileInfo(host.Journal).LinkTarget);
    }

    [Theory]
    [InlineData("journal.json")]
    [InlineData("journal.json.old")]
    public async Task Journal_OfANewerVersion_IsNotTouchedAndCommandsAreRefused(string file)
    {
        await using var host = await HostUnderTest.EnrolledAsync(One);
        await host.StopAsync();
        const string newer = """{"version":2,"phase":{"kind":"levitating"}}""";
        File.WriteAllText(host.Journal, "damaged");
        File.WriteAllText(Path.Combine(host.Paths.StateFolder, file), newer);
        await host.StartAsync();
        var status = await host.SettledAsync(PatchState.NotEnrolled);
        HostUnderTest.AssertTold(status.Problem, ProblemCode.StateNewer, "version 2");
        foreach (var command in new Command[] { new Command.Disable(), new Command.Refresh(), new Command.Enable(new EnrolmentIntent("e", host.Server.Token, "c")) })
            HostUnderTest.AssertTold((await host.SendAsync(command)).Problem, ProblemCode.StateNewer);
        var before = host.Board.Current.Revision;
        Assert.Equal(before, (await host.SendAsync(new Command.NetworkUp())).Value);
        await host.StopAsync();
        Assert.Equal(newer, File.ReadAllText(Path.Combine(host.Paths.StateFolder, file)));
        Assert.False(File.Exists(host.Journal + ".damaged"));
        Assert.Equal([One.Name], host.Kernel.Patches);
    }

    [Fact]
    public async Task Journal_IsForRootAlone()
    {
        await using var host = await HostUnderTest.EnrolledAsync(One);
        foreach (var file in Directory.EnumerateFiles(host.Paths.StateFolder, "*", SearchOption.AllDirectories))
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(host.Paths.StateFolder));
    }

    [Fact]
    public async Task Disk_FullWhileSaving_HoldsEffectsBackUntilThereIsRoom()
    {
        await using var host = new HostUnderTest();
        using var disk = new SmallDisk(host.Paths.StateFolder, 256);
        await host.StartAsync();
        host.Server.Publish(One);
        await host.EnableAsync();
        await host.SettledAsync(PatchState.Applied);
        disk.Fill();
        host.Server.Publish(Two);
        var status = await host.UntilAsync("told", s => s.Problem?.Code == ProblemCode.DiskFull);
        HostUnderTest.AssertTold(status.Problem, ProblemCode.DiskFull, "journal.json");
        var start = host.Time.GetUtcNow();
        await host.HappensAsync("half an hour", () => host.Time.GetUtcNow() - start > TimeSpan.FromMinutes(30));
        Assert.Equal([One.Name], host.Kernel.Loaded);
        Assert.Single(host.Log.From(LogLevel.Warning));
        HostUnderTest.AssertTold((await host.SendAsync(new Command.Disable())).Problem, ProblemCode.DiskFull);

        disk.Empty();
        status = await host.UntilAsync("2.0", s => s.Settled && s.Patch?.Version == "2.0" && s.Problem is null);
        Assert.NotNull(status.Enrolment);
        Assert.Single(host.Log.Lines, l => l.Line == "The disk takes the journal again");
    }

    [Fact]
    public async Task Disk_WithoutRoomForTheModule_SaysSoBeforeFetchingIt()
    {
        var big = Workshop.Patch(2, padding: 300_000);
        await using var host = new HostUnderTest();
        using var disk = new SmallDisk(host.Paths.StateFolder, 384);
        await host.StartAsync();
        host.Server.Publish(big);
        await host.EnableAsync();
        var status = await host.UntilAsync("told", s => s.Problem is not null);
        HostUnderTest.AssertTold(status.Problem, ProblemCode.DiskFull, "modules");
        Assert.Equal(0, host.Server.Count(big.ModulePath));
        disk.Grow(2048);
        await host.SettledAsync(PatchState.Applied);
    }

    [Fact]
    public async Task Disk_FullWhileDownloading_GivesBackWhatWasBegunAndGoesOnLater()
    {
        var big = Workshop.Patch(2, padding: 300_000);
        await using var host = new HostUnderTest();
        using var disk = new SmallDisk(host.Paths.StateFolder, 600);
        await host.StartAsync();
        var full = true;
        host.Server.Instead = async call =>
        {
            if (call.Path != big.ModulePath || !full) return false;
            await call.RawAsync($"HTTP/1.1 200 X\r\nContent-Length: {big.Module.Length}\r\n\r\n");
            disk.Fill();
            await call.RawAsync(big.Module);
            return true;
        };
        host.Server.Publish(big);
        await host.EnableAsync();
        var status = await host.UntilAsync("told", s => s.Problem is not null);
        HostUnderTest.AssertTold(status.Problem, ProblemCode.DiskFull);
        Assert.Empty(host.Kernel.Loaded);
        full = false;
        disk.Empty();
        await host.SettledAsync(PatchState.Applied);
    }

    /// <summary>The file was lengthened, and the power went before its bytes were there.</summary>
    [Fact]
    public async Task Download_WholeInLengthAndNotInBytes_IsFetchedAnew()
    {
        await using var host = await HostUnderTest.StartedAsync();
        host.Server.Publish(One);
        var partial = Directory.CreateDirectory(Path.Combine(host.Paths.StateFolder, "modules")).FullName + "/" + One.Manifest.Module.Sha256 + ".part";
        File.WriteAllBytes(partial, new byte[One.Module.Length]);
        var start = host.Time.GetUtcNow();
        await host.EnableAsync();
        await host.SettledAsync(PatchState.Applied);
        Assert.InRange(host.Time.GetUtcNow() - start, TimeSpan.Zero, TimeSpan.FromHours(1)); // not with the next day's catalogue
        Assert.Equal(1, host.Server.Count(One.ModulePath));
    }

    [Fact]
    public void DiskFault_SaysWhatCouldNotBeDone_AndWhy()
    {
        using var root = new FakeRoot();
        var fault = Assert.ThrowsAny<IOException>(() => File.ReadAllText(root.Path("missing")));
        HostUnderTest.AssertTold(DiskFault.Explain(fault, "save it"), ProblemCode.DiskError, root.Path("missing"));
        foreach (var full in new[] { 28, 122 }) // ENOSPC, EDQUOT
            Assert.Equal(ProblemCode.DiskFull, DiskFault.Explain(new IOException("x", full), "save it").Code);
    }

    [Theory]
    [InlineData("journal.json.new")] // as older versions left it
    [InlineData("journal.json.0a1b2c3d.4e5.new")]
    public void Load_RemovesWhatACrashLeftOfAWrite(string name)
    {
        using var root = new FakeRoot();
        var folder = Directory.CreateDirectory(root.Path("state")).FullName;
        var store = new StateStore(folder);
        Assert.Null(store.Save(new AgentState()));
        File.WriteAllText(Path.Combine(folder, name), "half of a jour");
        Assert.Null(new StateStore(folder).Load().Problem);
        Assert.Equal(["journal.json"], Directory.GetFiles(folder).Select(Path.GetFileName));
    }

    [Fact]
    public async Task StateFolder_ThatIsAFile_IsToldAndEndsNothing()
    {
        await using var host = new HostUnderTest();
        host.Write("var/lib/livepatch-agent", "not a folder");
        await host.StartAsync();
        var status = await host.UntilAsync("told", s => s.Problem is not null);
        HostUnderTest.AssertTold(status.Problem, ProblemCode.DiskError, "journal.json");
        HostUnderTest.AssertTold((await host.SendAsync(new Command.Enable(new EnrolmentIntent("e", host.Server.Token, "c")))).Problem, ProblemCode.DiskError);
        File.Delete(host.Path("var/lib/livepatch-agent"));
        Directory.CreateDirectory(host.Path("var/lib/livepatch-agent"));
        await host.UntilAsync("over", s => s.Problem?.Code != ProblemCode.DiskError || s.Settled);
    }

    [Theory]
    [InlineData("etc/livepatch-agent/ca.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "ca-file = ROOT/etc/livepatch-agent/ca.pem\n")]
    [InlineData("etc/livepatch-agent/ca.pem", "no certificate", "ca-file = ROOT/etc/livepatch-agent/ca.pem\n")]
    [InlineData("etc/livepatch-agent/other.pem", "", "ca-file = ROOT/etc/livepatch-agent/ca.pem\n")]
    public async Task Certificates_OfTheAdministratorThatAreNone_AreNamed(string file, string text, string settings)
    {
        await using var host = new HostUnderTest();
        host.Write(file, text);
        host.Write("etc/livepatch-agent/agent.conf", settings.Replace("ROOT", host.Path("").TrimEnd('/'), StringComparison.Ordinal));
        await host.StartAsync();
        host.Server.Publish(One);
        await host.EnableAsync();
        var status = await host.UntilAsync("told", s => s.Settled && s.Problem is not null);
        HostUnderTest.AssertTold(status.Problem, ProblemCode.RequestInvalid, ".pem");
        Assert.Empty(host.Log.From(LogLevel.Error));
        File.Delete(host.Path(file));
        host.Write("etc/livepatch-agent/agent.conf", "");
        host.Settings.Reload();
        if (status.Enrolment is null) await host.EnableAsync();
        await host.SettledAsync(PatchState.Applied);
    }
}
