using LivepatchAgent.Core;
using LivepatchAgent.Core.Agent;
using LivepatchAgent.Core.Kernel;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Daemon.Kernel;
using LivepatchAgent.Daemon.Loop;
using LivepatchAgent.Daemon.Tests.Surroundings;
using Microsoft.Extensions.Logging;

namespace LivepatchAgent.Daemon.Tests;

/// <summary>What the kernel answers, and what it shows of itself.</summary>
public sealed class KernelTests
{
    private static readonly Published One = Workshop.Patch(1);
    private static readonly Published Two = Workshop.Patch(2);

    [Theory]
    [InlineData(LoadVerdict.EKEYREJECTED, ProblemCode.KernelKeyRejected, "no key")]
    [InlineData(LoadVerdict.ENOKEY, ProblemCode.KernelKeyRejected, "no key")]
    [InlineData(LoadVerdict.EPERM, ProblemCode.KernelNotPermitted, "lockdown: integrity")]
    [InlineData(LoadVerdict.ENOEXEC, ProblemCode.KernelModuleFormat, "its own build")]
    [InlineData(LoadVerdict.EINVAL, ProblemCode.KernelInvalidArgument, "invalid")]
    [InlineData(LoadVerdict.EEXIST, ProblemCode.KernelModuleExists, "loaded already")]
    [InlineData(LoadVerdict.ENOENT, ProblemCode.KernelSymbolMissing, "a symbol")]
    [InlineData(LoadVerdict.ENOSYS, ProblemCode.KernelWithoutLivepatch, "loads no modules")]
    [InlineData(LoadVerdict.EFBIG, ProblemCode.KernelError, "errno 27")]
    [InlineData(524, ProblemCode.KernelError, "errno 524")]
    public async Task Load_ThatTheKernelRefuses_IsReportedInWordsAndNotRepeated(
        int errno, ProblemCode code, string naming)
    {
        await using var host = await HostUnderTest.EnrolledAsync(One);
        host.Kernel.LoadAnswer = _ => errno;
        host.Server.Publish(Two);
        var status = await host.SettledAsync(PatchState.ApplyFailed);
        HostUnderTest.AssertProblem(status.Problem, code, naming);
        Assert.Contains(Two.Name, status.Problem!.Message, StringComparison.Ordinal);
        Assert.Equal("1.0", status.Patch?.Version);
        var start = host.Time.GetUtcNow();
        await host.HappensAsync("an hour", () => host.Time.GetUtcNow() - start > TimeSpan.FromHours(1));
        Assert.Equal([One.Name, Two.Name], host.Kernel.Loaded);

        host.Kernel.LoadAnswer = _ => 0;
        await host.RefreshAsync();
        await host.UntilAsync("2.0", s => s.Settled && s.Patch?.Version == "2.0" && s.Problem is null);
        Assert.Equal([One.Name, Two.Name, Two.Name], host.Kernel.Loaded);
    }

    [Theory]
    [InlineData(LoadVerdict.EBUSY, ProblemCode.KernelBusy)]
    [InlineData(LoadVerdict.ENOMEM, ProblemCode.KernelNoMemory)]
    public async Task Load_OnABusyKernel_IsTriedAgainUntilItIsTaken(int errno, ProblemCode code)
    {
        await using var host = await HostUnderTest.EnrolledAsync(One);
        host.Kernel.LoadAnswer = call => call < 25 ? errno : 0;
        host.Server.Publish(Two);
        var status = await host.UntilAsync("reported", s => s.Problem is not null);
        HostUnderTest.AssertProblem(status.Problem, code, Two.Name);
        await host.UntilAsync("2.0", s => s.Settled && s.Patch?.Version == "2.0" && s.Problem is null);
        Assert.Equal(25, host.Kernel.Loaded.Count);
        Assert.Single(host.Log.From(LogLevel.Warning));
    }

