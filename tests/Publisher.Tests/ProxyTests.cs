using System.Diagnostics;

namespace LivepatchAgent.Publisher.Tests;

/// <summary>A proxy of the environment. The program runs as a process: its environment is read once.</summary>
public sealed class ProxyTests : IDisposable
{
    private const string User = "Qvkzjxq";

    /// <summary>What an address takes for something else, between letters that stand nowhere else.</summary>
    private const string Password = "Zqj#xkw/vzq?jxk@wvz:qjx=kwv\\zqj xkw[vzq]jxk\"wvz'qjx&kwv9";

    private readonly Workshop _shop = new();

    public void Dispose() => _shop.Dispose();

    [Fact]
    public async Task Publish_ThroughAProxy_GivesItThePasswordAsItStands()
    {
        await using var server = new TlsServer(_ => TlsServer.Answer(201));
        await using var proxy = new ConnectProxy($"{User}:{Password}");
        var address = server.Url.Replace("localhost", "127.0.0.1", StringComparison.Ordinal);
        var ran = await PublishAsync(address, proxy.Port, server.Pin);
        Assert.Equal((0, ""), (ran.Code, ran.Error));
        Assert.Contains(proxy.Asked, asked => asked.Status == 200);
        AssertUnseen(ran);
    }

    public static TheoryData<string, string> Refusals => new()
    {
        { "407", "refused (HTTP 407, it wants a name and a password)" },
        { "403", "refused (HTTP 403)" },
        { "status line", "cannot reach patches.example" },
        { "header", "cannot reach patches.example" },
        { "silence", "cannot reach patches.example" },
        { "away", "connection refused" },
    };

    [Theory]
    [MemberData(nameof(Refusals))]
    public async Task Publish_ProxyRefusesOrIsAway_NamesItWithoutItsPassword(string answer, string expected)
    {
        await using var proxy = ConnectProxy.Of(answer);
        var port = proxy.Port;
        if (answer == "away") await proxy.DisposeAsync();
        var ran = await PublishAsync("https://patches.example", port);
        Workshop.AssertOneLine(ran, 1, expected);
        Assert.Contains($"proxy http://127.0.0.1:{port}: ", ran.Error, StringComparison.Ordinal);
        AssertUnseen(ran);
    }

    private async Task<Ran> PublishAsync(string server, int port, string? pin = null)
    {
        var module = await _shop.SignedAsync();
        await _shop.ManifestAsync(module);
        string[] pinned = pin is null ? [] : ["--server-pin", pin];
        var program = Path.Combine(AppContext.BaseDirectory, "livepatch-publisher");
        var start = new ProcessStartInfo(program, ["publish", module, "--server", server, .. pinned])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["HTTPS_PROXY"] = $"http://{User}:{Password}@127.0.0.1:{port}";
        start.Environment.Remove("NO_PROXY");
        start.Environment.Remove("no_proxy");
        start.Environment.Remove("https_proxy");
        using var process = Process.Start(start)!;
        var (output, error) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync(Deadline.Token);
        return new Ran(process.ExitCode, await output, await error);
    }

    private static void AssertUnseen(Ran ran)
    {
        foreach (var secret in new[] { User, Password })
        {
            for (var at = 0; at + 3 <= secret.Length; at++)
                Assert.DoesNotContain(secret[at..(at + 3)], ran.Error + ran.Out, StringComparison.OrdinalIgnoreCase);
        }
    }
}
