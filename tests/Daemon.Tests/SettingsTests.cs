using LivepatchAgent.Core;
using LivepatchAgent.Core.Agent;
using LivepatchAgent.Daemon.Host;
using LivepatchAgent.Daemon.Loop;
using LivepatchAgent.Daemon.Tests.Surroundings;

namespace LivepatchAgent.Daemon.Tests;

public sealed class SettingsTests
{
    private static readonly AgentSettings Default = new();

    private static ProxyChoice Through(string address) => new ProxyChoice.Through(ProxyAddress.Parse(address)!);

    public static TheoryData<string, AgentSettings> Good => new()
    {
        { "", Default },
        { "# a comment\n\n   \n\r\n", Default },
        { "log-level = debug", Default with { LogLevel = "debug" } },
        { "  log-level=error  # quiet\r\n", Default with { LogLevel = "error" } },
        { "log-level =", Default },
        { "log-level = debug\nlog-level = warning", Default with { LogLevel = "warning" } },
        { "proxy = http://proxy.example:3128", Default with { Proxy = Through("http://proxy.example:3128") } },
        { "proxy = none", Default with { Proxy = new ProxyChoice.Direct() } },
        { "ca-file = /etc/our#1.pem #2", Default with { CaFile = "/etc/our#1.pem" } },
        { "ca-file = /etc/ssl/our.pem", Default with { CaFile = "/etc/ssl/our.pem" } },
        { "check-in-minutes = 5", Default with { CheckInEvery = TimeSpan.FromMinutes(5) } },
        { "stall-policy = wait\nstall-reverse-after-minutes = 3", Default },
        { "stall-policy = reverse", Reversing(10) },
        { "stall-reverse-after-minutes = 3\nstall-policy = reverse", Reversing(3) },
        { "probation-minutes = 0", Default with { Policy = Default.Policy with { Probation = TimeSpan.Zero } } },
    };

    [Theory]
    [MemberData(nameof(Good))]
    public void Parse_OfWhatIsRight_GivesTheSettings(string text, AgentSettings expected) =>
        Assert.Equal(expected, AgentSettings.Parse(text, "agent.conf").Value);

    private static AgentSettings Reversing(int minutes) => Default with
    {
        Policy = Default.Policy with { ReverseAfter = TimeSpan.FromMinutes(minutes) },
    };

    [Theory]
    [InlineData("log-level", "line 1", "`key = value`")]
    [InlineData("\n\nlog-level = loud", "line 3", "loud")]
    [InlineData("Log-Level = debug", "line 1", "Log-Level")]
    [InlineData("proxy = proxy.example:3128", "line 1", "`proxy`")]
    [InlineData("proxy = socks5://p", "line 1", "`proxy`")]
    [InlineData("proxy = file:///etc/shadow", "line 1", "`proxy`")]
    [InlineData("proxy = http://svc:Secr#et9@proxy.example:3128", "line 1", "`proxy`")]
    [InlineData("proxy = http://svc:4711 #x@proxy.example:3128", "line 1", "`proxy`")]
    [InlineData("proxy = None", "line 1", "`proxy`")]
    [InlineData("http-proxy = http://svc:Secret@proxy.example", "line 1", "no such key")]
    [InlineData("ca-file = our.pem", "line 1", "our.pem")]
    [InlineData("check-in-minutes = 0", "line 1", "\"0\"")]
    [InlineData("check-in-minutes = -5", "line 1", "\"-5\"")]
    [InlineData("check-in-minutes = 1.5", "line 1", "\"1.5\"")]
    [InlineData("check-in-minutes = 99999999999999999999", "line 1", "9999")]
    [InlineData("stall-policy = force", "line 1", "force")]
    [InlineData("stall-reverse-after-minutes = soon", "line 1", "soon")]
    [InlineData("probation-minutes = 10081", "line 1", "10081")]
    [InlineData("\u001b[2J = 1", "line 1", "no such key")]
    public void Parse_OfWhatIsWrong_NamesFileLineAndValue(string text, string line, string naming)
    {
        var problem = AgentSettings.Parse(text, "/etc/livepatch-agent/agent.conf").Problem;
        HostUnderTest.AssertProblem(problem, ProblemCode.RequestInvalid, "/etc/livepatch-agent/agent.conf " + line);
        Assert.Contains(naming, problem!.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Reload_WithAMistake_KeepsWhatWasAndSaysSo()
    {
        using var root = new FakeRoot();
        root.Write("etc/livepatch-agent/agent.conf", "check-in-minutes = 7\n");
        var settings = new LiveSettings(root.Paths);
        Assert.Null(settings.Problem);
        root.Write("etc/livepatch-agent/agent.conf", "check-in-minutes = seven\n");
        settings.Reload();
        Assert.Equal(TimeSpan.FromMinutes(7), settings.Current.CheckInEvery);
        HostUnderTest.AssertProblem(settings.Problem, ProblemCode.RequestInvalid, "seven");
        root.Write("etc/livepatch-agent/agent.conf", "check-in-minutes = 8\n");
        settings.Reload();
        Assert.Equal((TimeSpan.FromMinutes(8), null), (settings.Current.CheckInEvery, settings.Problem));
        root.Write("etc/livepatch-agent/agent.conf", new string('#', 100_000));
        settings.Reload();
        Assert.Equal(TimeSpan.FromMinutes(8), settings.Current.CheckInEvery);
        HostUnderTest.AssertProblem(settings.Problem, ProblemCode.RequestInvalid, "agent.conf");
        File.Delete(root.Paths.Config);
        settings.Reload();
        Assert.Equal((null, null), (settings.Current.CheckInEvery, settings.Problem));
    }

    [Fact]
    public async Task CheckInMinutes_OverrideTheServersInterval()
    {
        await using var host = await HostUnderTest.EnrolledAsync();
        host.Write("etc/livepatch-agent/agent.conf", "check-in-minutes = 120\n");
        host.Settings.Reload();
        await host.RefreshAsync();
        await host.UntilAsync("two hours", s => s.CheckIn.Next > s.At.AddMinutes(100) && s.Settled);
        // Also of what the held check-in is answered.
        await host.HappensAsync("held", IsHeldAgain, timePasses: false);
        var catalogues = host.Server.Count(TestServer.Catalogues);
        host.Server.AnswerHeldCalls();
        await host.HappensAsync("heard", IsHeard, timePasses: false);
        Assert.Equal(7200, host.State.Conversation.Assignment?.CheckInSeconds);
        var next = host.Board.Current.CheckIn.Next;
        Assert.True(next > host.Time.GetUtcNow().AddMinutes(100), $"{next}");

        bool IsHeldAgain() =>
            host.Board.Current.CheckIn.Listening && host.Server.Count(TestServer.CheckIns, held: true) > 1;

        bool IsHeard() => host.Server.Count(TestServer.Catalogues) > catalogues && host.Inbox!.IsAwaited;
    }
}