    [Fact]
    public async Task Remove_ThatTheKernelRefuses_IsAskedForOnce()
    {
        await using var host = await HostUnderTest.EnrolledAsync(One);
        host.Kernel.RemoveAnswer = LoadVerdict.EBUSY;
        host.Server.Publish(Two);
        await host.UntilAsync("2.0", s => s.Settled && s.Patch?.Version == "2.0");
        await host.HappensAsync("asked", () => host.Kernel.Removed.Count > 0);
        var start = host.Time.GetUtcNow();
        await host.HappensAsync("half an hour", () => host.Time.GetUtcNow() - start > TimeSpan.FromMinutes(30));
        Assert.Single(host.Kernel.Removed);
        Assert.Equal(PatchState.Applied, host.Board.Current.State);
    }

    [Fact]
    public async Task Kernel_WithoutLivepatch_IsUnsupportedAndGetsNothing()
    {
        await using var host = new HostUnderTest();
        Directory.Delete(host.Path("sys/kernel/livepatch"));
        await host.StartAsync();
        host.Server.Publish(One);
        await host.EnableAsync();
        var status = await host.SettledAsync(PatchState.Unsupported);
        HostUnderTest.AssertProblem(status.Problem, ProblemCode.KernelWithoutLivepatch, Workshop.Release);
        Assert.Equal(CoverageState.NotCovered, status.Kernel.Coverage);
        Assert.Equal(0, host.Server.Count("/v1/modules/"));
    }

    [Theory]
    [InlineData("proc/cmdline", "quiet livepatch_agent=off")]
    [InlineData("etc/livepatch-agent/mode", "off\n")]
    public async Task KillSwitch_AtOff_DoesNothingAndSaysSo(string file, string text)
    {
        await using var host = await HostUnderTest.EnrolledAsync(One);
        await host.StopAsync();
        host.Write(file, text);
        var calls = host.Server.Calls.Count;
        await host.StartAsync();
        host.Server.Publish(Two);
        var status = await host.SettledAsync(PatchState.Unsupported);
        HostUnderTest.AssertProblem(status.Problem, ProblemCode.SwitchedOff);
        HostUnderTest.AssertProblem((await host.SendAsync(new Command.Refresh())).Problem, ProblemCode.SwitchedOff);
        Assert.Equal(calls, host.Server.Calls.Count);
        Assert.Equal([One.Name], host.Kernel.Patches);
    }

    /// <summary>A kill switch fails closed: what is there and cannot be read may say off.</summary>
    [Theory]
    [InlineData("missing", KillSwitch.None)]
    [InlineData("empty", KillSwitch.None)]
    [InlineData("cannot be read", KillSwitch.Off)]
    [InlineData("a folder", KillSwitch.Off)]
    [InlineData("too long", KillSwitch.Off)]
    [InlineData("a link to nothing", KillSwitch.Off)]
    [InlineData("a link to itself", KillSwitch.Off)]
    [InlineData("below a file", KillSwitch.Off)]
    public void Observe_OfAModeFile_TakesWhatCannotBeReadForOff(string what, KillSwitch expected)
    {
        using var host = new FakeRoot();
        var mode = host.Paths.Mode;
        if (what != "below a file") Directory.CreateDirectory(Path.GetDirectoryName(mode)!);
        Action<string> make = what switch
        {
            "missing" => _ => { },
            "empty" => path => File.WriteAllText(path, "\n"),
            "cannot be read" => Unreadable,
            "a folder" => path => Directory.CreateDirectory(path),
            "too long" => path => File.WriteAllText(path, new string(' ', 70_000)),
            "a link to nothing" => path => File.CreateSymbolicLink(path, host.Path("nothing")),
            "a link to itself" => path => File.CreateSymbolicLink(path, path),
            _ => _ => host.Write("etc/livepatch-agent", ""),
        };
        make(mode);
        Assert.Equal(expected, Observed(host, new AgentState()).Value.KillSwitch);
    }

