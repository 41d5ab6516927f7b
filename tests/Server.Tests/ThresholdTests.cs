using System.Net;
using LivepatchAgent.Core;
using LivepatchAgent.Server.Registry;
using LivepatchAgent.Server.Trust;
using static LivepatchAgent.Server.Tests.ServerUnderTest;

namespace LivepatchAgent.Server.Tests;

/// <summary>The server takes what hosts take: as many signatures as they demand.</summary>
public sealed class ThresholdTests
{
    private readonly Publisher _second = new("second");

    [Fact]
    public async Task Publish_WithFewerSignaturesThanATokenDemands_IsRefused()
    {
        await using var server = await StartAsync();
        Demand(server, 2);
        Demand(server, 1); // the hosts of the first token still want two
        var patch = server.Publisher.Patch(1);
        Assert.Equal(HttpStatusCode.Forbidden, await server.PutAsync("manifests", patch.Digest, patch.Envelope));
        Assert.Equal(HttpStatusCode.Forbidden, await server.PutAsync("pins", "1", server.Publisher.Pins(server, 1)));

        var signed = new Patch(patch.Manifest, _second.Cosign(patch.Envelope), patch.Module);
        await server.PublishAsync(signed);
        var withdrawal = server.Publisher.Withdraw(signed);
        var path = $"/v1/withdrawals/{Publisher.Sha256(withdrawal)}";
        using (var answer = await server.Client.PutAsync(path, new ByteArrayContent(withdrawal), Ct))
        {
            Assert.Equal(
                (HttpStatusCode.Forbidden, ProblemCode.ManifestSignatureInvalid),
                (answer.StatusCode, (await ProblemAsync(answer)).Code));
        }

        Assert.Null(Assert.Single((await server.CatalogueAsync()).Patches).Withdrawal);
        var cosigned = _second.Cosign(withdrawal);
        Assert.Equal(
            HttpStatusCode.Created, await server.PutAsync("withdrawals", Publisher.Sha256(cosigned), cosigned));
        Assert.Equal(
            HttpStatusCode.Created,
            await server.PutAsync("pins", "1", _second.Cosign(server.Publisher.Pins(server, 1))));
    }

    [Fact]
    public async Task Publish_AfterAPinSet_NeedsWhatTheSetSays()
    {
        await using var server = await StartAsync();
        Demand(server, 2);
        Assert.Equal(
            HttpStatusCode.Created,
            await server.PutAsync(
                "pins", "1", _second.Cosign(server.Publisher.Pins(server, 1, 1, server.Publisher, _second))));
        await server.PublishAsync(_second.Patch(1));
    }

    [Fact]
    public async Task Withdrawal_ThatHostsBelieveNoMore_GivesWayToOneThatTheyDo()
    {
        await using var server = await StartAsync();
        var patch = server.Publisher.Patch(1);
        await server.PublishAsync(patch);
        var first = server.Publisher.Withdraw(patch);
        Assert.Equal(HttpStatusCode.Created, await server.PutAsync("withdrawals", Publisher.Sha256(first), first));
        Assert.Equal(
            HttpStatusCode.Created, await server.PutAsync("pins", "1", server.Publisher.Pins(server, 1, 1, _second)));

        var (second, third) = (_second.Withdraw(patch), _second.Withdraw(patch, "another reason"));
        Assert.Equal(HttpStatusCode.Created, await server.PutAsync("withdrawals", Publisher.Sha256(second), second));
        Assert.Equal(HttpStatusCode.OK, await server.PutAsync("withdrawals", Publisher.Sha256(third), third));
        Assert.Equal(
            Publisher.Sha256(second), Assert.Single((await server.CatalogueAsync(floor: 3)).Patches).Withdrawal);
    }

    [Fact]
    public async Task Withdrawal_OfAPatchNeverPublished_IsNotLostToAnotherOfItsSequence()
    {
        await using var server = await StartAsync();
        var (patch, other) = (server.Publisher.Patch(1), server.Publisher.Patch(1));
        await server.PutAsync("manifests", patch.Digest, patch.Envelope);
        var withdrawal = server.Publisher.Withdraw(patch);
        Assert.Equal(
            HttpStatusCode.Created, await server.PutAsync("withdrawals", Publisher.Sha256(withdrawal), withdrawal));
        Assert.Equal(HttpStatusCode.Conflict, await server.PutAsync("manifests", other.Digest, other.Envelope));
        Assert.Equal(HttpStatusCode.Created, await server.PutAsync("modules", patch.ModuleDigest, patch.Module));
        Assert.Equal(Publisher.Sha256(withdrawal), Assert.Single((await server.CatalogueAsync()).Patches).Withdrawal);
    }

    [Fact]
    public async Task Token_CountsKeysNotCertificates_AndPinsSixteenAtMost()
    {
        await using var server = await StartAsync();
        PublisherCertificates.Add(server.Folder, server.Publisher.Renewed());
        Assert.Contains(
            "2 publishers must sign, but the server knows 1",
            Make(server, 2).Problem!.Message,
            StringComparison.Ordinal);
        for (var i = 0; i < 15; i++) PublisherCertificates.Add(server.Folder, new Publisher($"more {i}").Certificate);
        Assert.Contains(
            "holds 17 certificates, and a token pins at most 16",
            Make(server, 1).Problem!.Message,
            StringComparison.Ordinal);
    }

    private void Demand(ServerUnderTest server, int threshold)
    {
        PublisherCertificates.Add(server.Folder, _second.Certificate);
        Assert.Null(Make(server, threshold).Problem);
    }

    private static Result<string> Make(ServerUnderTest server, int threshold) =>
        TokenIssuer.Issue(
            new NewToken(server.Folder, server.Server.Address, 1, null, "", SystemCa: false, threshold),
            server.Time.GetUtcNow());
}
