using LivepatchAgent.Cli.Local;

namespace LivepatchAgent.Cli.Tests;

/// <summary>What is asked of the daemon: docs/local-api.md has the same routes.</summary>
public sealed class AgentClientTests
{
    public static TheoryData<string, string, string> Calls => new()
    {
        { "status", "GET /v1/status", "" },
        { "status held", "GET /v1/status?after=7&wait=25", "" },
        { "history", "GET /v1/history?limit=3", "" },
        { "history verified", "GET /v1/history?limit=3&verify=1", "" },
        { "facts", "GET /v1/facts", "" },
        { "facts of objects", "GET /v1/facts?object=a%26b&object=%C3%BC", "" },
        { "check assigned", "POST /v1/check", "" },
        { "check version", "POST /v1/check?version=1.0%2B2", "" },
        { "check module", "POST /v1/check", "\u007fELF\0\u00ff" },
        { "enable", "POST /v1/enable", "{\"token\":\"lpa1.x\"}" },
        { "disable", "POST /v1/disable", "" },
        { "refresh", "POST /v1/refresh", "" },
    };

    [Theory, MemberData(nameof(Calls))]
    public void Call_OfEachKind_IsItsRoute(string call, string route, string body)
    {
        var asked = ("", "");
        using var daemon = new TestDaemon((request, content) =>
        {
            asked = (request, content);
            return TestDaemon.Http(200, "{}");
        });
        var client = new AgentClient(daemon.SocketPath, TimeProvider.System);
        Assert.True(Assert.IsType<ApiAnswer.Reply>(Make(client, call)).Success);
        Assert.Equal(($"{route} HTTP/1.0", body), asked);
    }

    [Theory]
    [InlineData(199, false)]
    [InlineData(200, true)]
    [InlineData(299, true)]
    [InlineData(300, false)]
    [InlineData(500, false)]
    public void Reply_OfEachCode_IsASuccessOrNot(int code, bool success)
    {
        using var daemon = new TestDaemon((_, _) => TestDaemon.Http(code, "{}"));
        var reply = Assert.IsType<ApiAnswer.Reply>(new AgentClient(daemon.SocketPath, TimeProvider.System).Refresh());
        Assert.Equal((code, success), (reply.Code, reply.Success));
    }

    public static TheoryData<string, string> Places => new()
    {
        { "", nameof(AwayKind.NoSocket) },
        { "/nonexistent/s", nameof(AwayKind.NoSocket) },
        { "/dev/null/s", nameof(AwayKind.NoSocket) },
        { "/" + new string('x', 107), nameof(AwayKind.NoSocket) },
        { "/etc/hostname", nameof(AwayKind.NotListening) }, // a file that is no socket
        { UnixSocket.Stale(), nameof(AwayKind.NotListening) },
    };

    [Theory, MemberData(nameof(Places))]
    public void Call_WhereNoDaemonIs_SaysWhy(string path, string kind)
    {
        var answer = new AgentClient(path, TimeProvider.System).Status();
        Assert.Equal(kind, Assert.IsType<ApiAnswer.Away>(answer).Kind.ToString());
    }

    private static ApiAnswer Make(AgentClient client, string call) => call switch
    {
        "status" => client.Status(),
        "status held" => client.Status(after: 7, waitSeconds: 25),
        "history" => client.History(3, verify: false),
        "history verified" => client.History(3, verify: true),
        "facts" => client.Facts([]),
        "facts of objects" => client.Facts(["a&b", "ü"]),
        "check assigned" => client.Check(version: null),
        "check version" => client.Check("1.0+2"),
        "check module" => client.Check([0x7f, (byte)'E', (byte)'L', (byte)'F', 0, 0xff]),
        "enable" => client.Enable("lpa1.x"),
        "disable" => client.Disable(),
        "refresh" => client.Refresh(),
        _ => throw new ArgumentOutOfRangeException(nameof(call), call, "no such call"),
    };
}
