using CsCheck;
using LivepatchAgent.Core.Agent;

namespace LivepatchAgent.Core.Tests.Agent;

/// <summary>What agent.conf holds of a proxy's user and password reaches no message, however it is written.</summary>
public sealed class ProxySecretTests
{
    private const string File = "/etc/livepatch-agent/agent.conf";
    private const string User = "Qvkzjxq", Password = "Zqjxkwvz9";

    /// <summary>What a password may hold and an address, or a line of agent.conf, takes for something else.</summary>
    private static readonly string[] Odd =
    [
        "#", " #", "# ", "\t#", "/", "?", "@", ":", "=", " = ", "\\", "%", "%4", "%40", "%00", "[", "]", "&", "\"", "'",
        "\u001b", "\u2028", "é", "\r", "\0", "//", "://",
    ];

    /// <summary>Every three letters in a row: an odd character may stand on either side of them.</summary>
    private static readonly string[] Letters = [.. Threes(User), .. Threes(Password)];

    public static TheoryData<string> Lines =>
    [
        "proxy = http://{0}:{1}@proxy.example:3128",
        "proxy = http://{0}@proxy.example",
        "proxy = https://{1}:{0}@[::1]:3128  # comment",
        "proxy = http://proxy.example:3128/{0}?{1}#{0}",
        "proxy = {0}:{1}@proxy.example:3128",
        "proxy = http://{0}:{1}@",
        "http://{0}:{1}@proxy.example:3128",
        "{0}={1}@proxy.example:3128",
        "{0} = {0} #{1}@proxy.example:3128",
        "Proxy = http://{0}:{1}@proxy.example:3128",
        "ca-file = http://{0}:{1}@proxy.example:3128",
        "log-level = {0}:{1}@proxy.example:3128",
    ];

    [Theory]
    [MemberData(nameof(Lines))]
    public void Parse_OfASecretWithAnOddCharacterAnywhere_ShowsNoPartOfIt(string line)
    {
        foreach (var odd in Odd)
        {
            for (var at = 0; at <= Password.Length; at++) AssertUnseen(Filled(line, User, Password.Insert(at, odd)));
            for (var at = 0; at <= User.Length; at++) AssertUnseen(Filled(line, User.Insert(at, odd), Password));
        }
    }

    [Fact]
    public void Parse_OfASecretOfAnyOddCharacters_ShowsNoPartOfIt()
    {
        string[] pieces = [.. Odd, User, Password, User[..4], Password[..4], User, Password];
        string[] lines = [.. Lines.Select(line => line.Data)];
        var piece = Gen.Int[0, pieces.Length - 1].Select(at => pieces[at]);
        var secret = piece.Array[1, 6].Select(string.Concat);
        Gen.Select(secret, secret, Gen.Int[0, lines.Length - 1]).Sample(
            (user, password, line) => AssertUnseen(Filled(lines[line], user, password)), iter: 20_000);
    }

    private static IEnumerable<string> Threes(string secret) =>
        Enumerable.Range(0, secret.Length - 2).Select(at => secret[at..(at + 3)]);

    private static string Filled(string line, string user, string password) =>
        line.Replace("{0}", user, StringComparison.Ordinal).Replace("{1}", password, StringComparison.Ordinal);

    private static void AssertUnseen(string line)
    {
        var read = AgentSettings.Parse("log-level = info\n" + line, File);
        var shown = read.TryGet(out var settings, out var problem) ? settings.ToString() : problem.ToString();
        foreach (var letters in Letters)
            Assert.False(shown.Contains(letters, StringComparison.OrdinalIgnoreCase), $"{line}\ngave\n{shown}");

        if (problem is null) return;
        Assert.StartsWith($"cannot use {File} line 2: ", problem.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("http://svc:Secr#et9@proxy.example:3128", null)]
    [InlineData("http://svc:4711#x@proxy.example:3128", null)]
    [InlineData("http://svc:47/11@proxy.example:3128", null)]
    [InlineData("http://svc:47?11@proxy.example:3128", null)]
    [InlineData("http://svc:47@11@proxy.example:3128", null)]
    [InlineData("http://svc:47\\11@proxy.example:3128", "http://proxy.example:3128 svc 47\\11")]
    [InlineData("http://svc:47\\11%40proxy.example:3128", null)]
    [InlineData("http://proxy.example:3128/path", null)]
    [InlineData("http://proxy.example:3128/?query", null)]
    [InlineData("http://proxy.example:0", null)]
    [InlineData("http://proxy.example:65536", null)]
    [InlineData("http://proxy example:3128", null)]
    [InlineData("http://", null)]
    [InlineData("http:///", null)]
    [InlineData("socks5://proxy.example", null)]
    [InlineData("HTTP://Proxy.example:3128/", "http://proxy.example:3128  ")]
    [InlineData("https://[::1]", "https://[::1]  ")]
    [InlineData("http://a%3Ab:c%23%2F%3F%40:d=e@192.0.2.1:80", "http://192.0.2.1 a:b c#/?@:d=e")]
    public void Parse_OfAnAddress_TakesItApartOrRefusesIt(string text, string? expected) =>
        Assert.Equal(expected, ProxyAddress.Parse(text) is { } read ? $"{read} {read.UserName} {read.Password}" : null);

    [Fact]
    public void Settings_WithAnotherPassword_AreOthers() => Assert.NotEqual(
        AgentSettings.Parse("proxy = http://svc:old@proxy.example", File).Value,
        AgentSettings.Parse("proxy = http://svc:new@proxy.example", File).Value);
}
