using LivepatchAgent.Core;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Daemon.Loop;
using LivepatchAgent.Daemon.Store;
using LivepatchAgent.Daemon.Tests.Surroundings;

namespace LivepatchAgent.Daemon.Tests;

/// <summary>A hostile server chooses problem codes that mean something on the host alone.</summary>
public sealed class ChosenCodeTests
{
    private static readonly Published One = Workshop.Patch(1);
    private static readonly Published Two = Workshop.Patch(2);

    /// <summary>Codes by which the agent itself steers.</summary>
    private static readonly ProblemCode[] Steering =
    [
        ProblemCode.SwitchedOff, ProblemCode.PreflightRefused, ProblemCode.KernelError, ProblemCode.KernelKeyRejected,
        ProblemCode.KernelWithoutLivepatch, ProblemCode.TransitionReversed, ProblemCode.PatchRemovedByHand,
        ProblemCode.PatchQuarantined,
    ];

    public static TheoryData<string, ProblemCode> Refusals =>
        [.. new[] { "manifest", "module" }.SelectMany(what => Steering.Select(code => (what, code)))];

    /// <summary>No time passes: a code that led back to the same call would lead there without a pause.</summary>
    [Theory]
    [MemberData(nameof(Refusals))]
    public async Task Refusal_WithACodeOfTheHost_IsAskedForOnce(string what, ProblemCode code)
    {
        await using var host = await HostUnderTest.EnrolledAsync(One);
        var path = Path(what);
        Refuse(host.Server, path, code);
        using var saved = new JournalWatch(host);
        host.Server.Publish(Two);

        bool IsRefused(AgentStatus s) => s is { Settled: true, State: PatchState.Refused, CheckIn.Listening: true };
        var status = await host.UntilAsync("refused", s => IsRefused(s) && host.Inbox!.IsAwaited, timePasses: false);
        for (var look = 0; look < 20; look++)
        {
            host.Inbox!.Nudge();
            await host.UntilAsync("looked", s => IsRefused(s) && host.Inbox.IsAwaited, timePasses: false);
        }

        HostUnderTest.AssertProblem(status.Problem, ProblemCode.ServerError, "HTTP 403 and says \"cannot play");
        Assert.Equal(1, host.Server.Count(path));
        Assert.InRange(saved.Count, 1, 30);
        Assert.Equal([One.Name], host.Kernel.Patches);
    }

    [Theory]
    [MemberData(nameof(Refusals))]
    public async Task Refusal_WithACodeOfTheHost_EndsWithTheHostileServer(string what, ProblemCode code)
    {
        await using var host = await HostUnderTest.EnrolledAsync(One);
        Refuse(host.Server, Path(what), code);
        host.Server.Publish(Two);
        await host.UntilAsync("refused", s => s is { Settled: true, State: PatchState.Refused });
        host.Server.Instead = _ => Task.FromResult(false);
        var start = host.Time.GetUtcNow();
        await host.UntilAsync("2.0", s => s is { Settled: true, State: PatchState.Applied, Patch.Version: "2.0" });
        Assert.InRange(host.Time.GetUtcNow() - start, TimeSpan.Zero, TimeSpan.FromHours(25));
    }

    [Theory]
    [MemberData(nameof(Refusals))]
    public async Task Refusal_WithACodeOfTheHost_IsInTheHistoryAsTheServers(string what, ProblemCode code)
    {
        await using var host = await HostUnderTest.EnrolledAsync(One);
        Refuse(host.Server, Path(what), code);
        host.Server.Publish(Two);
        await host.UntilAsync("refused", s => s is { Settled: true, State: PatchState.Refused });
        await host.StopAsync();
        var lines = new HistoryLog(host.Paths.StateFolder).Read(100, verify: false);
        var text = System.Text.Encoding.UTF8.GetString(lines);
        Assert.Contains("\"kind\":\"refused\"", text, StringComparison.Ordinal);
        Assert.Contains("\"problem\":\"server-error\"", text, StringComparison.Ordinal);
        Assert.DoesNotContain(Kebab.Of(code), text, StringComparison.Ordinal);
    }

    private static string Path(string what) => what == "manifest" ? Two.ManifestPath : Two.ModulePath;

    private static void Refuse(TestServer server, string path, ProblemCode code) => server.Instead = async call =>
    {
        if (call.Path != path) return false;
        var problem = new Problem(code, "cannot play", "never mind");
        await call.AnswerAsync(403, new ErrorAnswer(problem), WireJson.Default.ErrorAnswer);
        return true;
    };

    /// <summary>How often the journal was written: each time takes the place of the one before.</summary>
    private sealed class JournalWatch : IDisposable
    {
        private readonly FileSystemWatcher _watcher;
        private int _count;

        public JournalWatch(HostUnderTest host)
        {
            _watcher = new FileSystemWatcher(host.Paths.StateFolder, "journal.json");
            _watcher.Renamed += (_, _) => Interlocked.Increment(ref _count);
            _watcher.EnableRaisingEvents = true;
        }

        public int Count => Volatile.Read(ref _count);

        public void Dispose() => _watcher.Dispose();
    }
}
