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
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private static readonly Published One = Workshop.Patch(1);
    private static readonly Published Two = Workshop.Patch(2);

    public static TheoryData<string, string> Damages => new()
    {
        { "empty", "" },
        { "garbage", "\0\u0001nonsense" },
        { "no version", "{}" },
        { "version 0", """{"version":0}""" },
        { "cut off", """{"version":1,"phase":{"kind":"rest""" },
        { "a number for a phase", """{"version":1,"phase":7}""" },
        { "a member twice", """{"version":2,"pursuit":{"a":1,"a":2}}""" },
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
        HostUnderTest.AssertProblem(status.Problem, ProblemCode.StateInvalid, "journal.json");
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

    /// <summary>The disk may give it again: a good journal is not put aside, and no other state is believed.</summary>
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
        var status = await host.UntilAsync("reported", s => s.Problem is not null);
        HostUnderTest.AssertProblem(status.Problem, ProblemCode.DiskError, "journal.json");
        var enable = new Command.Enable(new EnrolmentIntent("e", host.Server.Token, "c"));
        HostUnderTest.AssertProblem((await host.SendAsync(enable)).Problem, ProblemCode.DiskError);
        var (calls, start) = (host.Server.Calls.Count, host.Time.GetUtcNow());
        await host.HappensAsync("half an hour", () => host.Time.GetUtcNow() - start > TimeSpan.FromMinutes(30));
        Assert.Equal(calls, host.Server.Calls.Count);
        Assert.Single(host.Log.From(LogLevel.Warning));
        Assert.Equal(other, File.Exists(host.Journal) && file != "journal.json" ? File.ReadAllText(host.Journal) : "");
        Assert.False(File.Exists(host.Journal + ".damaged"));
        // At once: the daemon may read between a deletion and a write.
        File.WriteAllText(path + ".whole", good);
        File.Move(path + ".whole", path, overwrite: true);
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
        await host.UntilAsync("reported", s => s.Problem?.Code == ProblemCode.DiskError);
        await host.StopAsync();
        Assert.Equal("/proc/self/mem", new FileInfo(host.Journal).LinkTarget);
    }

    [Theory]
    [InlineData("journal.json", """{"version":3,"phase":{"kind":"levitating"}}""", "version 3")]
    [InlineData("journal.json.old", """{"version":3,"phase":{"kind":"levitating"}}""", "version 3")]
    [InlineData("journal.json", """{"version":1,"phase":{"kind":"of-tomorrow"}}""", "$.pursuit.phase")]
    public async Task Journal_OfANewerVersion_IsNotTouchedAndCommandsAreRefused(string file, string newer, string why)
    {
        await using var host = await HostUnderTest.EnrolledAsync(One);
        await host.StopAsync();
        File.WriteAllText(host.Journal, "damaged");
        File.WriteAllText(Path.Combine(host.Paths.StateFolder, file), newer);
        await host.StartAsync();
        var status = await host.SettledAsync(PatchState.NotEnrolled);
        HostUnderTest.AssertProblem(status.Problem, ProblemCode.StateNewer, why);
        var enable = new Command.Enable(new EnrolmentIntent("e", host.Server.Token, "c"));
        foreach (var command in new Command[] { new Command.Disable(), new Command.Refresh(), enable })
            HostUnderTest.AssertProblem((await host.SendAsync(command)).Problem, ProblemCode.StateNewer);
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
        const UnixFileMode owners = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
        Assert.Equal(owners, File.GetUnixFileMode(host.Paths.StateFolder));
    }

    /// <summary>Any user may fill a file system that keeps nothing back for root.</summary>
    [Fact]
    public async Task Disk_FullAtBoot_KeepsNoPatchOff()
    {
        await using var host = new HostUnderTest();
        using var disk = new SmallDisk(host.Paths.StateFolder, 512);
        await host.StartAsync();
        host.Server.Publish(One);
        await host.EnableAsync();
        await host.SettledAsync(PatchState.Applied);
        disk.Fill();
        var more = Path.Combine(host.Paths.StateFolder, "more");
        Assert.Throws<IOException>(() => File.WriteAllBytes(more, new byte[8192]));
        for (var boots = 2; boots < 6; boots++)
        {
            await host.RebootAsync(cleanly: true);
            await host.UntilAsync("loaded again", s => s is { State: PatchState.Applied, Settled: true });
            Assert.Equal(boots, host.Kernel.Loaded.Count);
            Assert.False(host.State.Kernel.StoppedCleanly); // it was saved
        }

        // What needs room waits for it, and people are obeyed.
        host.Server.Publish(Two);
        var status = await host.UntilAsync("no room", s => s.Problem is not null);
        HostUnderTest.AssertProblem(status.Problem, ProblemCode.DiskFull);
        Assert.Null((await host.SendAsync(new Command.Disable())).Problem);
        await host.SettledAsync(PatchState.NotEnrolled);
        await host.EnableAsync();
        await host.UntilAsync("enrolled", s => s.Enrolment is not null);
        disk.Empty();
        await host.UntilAsync("2.0", s => s.Settled && s.Patch?.Version == "2.0" && s.Problem is null);
    }

    /// <summary>A disk without room from the first day on: there was none to keep in reserve.</summary>
    [Fact]
    public async Task Disk_FullFromTheStart_HoldsEffectsBackUntilThereIsRoom()
    {
        await using var host = new HostUnderTest();
        using var disk = new SmallDisk(host.Paths.StateFolder, 512);
        disk.Fill();
        await host.StartAsync();
        host.Server.Publish(One);
        var status = await host.UntilAsync("no room", s => s.Problem is not null);
        HostUnderTest.AssertProblem(status.Problem, ProblemCode.DiskFull, "journal.json");
        var enable = new Command.Enable(new EnrolmentIntent("e", host.Server.Token, "c"));
        HostUnderTest.AssertProblem((await host.SendAsync(enable)).Problem, ProblemCode.DiskFull);
        var start = host.Time.GetUtcNow();
        await host.HappensAsync("half an hour", () => host.Time.GetUtcNow() - start > TimeSpan.FromMinutes(30));
        Assert.Empty(host.Server.Calls);
        Assert.Single(host.Log.From(LogLevel.Warning));
        disk.Empty();
        await host.UntilAsync("saved", s => s.Problem is null);
        Assert.Single(host.Log.Lines, l => l.Line == "The journal can be saved again");
        await host.EnableAsync();
        await host.SettledAsync(PatchState.Applied);
    }

    /// <summary>As a power cut leaves it while the older copy is written over: the journal itself is whole.</summary>
    [Fact]
    public async Task Journal_WhoseOlderCopyIsTorn_IsRead()
    {
        await using var host = await HostUnderTest.EnrolledAsync(One);
        await host.StopAsync();
        var older = host.Journal + ".old";
        var text = File.ReadAllBytes(older);
        Random.Shared.NextBytes(text.AsSpan(0, 4096));
        File.WriteAllBytes(older, text);
        await host.StartAsync();
        await host.SettledAsync(PatchState.Applied);
        Assert.Empty(host.Log.From(LogLevel.Warning));
        Assert.Single(host.Kernel.Loaded);
    }

    /// <summary>The one good copy is not what the next state is written over.</summary>
    [Fact]
    public async Task Journal_OfWhichOnlyTheOlderCopyIsGood_IsSavedBesideIt()
    {
        await using var host = await HostUnderTest.EnrolledAsync(One);
        await host.StopAsync();
        File.WriteAllText(host.Journal, "damaged");
        var store = new StateStore(host.Paths.StateFolder);
        var (state, problem) = store.Load();
        Assert.Equal(ProblemCode.StateInvalid, problem?.Code);
        Assert.False(File.Exists(host.Journal + ".old"));
        Assert.Equal("m1", host.State.Enrolment?.MachineId);
        Assert.Null(store.Save(state with { Pursuit = state.Pursuit with { LoadAttempts = 2 } }));
        Assert.Equal(2, host.State.Pursuit.LoadAttempts);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(32 << 10)]
    [InlineData((32 << 10) + 1)]
    [InlineData(100_000)]
    public void TwinFile_OfAnyLength_IsReadAsWrittenAndLeavesRoom(int length)
    {
        using var root = new FakeRoot();
        var (path, older) = (root.Path("file"), root.Path("file.old"));
        string[] contents = [new('a', 50_000), new('b', length), new('c', length), "d"];
        foreach (var content in contents)
        {
            var before = File.Exists(path) ? File.ReadAllText(path) : null;
            TwinFile.Write(path, older, System.Text.Encoding.ASCII.GetBytes(content), OwnerOnly);
            Assert.Equal(content, File.ReadAllText(path).TrimEnd(' '));
            Assert.True(new FileInfo(path).Length >= content.Length + (32 << 10));
            Assert.Equal(OwnerOnly, File.GetUnixFileMode(path));
            if (before is not null) Assert.Equal(before, File.ReadAllText(older));
        }
    }

    /// <summary>On a full disk it fails whole, where the older copy is too small: the file is as it was.</summary>
    [Fact]
    public void TwinFile_OnAFullDisk_TakesWhatFitsAndNothingElse()
    {
        using var root = new FakeRoot();
        using var disk = new SmallDisk(root.Path("disk"), 256);
        var (path, older) = (root.Path("disk/file"), root.Path("disk/file.old"));
        for (var i = 0; i < 2; i++) TwinFile.Write(path, older, "{}"u8, OwnerOnly);
        disk.Fill();
        foreach (var length in new[] { 10, 64 << 10, 1, 20_000 })
        {
            TwinFile.Write(path, older, new byte[length], OwnerOnly);
            Assert.Equal(length, File.ReadAllText(path).TrimEnd(' ').Length);
        }

        var full = Assert.Throws<IOException>(() => TwinFile.Write(path, older, new byte[(64 << 10) + 1], OwnerOnly));
        Assert.Equal(ProblemCode.DiskFull, DiskFault.Explain(full, "save it").Code);
        Assert.Equal(20_000, File.ReadAllText(path).TrimEnd(' ').Length);
        TwinFile.Write(path, older, "whole"u8, OwnerOnly);
        Assert.Equal("whole", File.ReadAllText(path).TrimEnd(' '));
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
        var status = await host.UntilAsync("reported", s => s.Problem is not null);
        HostUnderTest.AssertProblem(status.Problem, ProblemCode.DiskFull, "modules");
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
        var status = await host.UntilAsync("reported", s => s.Problem is not null);
        HostUnderTest.AssertProblem(status.Problem, ProblemCode.DiskFull);
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
        var modules = Directory.CreateDirectory(Path.Combine(host.Paths.StateFolder, "modules")).FullName;
        var partial = $"{modules}/{One.Manifest.Module.Sha256}.part";
        File.WriteAllBytes(partial, new byte[One.Module.Length]);
        var start = host.Time.GetUtcNow();
        await host.EnableAsync();
        await host.SettledAsync(PatchState.Applied);
        var took = host.Time.GetUtcNow() - start;
        Assert.InRange(took, TimeSpan.Zero, TimeSpan.FromHours(1)); // not with the next day's catalogue
        Assert.Equal(1, host.Server.Count(One.ModulePath));
    }

    [Fact]
    public void DiskFault_SaysWhatCouldNotBeDone_AndWhy()
    {
        using var root = new FakeRoot();
        var fault = Assert.ThrowsAny<IOException>(() => File.ReadAllText(root.Path("missing")));
        HostUnderTest.AssertProblem(DiskFault.Explain(fault, "save it"), ProblemCode.DiskError, root.Path("missing"));
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
    public async Task StateFolder_ThatIsAFile_IsReportedAndEndsNothing()
    {
        await using var host = new HostUnderTest();
        host.Write("var/lib/livepatch-agent", "not a folder");
        await host.StartAsync();
        var status = await host.UntilAsync("reported", s => s.Problem is not null);
        HostUnderTest.AssertProblem(status.Problem, ProblemCode.DiskError, "journal.json");
        var enable = new Command.Enable(new EnrolmentIntent("e", host.Server.Token, "c"));
        HostUnderTest.AssertProblem((await host.SendAsync(enable)).Problem, ProblemCode.DiskError);
        File.Delete(host.Path("var/lib/livepatch-agent"));
        Directory.CreateDirectory(host.Path("var/lib/livepatch-agent"));
        await host.UntilAsync("over", s => s.Problem?.Code != ProblemCode.DiskError || s.Settled);
    }

    [Theory]
    [InlineData("ca.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")]
    [InlineData("ca.pem", "no certificate")]
    [InlineData("other.pem", "")]
    public async Task Certificates_OfTheAdministratorThatAreNone_AreNamed(string name, string text)
    {
        await using var host = new HostUnderTest();
        var file = "etc/livepatch-agent/" + name;
        host.Write(file, text);
        host.Write("etc/livepatch-agent/agent.conf", $"ca-file = {host.Path("etc/livepatch-agent/ca.pem")}\n");
        await host.StartAsync();
        host.Server.Publish(One);
        await host.EnableAsync();
        var status = await host.UntilAsync("reported", s => s.Settled && s.Problem is not null);
        HostUnderTest.AssertProblem(status.Problem, ProblemCode.RequestInvalid, ".pem");
        Assert.Empty(host.Log.From(LogLevel.Error));
        File.Delete(host.Path(file));
        host.Write("etc/livepatch-agent/agent.conf", "");
        host.Settings.Reload();
        if (status.Enrolment is null) await host.EnableAsync();
        await host.SettledAsync(PatchState.Applied);
    }
}
