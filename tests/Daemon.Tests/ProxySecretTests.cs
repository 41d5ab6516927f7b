using LivepatchAgent.Core.Wire;
using LivepatchAgent.Daemon.Tests.Surroundings;

namespace LivepatchAgent.Daemon.Tests;

/// <summary>A proxy's user and password go to the proxy and nowhere else, whatever it does.</summary>
public sealed class ProxySecretTests
{
    private const string User = "Qvkzjxq";

    /// <summary>What an address takes for something else, between letters that stand nowhere else.</summary>
    private const string Password = "Zqj#xkw/vzq?jxk@wvz:qjx=kwv\\zqj%xkw[vzq]jxk\"wvz'qjx&kwv9";

    private static readonly string[] Pieces = [User, .. Words(Password).Where(word => word.Length > 0)];

    /// <summary>Proxies that refuse, echo what was sent to them, hang up, and one that is not there.</summary>
    public static TheoryData<string> Answers => ["407", "403", "status line", "header", "body", "silence", "away"];

    [Theory]
    [MemberData(nameof(Answers))]
    public async Task Secret_OfTheConfiguration_IsSeenNowhere(string answer)
    {
        await using var proxy = ConnectProxy.Of(answer);
        await using var host = await HostUnderTest.EnrolledAsync(Workshop.Patch(1));
        var address = $"http://{User}:{Uri.EscapeDataString(Password)}@127.0.0.1:{proxy.Port}";
        if (answer == "away") await proxy.DisposeAsync();
        host.Write("etc/livepatch-agent/agent.conf", $"proxy = {address}\n");
        host.Settings.Reload();
        Assert.Null(host.Settings.Problem);
        await host.RefreshAsync();
        await host.UntilAsync("failed", s => s.CheckIn.Result == CheckInResult.Failed);
        Assert.Equal(answer == "away", proxy.Asked.IsEmpty);
        AssertUnseen(string.Join('\n', host.Log.Lines), host);
    }

    [Theory]
    [InlineData("407")]
    [InlineData("status line")]
    public async Task Secret_OfTheEnvironment_IsSeenNowhere(string answer)
    {
        await using var proxy = ConnectProxy.Of(answer);
        await using var host = await HostUnderTest.EnrolledAsync(Workshop.Patch(1));
        await host.StopAsync();
        var address = $"http://{User}:{Password}@127.0.0.1:{proxy.Port}";
        var variables = new Dictionary<string, string> { ["HTTPS_PROXY"] = address };
        using var daemon = DaemonProcess.Start(host, variables);
        await daemon.SaysAsync("cannot ");
        var (_, output, error) = await daemon.TerminateAsync();
        Assert.False(proxy.Asked.IsEmpty);
        AssertUnseen(output + error, host);
    }

    [Fact]
    public async Task Password_ThatIsMended_IsUsedAtOnce()
    {
        await using var proxy = new ConnectProxy($"{User}:{Password}");
        await using var host = await HostUnderTest.EnrolledAsync(Workshop.Patch(1));
        await ConfiguredAsync("wrong");
        await host.UntilAsync("refused", s => s.CheckIn.Result == CheckInResult.Failed);
        await ConfiguredAsync(Password);
        await host.HappensAsync("through", () => proxy.Asked.Any(asked => asked.Status == 200));

        async Task ConfiguredAsync(string password)
        {
            var address = $"http://{User}:{Uri.EscapeDataString(password)}@127.0.0.1:{proxy.Port}";
            host.Write("etc/livepatch-agent/agent.conf", $"proxy = {address}\n");
            host.Settings.Reload();
            Assert.Null(host.Settings.Problem);
            await host.RefreshAsync();
        }
    }

    [Theory]
    [InlineData("proxy = none\n", "")]
    [InlineData("", "example.org, localhost")]
    public async Task Proxy_ThatIsNotToBeUsed_IsNeitherAskedNorNamed(string configuration, string exempt)
    {
        await using var proxy = new ConnectProxy();
        await using var host = await HostUnderTest.EnrolledAsync(Workshop.Patch(1));
        await host.StopAsync();
        await host.Server.StopAsync();
        host.Write("etc/livepatch-agent/agent.conf", configuration);
        var address = $"http://127.0.0.1:{proxy.Port}";
        var variables = new Dictionary<string, string> { ["HTTPS_PROXY"] = address, ["NO_PROXY"] = exempt };
        using var daemon = DaemonProcess.Start(host, variables);
        await daemon.SaysAsync("cannot reach ");
        var (_, _, error) = await daemon.TerminateAsync();
        Assert.Empty(proxy.Asked);
        Assert.DoesNotContain("proxy", error, StringComparison.OrdinalIgnoreCase);
    }

    /// <summary>Neither in the log nor in what the daemon writes: status, history, journal.</summary>
    private static void AssertUnseen(string log, HostUnderTest host)
    {
        string[] folders = [host.Path("run"), host.Path("var")];
        string[] files =
            [.. folders.SelectMany(folder => Directory.EnumerateFiles(folder, "*.json*", SearchOption.AllDirectories))];
        Assert.Contains(files, file => file == host.Paths.StatusFile);
        var texts = files.Select(file => (file, File.ReadAllText(file))).Append(("the log", log));
        foreach (var (where, text) in texts)
        {
            var words = Words(text);
            foreach (var piece in Pieces)
                Assert.False(words.Contains(piece, StringComparer.OrdinalIgnoreCase), $"{where} shows {piece}: {text}");
        }
    }

    private static string[] Words(string text) =>
        new string([.. text.Select(c => char.IsAsciiLetter(c) ? c : ' ')]).Split(' ');
}
