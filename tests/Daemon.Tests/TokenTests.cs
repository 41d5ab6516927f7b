using LivepatchAgent.Core;
using LivepatchAgent.Core.Agent;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Daemon.Tests.Surroundings;

namespace LivepatchAgent.Daemon.Tests;

public sealed class TokenTests
{
    private const string Foreign = "AAAA";

    [Theory]
    [InlineData(401, "token-unknown", ProblemCode.TokenUnknown)]
    [InlineData(403, "token-expired", ProblemCode.TokenExpired)]
    [InlineData(403, "token-used-up", ProblemCode.TokenUsedUp)]
    [InlineData(403, "token-revoked", ProblemCode.TokenRevoked)]
    public async Task Enable_WithATokenThatTheServerRefuses_PassesItsWordsOnCleanly(
        int status, string word, ProblemCode code)
    {
        await using var host = await HostUnderTest.StartedAsync();
        const string message = @"cannot enrol: \u001b[31mno\u0000\nsecond line";
        var error = $$$"""{"error":{"code":"{{{word}}}","message":"{{{message}}}","cure":""}}""";
        host.Server.Instead = Enrolments(c => c.AnswerAsync(status, error));
        await host.EnableAsync();
        var refused = await host.ProblemAsync();
        HostUnderTest.AssertProblem(refused.Problem, code, "cannot enrol: [31mno");
        Assert.Equal(PatchState.NotEnrolled, refused.State);
        Assert.Single(host.Server.Calls);
        Assert.DoesNotContain(host.Server.Token.Secret, File.ReadAllText(host.Journal), StringComparison.Ordinal);

        host.Server.Instead = _ => Task.FromResult(false);
        await host.EnableAsync();
        await host.SettledAsync(PatchState.NothingToApply);
    }

    public static TheoryData<string, ProblemCode> Answers => new()
    {
        { Enrolled("\"m1\"", "", ""), ProblemCode.ServerCertificateMismatch },
        { Enrolled("\"m1\"", "null", "null,null"), ProblemCode.ServerCertificateMismatch },
        { Enrolled("\"m1\"", $"\"{Foreign}\",\"%\"", $"\"{Foreign}\""), ProblemCode.ServerCertificateMismatch },
        { """{"machineId":"m1"}""", ProblemCode.ServerAnswerInvalid },
        { Enrolled("null", "", ""), ProblemCode.ServerAnswerInvalid },
        { "[]", ProblemCode.ServerAnswerInvalid },
    };

    [Theory]
    [MemberData(nameof(Answers))]
    public async Task Enable_WithAServerThatIsNotTheTokens_IsRefused(string answer, ProblemCode code)
    {
        await using var host = await HostUnderTest.StartedAsync();
        host.Server.Instead = Enrolments(c => c.AnswerAsync(201, answer));
        await host.EnableAsync();
        var status = await host.UntilAsync("refused", s => s.Settled && s.Problem is not null);
        HostUnderTest.AssertProblem(status.Problem, code, host.Server.Url);
        Assert.Null(host.State.Enrolment);
    }

    [Fact]
    public async Task Enable_WithAnImpossibleMachineId_IsRefused()
    {
        await using var host = await HostUnderTest.StartedAsync();
        var answer = new EnrolmentAnswer
        {
            MachineId = "m1\r\nX: y",
            CatalogueCertificates = [Convert.ToBase64String(Workshop.CatalogueKey.RawData)],
            PublisherCertificates = [Convert.ToBase64String(Workshop.Publisher.RawData)],
        };
        var good = System.Text.Json.JsonSerializer.Serialize(answer, WireJson.Default.EnrolmentAnswer);
        host.Server.Instead = Enrolments(c => c.AnswerAsync(201, good));
        await host.EnableAsync();
        var status = await host.ProblemAsync();
        HostUnderTest.AssertProblem(status.Problem, ProblemCode.ServerAnswerInvalid, "machine id");
    }

