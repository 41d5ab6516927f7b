using System.Net;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Trust;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Server.Model;
using LivepatchAgent.Server.Storage;
using static LivepatchAgent.Server.Tests.ServerUnderTest;

namespace LivepatchAgent.Server.Tests;

public sealed class EnrolmentTests
{
    [Fact]
    public async Task Enrol_MadeAgain_CountsTheTokenOnce()
    {
        await using var server = await StartAsync();
        var (machine, token) = (new Machine(), server.Token(uses: 1));
        using var first = await PostAsync(server, machine.Enrolment(token.Secret));
        server.Time.Advance(TimeSpan.FromDays(2));
        using var again = await PostAsync(server, machine.Enrolment(token.Secret));
        Assert.Equal((HttpStatusCode.Created, HttpStatusCode.OK), (first.StatusCode, again.StatusCode));
        Assert.Equal(await first.Content.ReadAsStringAsync(Ct), await again.Content.ReadAsStringAsync(Ct));
        Assert.Equal(1, Assert.Single(Tokens(server)).Uses);
    }

    [Fact]
    public async Task Enrol_ManyAtOnceWithOneToken_AdmitsAsManyAsItSays()
    {
        await using var server = await StartAsync();
        var token = server.Token(uses: 3);
        var answers = await Task.WhenAll(
            Enumerable.Range(0, 20).Select(_ => PostAsync(server, new Machine().Enrolment(token.Secret))));
        Assert.Equal(3, answers.Count(a => a.StatusCode == HttpStatusCode.Created));
        Assert.Equal(17, answers.Count(a => a.StatusCode == HttpStatusCode.Forbidden));
        Assert.Equal(3, Assert.Single(Tokens(server)).Uses);
    }

    [Fact]
    public async Task Enrol_Answer_HoldsWhatTheTokenPins()
    {
        await using var server = await StartAsync();
        var token = server.Token();
        using var answer = await PostAsync(server, new Machine().Enrolment(token.Secret));
        var enrolled = await ReadAsync(answer, WireJson.Default.EnrolmentAnswer);
        Assert.Equal(
            token.Catalogue, enrolled.CatalogueCertificates.Select(c => Publisher.Sha256(Convert.FromBase64String(c))));
        Assert.Equal(
            token.Publishers,
            enrolled.PublisherCertificates.Select(c => Publisher.Sha256(Convert.FromBase64String(c))));
        Assert.Equal(Certificates.Fingerprint(server.Publisher.Certificate), Assert.Single(token.Publishers));
    }

    [Theory]
    [InlineData("unknown", HttpStatusCode.Unauthorized, ProblemCode.TokenUnknown)]
    [InlineData("expired", HttpStatusCode.Forbidden, ProblemCode.TokenExpired)]
    [InlineData("used-up", HttpStatusCode.Forbidden, ProblemCode.TokenUsedUp)]
    [InlineData("revoked", HttpStatusCode.Forbidden, ProblemCode.TokenRevoked)]
    public async Task Enrol_WithABadToken_SaysWhichWay(string how, HttpStatusCode status, ProblemCode code)
    {
        await using var server = await StartAsync();
        var secret = server.Token(lifetime: TimeSpan.FromHours(1)).Secret;
        if (how == "unknown") secret = new string('x', 43);
        if (how == "expired") server.Time.Advance(TimeSpan.FromHours(1));
        if (how == "used-up") (await PostAsync(server, new Machine().Enrolment(secret))).Dispose();
        if (how == "revoked")
            WithDatabase(
                server,
                database => database.Write(
                    db => TokenTable.Revoke(db, TokenTable.All(db)[0].Id, server.Time.GetUtcNow())));
        using var answer = await PostAsync(server, new Machine().Enrolment(secret));
        Assert.Equal(status, answer.StatusCode);
        var problem = await ProblemAsync(answer);
        Assert.Equal(code, problem.Code);
        Assert.NotEmpty(problem.Cure);
        Assert.DoesNotContain(secret, problem.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Enrol_WithoutLimit_NeverEnds()
    {
        await using var server = await StartAsync();
        var token = server.Token(uses: 0);
        for (var i = 0; i < 3; i++)
        {
            using var answer = await PostAsync(server, new Machine().Enrolment(token.Secret));
            Assert.Equal(HttpStatusCode.Created, answer.StatusCode);
        }
    }

    [Fact]
    public async Task Database_Holds_NoSecret()
    {
        await using var server = await StartAsync();
        var token = server.Token();
        (await PostAsync(server, new Machine().Enrolment(token.Secret))).Dispose();
        await server.StopAsync();
        foreach (var file in Directory.GetFiles(server.Folder.Root, "server.db*"))
            Assert.Equal(
                -1,
                (await File.ReadAllBytesAsync(file, Ct)).AsSpan().IndexOf(
                    System.Text.Encoding.UTF8.GetBytes(token.Secret)));
    }

    private static Task<HttpResponseMessage> PostAsync(ServerUnderTest server, EnrolmentRequest request) =>
        server.PostAsync("/v1/enrolments", request, WireJson.Default.EnrolmentRequest);

    private static List<TokenRow> Tokens(ServerUnderTest server)
    {
        using var database = Database.Open(server.Folder.Database).Value;
        return database.Read(TokenTable.All);
    }

    private static void WithDatabase(ServerUnderTest server, Action<Database> work)
    {
        using var database = Database.Open(server.Folder.Database).Value;
        work(database);
    }
}