    [Fact]
    public async Task KillSwitch_AtOff_HangsUpTheHeldCheckIn()
    {
        await using var host = await HostUnderTest.EnrolledAsync(One);
        await host.UntilAsync("held", s => s.CheckIn.Listening, timePasses: false);
        var held = host.Server.Count(TestServer.CheckIns, held: true);
        host.Write("etc/livepatch-agent/mode", "off\n");
        host.Inbox!.Nudge();
        var status = await host.SettledAsync(PatchState.Unsupported);
        Assert.False(status.CheckIn.Listening);
        HostUnderTest.AssertProblem(status.Problem, ProblemCode.SwitchedOff);
        host.Server.Publish(Two);
        Assert.Equal(held, host.Server.Count(TestServer.CheckIns, held: true));
        Assert.Equal([One.Name], host.Kernel.Loaded);
        host.Write("etc/livepatch-agent/mode", "");
        host.Inbox.Nudge();
        await host.UntilAsync("2.0", s => s is { State: PatchState.Applied, Settled: true, Patch.Version: "2.0" });
    }

    [Theory]
    [InlineData("proc/cmdline", "livepatch_agent=off livepatch_agent=observe")]
    [InlineData("proc/cmdline", "livepatch_agent=nonsense")]
    [InlineData("etc/livepatch-agent/mode", "observe\n")]
    public async Task KillSwitch_AtObserve_ReportsAndLoadsNothing(string file, string text)
    {
        await using var host = new HostUnderTest();
        host.Write(file, text);
        await host.StartAsync();
        host.Server.Publish(One);
        await host.EnableAsync();
        var status = await host.SettledAsync(PatchState.Refused);
        HostUnderTest.AssertProblem(status.Problem, ProblemCode.SwitchedOff, One.Name);
        Assert.Empty(host.Kernel.Loaded);
        Assert.Equal(CheckInResult.Succeeded, status.CheckIn.Result);
    }

    [Theory]
    [InlineData("observe")]
    [InlineData("off")]
    public async Task KillSwitch_SetForOneBoot_IsNoReasonToQuarantine(string mode)
    {
        await using var host = await HostUnderTest.EnrolledAsync(One);
        Assert.Null(host.State.Record.LastGood);
        host.Write("etc/livepatch-agent/mode", mode);
        await host.RebootAsync(cleanly: true);
        await host.UntilAsync("at rest", s => s.Settled && host.Inbox!.IsAwaited);
        Assert.Single(host.Kernel.Loaded);
        host.Write("etc/livepatch-agent/mode", "");
        host.Inbox!.Nudge();
        await host.UntilAsync(
            "applied", s => s.Settled && s.State == PatchState.Applied && host.Kernel.Loaded.Count == 2);
        Assert.Empty(host.State.Record.Quarantine);
    }

    [Fact]
    public async Task Transition_ThatStalls_NamesWhoHoldsItAndIsReportedOnce()
    {
        await using var host = await StallingAsync();
        var status = await host.UntilAsync("stalled", s => s.State == PatchState.Stalled && s.Activity?.TaskCount > 0);
        var task = Assert.Single(status.Activity!.Tasks!);
        Assert.Equal((4242, 4200, "evil\\u001b[31m", "mysql.service"), (task.Tid, task.Pid, task.Comm, task.Unit));
        Assert.Equal(["do_nanosleep", "hrtimer_nanosleep"], task.Stack);
        HostUnderTest.AssertProblem(status.Problem, ProblemCode.TransitionStalled, "evil");
        await host.UntilAsync("listening", s => s.CheckIn.Listening);
        var (start, calls) = (host.Time.GetUtcNow(), host.Server.Calls.Count);
        await host.HappensAsync("ten minutes", () => host.Time.GetUtcNow() - start > TimeSpan.FromMinutes(10));
        Assert.InRange(host.Server.Calls.Count - calls, 0, 3);

        host.Kernel.Complete(One.Name);
        await host.SettledAsync(PatchState.Applied);
    }

    [Fact]
    public async Task Transition_ThatIsReversedByPolicy_IsReportedAndItsModuleRemoved()
    {
        await using var host = await StallingAsync("stall-policy = reverse\nstall-reverse-after-minutes = 1\n");
        await host.HappensAsync("reversed", () => host.Kernel.Enabled(One.Name) == "0");
        host.Kernel.LetGo(One.Name);
        var status = await host.SettledAsync(PatchState.ApplyFailed);
        HostUnderTest.AssertProblem(status.Problem, ProblemCode.TransitionReversed, One.Name);
        await host.HappensAsync("removed", () => host.Kernel.Modules.Length == 0);
        Assert.Single(host.Kernel.Loaded);
    }