    [Fact]
    public async Task Enable_WithTheServerAway_IsAnsweredAfterThreeTries()
    {
        await using var host = await HostUnderTest.StartedAsync();
        await host.Server.StopAsync();
        await host.EnableAsync();
        var status = await host.UntilAsync(
            "given up", s => s.Settled && s.State == PatchState.NotEnrolled && s.Problem is not null);
        HostUnderTest.AssertProblem(status.Problem, ProblemCode.ServerUnreachable, "connection refused");
        Assert.True(host.Time.GetUtcNow() - host.Time.Start < TimeSpan.FromMinutes(1));
    }

    [Fact]
    public async Task Enable_Twice_IsRefused()
    {
        await using var host = await HostUnderTest.EnrolledAsync();
        var answer = await host.SendAsync(new Command.Enable(new EnrolmentIntent("e2", host.Server.Token, "c")));
        HostUnderTest.AssertProblem(answer.Problem, ProblemCode.AlreadyEnrolled, host.Server.Url);
        Assert.NotNull(host.State.Enrolment);
    }

    [Fact]
    public async Task Refresh_WithoutEnrolment_IsRefused()
    {
        await using var host = await HostUnderTest.StartedAsync();
        HostUnderTest.AssertProblem((await host.SendAsync(new Command.Refresh())).Problem, ProblemCode.NotEnrolled);
    }

    [Fact]
    public void Token_CutOffAnywhereOrChanged_IsMalformedAndNotRepeated()
    {
        var whole = EnrolmentToken.Write(Token());
        for (var length = 0; length < whole.Length; length++) AssertMalformed(whole[..length]);
        for (var at = 0; at < whole.Length; at++)
            AssertMalformed(whole[..at] + (whole[at] == 'x' ? 'y' : 'x') + whole[(at + 1)..]);
        Assert.Null(EnrolmentToken.Read($" \n{whole}\r\n").Problem);
    }

    public static TheoryData<string, Func<TokenContent, TokenContent>> Contents => new()
    {
        { "plain http", t => t with { Server = "http://patches.example" } },
        { "no address", t => t with { Server = "patches.example" } },
        { "a user in the address", t => t with { Server = "https://root@patches.example" } },
        { "a short secret", t => t with { Secret = "s" } },
        { "no publisher", t => t with { Publishers = [] } },
        { "no catalogue", t => t with { Catalogue = [] } },
        { "a pin that is null", t => t with { Publishers = [null!] } },
        { "a pin that is no digest", t => t with { Tls = ["zz"] } },
        { "a hundred pins", t => t with { Tls = [.. Enumerable.Repeat(new string('a', 64), 100)] } },
    };

    [Theory]
    [MemberData(nameof(Contents))]
    public void Token_WithImpossibleContent_IsMalformed(string what, Func<TokenContent, TokenContent> change)
    {
        Assert.NotEmpty(what);
        AssertMalformed(EnrolmentToken.Write(change(Token())));
    }

    /// <summary>An answer to an enrolment.</summary>
    private static string Enrolled(string machine, string catalogue, string publisher) =>
        $$"""
        {"machineId":{{machine}},"catalogueCertificates":[{{catalogue}}],"publisherCertificates":[{{publisher}}]}
        """;

    private static TokenContent Token() => new()
    {
        Server = "https://patches.example",
        Secret = "0123456789abcdef0123",
        Tls = [],
        Catalogue = [new string('a', 64)],
        Publishers = [new string('b', 64)],
    };

    private static void AssertMalformed(string token)
    {
        var problem = EnrolmentToken.Read(token).Problem;
        HostUnderTest.AssertProblem(problem, ProblemCode.TokenMalformed, "token");
        if (token.Length > 20) Assert.DoesNotContain(token[6..20], problem!.ToString(), StringComparison.Ordinal);
    }

    private static Func<Call, Task<bool>> Enrolments(Func<Call, Task> answer) => async call =>
    {
        if (call.Path != TestServer.Enrolments) return false;
        await answer(call);
        return true;
    };
}
