using System.Collections.Concurrent;
using System.Net;
using System.Net.Http.Headers;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Server.Api;
using LivepatchAgent.Server.Registry;
using LivepatchAgent.Server.Storage;
using static LivepatchAgent.Server.Tests.ServerUnderTest;

namespace LivepatchAgent.Server.Tests;

/// <summary>Hosts take all the codes that this server says, and no other (<see cref="ServerCodes"/>).</summary>
public sealed class HostCallTests
{
    private readonly ConcurrentDictionary<(ServerCall, ProblemCode), byte> _said = new();

    [Fact]
    public async Task Table_AndRefusals_SayTheSame()
    {
        await using var server = await StartAsync();
        await EnrolmentsAsync(server);
        await CheckInsAsync(server, ServerCall.CheckIn, wait: null);
        await CheckInsAsync(server, ServerCall.HeldCheckIn, wait: 5);
        await ContentAsync(server);
        await CataloguesAsync(server);
        await FullAsync(server);

        var table = Enum.GetValues<ServerCall>().SelectMany(call => ServerCodes.Of(call).Select(code => (call, code)));
        Assert.Equal(table.Order(), _said.Keys.Order());
    }

    private async Task EnrolmentsAsync(ServerUnderTest server)
    {
        var (machine, token) = (new Machine(), server.Token());
        Task RefusedAsync(EnrolmentRequest request) => SaidAsync(
            ServerCall.Enrolment, server.PostAsync("/v1/enrolments", request, WireJson.Default.EnrolmentRequest));
        await RefusedAsync(machine.Enrolment("no secret of this server"));
        (await server.EnrolAsync(machine, token)).Id = "";
        await RefusedAsync(machine.Enrolment(token.Secret) with { CredentialSha256 = new string('0', 64) });
        await RefusedAsync(machine.Enrolment(token.Secret) with { CredentialSha256 = "none" });
        await RefusedAsync(new Machine().Enrolment(token.Secret));

        var expired = server.Token(lifetime: TimeSpan.FromMinutes(1));
        var revoked = server.Token(lifetime: TimeSpan.FromDays(9));
        Revoke(server, revoked);
        server.Time.Advance(TimeSpan.FromHours(1));
        await RefusedAsync(new Machine().Enrolment(expired.Secret));
        await RefusedAsync(new Machine().Enrolment(revoked.Secret));
        await BodiesAsync(server, ServerCall.Enrolment, "/v1/enrolments", _ => { });
        await SlowAsync(server, ServerCall.Enrolment, "/v1/enrolments", Bodies.WithinOfStrangers);
    }

    private async Task CheckInsAsync(ServerUnderTest server, ServerCall call, int? wait)
    {
        var machine = await server.EnrolAsync();
        var stranger = new Machine { Id = "mnone" };
        await SaidAsync(call, server.CheckInAsync(stranger, stranger.CheckIn(), wait));
        await BodiesAsync(server, call, "/v1/check-ins", message => Claim(message.Headers, machine, wait));
        using var headers = new HttpRequestMessage();
        Claim(headers.Headers, machine, wait);
        await SlowAsync(server, call, "/v1/check-ins", Bodies.Within, headers.Headers);
    }

    private static void Claim(HttpRequestHeaders headers, Machine machine, int? wait)
    {
        headers.Authorization = machine.Authorization;
        if (wait is not null) headers.Add("Prefer", $"wait={wait}");
    }

    private async Task ContentAsync(ServerUnderTest server)
    {
        var digest = new string('0', 64);
        await SaidAsync(ServerCall.Manifest, server.Client.GetAsync($"/v1/manifests/{digest}", Ct));
        await SaidAsync(ServerCall.Withdrawal, server.Client.GetAsync($"/v1/withdrawals/{digest}", Ct));
        await SaidAsync(ServerCall.Module, server.Client.GetAsync($"/v1/modules/{digest}", Ct));
        await SaidAsync(ServerCall.Pins, server.Client.GetAsync("/v1/pins/1", Ct));
    }

    private async Task CataloguesAsync(ServerUnderTest server)
    {
        await SaidAsync(ServerCall.Catalogue, server.Client.GetAsync("/v1/catalogues/x86_64/a%20b", Ct));
        for (var i = 0; i < Rollout.SignedCatalogues.MaxEmptySignaturesPerSecond; i++)
            (await server.Client.GetAsync($"/v1/catalogues/x86_64/other-{i}", Ct)).Dispose();
        await SaidAsync(ServerCall.Catalogue, server.Client.GetAsync("/v1/catalogues/x86_64/one-more", Ct));
    }

    private async Task FullAsync(ServerUnderTest server)
    {
        await using var held = await HeldBodies.StartAsync(server);
        var large = Json(new byte[Bodies.Small + 1]);
        await SaidAsync(ServerCall.Enrolment, server.Client.PostAsync("/v1/enrolments", large, Ct));
    }

    private async Task BodiesAsync(
        ServerUnderTest server, ServerCall call, string path, Action<HttpRequestMessage> change)
    {
        foreach (var body in new[] { "{"u8.ToArray(), new byte[Bodies.MaxJson + 1] })
        {
            using var message = new HttpRequestMessage(HttpMethod.Post, path) { Content = Json(body) };
            change(message);
            await SaidAsync(call, server.Client.SendAsync(message, Ct));
        }
    }

    private async Task SlowAsync(
        ServerUnderTest server, ServerCall call, string path, TimeSpan within, HttpRequestHeaders? headers = null)
    {
        var more = headers?.ToString() ?? "";
        await using var slow = await RawCall.StartAsync(server, "POST", path, new byte[100], 5000, more);
        var answer = slow.AnswerAsync();
        while (!answer.IsCompleted)
        {
            server.Time.Advance(within);
            await Task.Delay(2, Ct);
        }

        var (status, text) = await answer;
        Assert.Equal(HttpStatusCode.RequestTimeout, status);
        Assert.Contains("\"code\":\"server-timeout\"", text, StringComparison.Ordinal);
        _said.TryAdd((call, ProblemCode.ServerTimeout), 0);
    }

    private async Task SaidAsync(ServerCall call, Task<HttpResponseMessage> answering)
    {
        using var answer = await answering;
        Assert.InRange((int)answer.StatusCode, 400, 499);
        _said.TryAdd((call, (await ProblemAsync(answer)).Code), 0);
    }

    private static void Revoke(ServerUnderTest server, TokenContent token)
    {
        using var database = Database.Open(server.Folder.Database).Value;
        _ = database.Write(db =>
        {
            var known = TokenTable.FindBySecret(db, TokenSecret.Digest(token.Secret))!;
            return TokenTable.Revoke(db, known.Id, server.Time.GetUtcNow());
        });
    }
}