    [Fact]
    public async Task Reversal_ThatTheKernelIgnores_IsNotAskedForInALoop()
    {
        await using var host = await StallingAsync("stall-policy = reverse\nstall-reverse-after-minutes = 1\n");
        var enabled = Path.Combine(host.Paths.Livepatch, One.Name, "enabled");
        await host.UntilAsync("stalled", s => s.State == PatchState.Stalled);
        File.Delete(enabled);
        Directory.CreateDirectory(enabled);
        var (start, lines) = (host.Time.GetUtcNow(), host.Log.Lines.Count);
        await host.HappensAsync("five minutes", () => host.Time.GetUtcNow() - start > TimeSpan.FromMinutes(5));
        Assert.InRange(host.Log.Lines.Count - lines, 0, 60);
    }

    [Fact]
    public async Task Patch_SwitchedOffByHand_IsReportedAndNotFoughtOver()
    {
        await using var host = await HostUnderTest.EnrolledAsync(One);
        host.Kernel.LetGo(One.Name);
        var status = await host.SettledAsync(PatchState.ApplyFailed);
        HostUnderTest.AssertProblem(status.Problem, ProblemCode.PatchRemovedByHand, One.Name);
        Assert.Single(host.Kernel.Loaded);
    }

    [Theory]
    [InlineData("missing", null)]
    [InlineData("empty", "")]
    [InlineData("garbage", "\0\u00ff\u00fe nonsense \n\n")]
    public void Observe_OfTextsThatAreNotAsTheyShouldBe_IsCalm(string what, string? text)
    {
        Assert.NotEmpty(what);
        using var host = new FakeRoot();
        string[] files =
        [
            "proc/sys/kernel/tainted", "sys/kernel/security/lockdown", "proc/cmdline", "etc/os-release",
            "proc/sys/kernel/random/boot_id", "sys/kernel/livepatch/p/enabled", "sys/kernel/livepatch/p/transition",
            "proc/77/task/77/patch_state", "proc/77/task/77/comm", "proc/77/cgroup",
        ];
        foreach (var file in files)
        {
            if (text is not null) host.Write(file, text);
        }

        var observer = new HostObserver(host.Paths, new ManualTime());
        var snapshot = observer.Observe(new AgentState(), new ListenState.Off()).Value;
        Assert.Equal(0, snapshot.Taint);
        Assert.Null(snapshot.Lockdown);
        Assert.Equal(KillSwitch.None, snapshot.KillSwitch);
        Assert.NotEmpty(observer.Facts("1").OperatingSystem + "x");
        Assert.InRange(new BlockingTasks(host.Paths).Find(1).Count, 0, 0);
    }

    /// <summary>What was loaded, when, and whether the agent may act: here unreadable is not missing.</summary>
    [Theory]
    [InlineData("proc/sys/kernel/random/boot_id")]
    [InlineData("proc/sys/kernel/osrelease")]
    [InlineData("proc/cmdline")]
    [InlineData("sys/kernel/livepatch/p/enabled")]
    [InlineData("sys/kernel/livepatch/p/transition")]
    [InlineData("sys/module/p/refcnt")]
    [InlineData("sys/module/p/notes/.note.gnu.build-id")]
    public void Observe_OfWhatCannotBeRead_GivesAProblemAndNoSnapshot(string file)
    {
        using var host = new FakeRoot();
        host.Write("sys/kernel/livepatch/p/enabled", "1\n");
        host.Write("sys/kernel/livepatch/p/transition", "0\n");
        host.Write("sys/module/p/refcnt", "1\n");
        var state = new AgentState { Kernel = new KernelBelief { Leftovers = ["p"] } };
        Assert.Null(Observed(host, state).Problem);
        Action<string>[] faults =
        [
            Unreadable,
            path => Directory.CreateDirectory(path),
            path => File.WriteAllText(path, new string('1', 200_000)),
        ];
        foreach (var spoil in faults)
        {
            Directory.CreateDirectory(Path.GetDirectoryName(host.Path(file))!);
            File.Delete(host.Path(file));
            spoil(host.Path(file));
            HostUnderTest.AssertProblem(Observed(host, state).Problem, ProblemCode.KernelError, host.Path(file));
            if (Directory.Exists(host.Path(file))) Directory.Delete(host.Path(file));
        }
    }

    [Fact]
    public async Task Patch_WhoseAttributeCannotBeRead_IsNotBelievedGone()
    {
        await using var host = await HostUnderTest.EnrolledAsync(One);
        var enabled = host.Path($"sys/kernel/livepatch/{One.Name}/enabled");
        var journal = File.ReadAllText(host.Journal);
        File.Delete(enabled);
        Unreadable(enabled);
        host.Inbox!.Nudge();
        var status = await host.UntilAsync("reported", s => s.Problem is not null);
        HostUnderTest.AssertProblem(status.Problem, ProblemCode.KernelError, "enabled");
        Assert.Equal((PatchState.Applied, "1.0"), (status.State, status.Patch?.Version));
        var refresh = await host.SendAsync(new Command.Refresh());
        HostUnderTest.AssertProblem(refresh.Problem, ProblemCode.KernelError, "enabled");
        var start = host.Time.GetUtcNow();
        await host.HappensAsync("ten minutes", () => host.Time.GetUtcNow() - start > TimeSpan.FromMinutes(10));
        Assert.Equal(journal, File.ReadAllText(host.Journal));
        Assert.Single(host.Log.From(LogLevel.Warning));
        File.Delete(enabled);
        File.WriteAllText(enabled, "1\n");
        status = await host.UntilAsync("over", s => s is { Settled: true, Problem: null });
        Assert.Equal((PatchState.Applied, "1.0"), (status.State, status.Patch?.Version));
        Assert.Equal([One.Name], host.Kernel.Loaded);
    }

    private static Result<HostSnapshot> Observed(FakeRoot host, AgentState state) =>
        new HostObserver(host.Paths, new ManualTime()).Observe(state, new ListenState.Off());

    /// <summary>Reading it is EIO, for root too: nothing is mapped at a process's address 0.</summary>
    private static void Unreadable(string path) => File.CreateSymbolicLink(path, "/proc/self/mem");

    /// <summary>By the clock that nobody can set, and whose origin outlives the daemon.</summary>
    [Fact]
    public void Observe_OfTheUptime_IsTheKernels()
    {
        using var host = new FakeRoot();
        var observer = new HostObserver(host.Paths, TimeProvider.System);
        var uptime = observer.Observe(new AgentState(), new ListenState.Off()).Value.Uptime;
        var apart = TimeSpan.FromMilliseconds(Environment.TickCount64) - uptime;
        Assert.InRange(apart, TimeSpan.FromMinutes(-1), TimeSpan.FromMinutes(1));
    }

    private static async Task<HostUnderTest> StallingAsync(string settings = "")
    {
        var host = new HostUnderTest();
        host.Write("etc/livepatch-agent/agent.conf", settings);
        host.Write("proc/4200/task/4242/patch_state", "0\n");
        host.Write("proc/4200/task/4242/comm", "evil\u001b[31m\n");
        const string stack = "[<0>] do_nanosleep+0x6f/0x180\n[<0>] hrtimer_nanosleep+0x1/0x2\nnonsense\n";
        host.Write("proc/4200/task/4242/stack", stack);
        host.Write("proc/4200/cgroup", "0::/system.slice/mysql.service\n");
        host.Write("proc/4200/task/4243/patch_state", "1\n");
        host.Write("proc/1/task/1/patch_state", "-1\n");
        host.Kernel.CompletesAtOnce = false;
        await host.StartAsync();
        host.Server.Publish(One);
        await host.EnableAsync();
        await host.InTransitionAsync();
        return host;
    }
}
