using System.Net;
using System.Net.Http.Headers;
using LivepatchAgent.Server.Rollout;
using static LivepatchAgent.Server.Tests.ServerUnderTest;

namespace LivepatchAgent.Server.Tests;

public sealed class CatalogueTests
{
    private const string Path = $"/v1/catalogues/x86_64/{Machine.Release}";

    [Fact]
    public async Task Catalogue_RisesWithEachPublishAndWithdrawal_AndVerifies()
    {
        await using var server = await StartAsync();
        Assert.Equal(0, (await server.CatalogueAsync()).Sequence);
        var (first, second) = (server.Publisher.Patch(1), server.Publisher.Patch(2));
        await server.PublishAsync(second);
        Assert.Equal(1, (await server.CatalogueAsync()).Sequence);
        await server.PublishAsync(first);
        var both = await server.CatalogueAsync(floor: 2);
        Assert.Equal([first.Digest, second.Digest], both.Patches.Select(p => p.ManifestDigest));

        var withdrawal = server.Publisher.Withdraw(second);
        await server.PutAsync("withdrawals", Publisher.Sha256(withdrawal), withdrawal);
        var after = await server.CatalogueAsync(floor: 3);
        Assert.Equal([null, Publisher.Sha256(withdrawal)], after.Patches.Select(p => p.Withdrawal));
        Assert.Equal(first.Digest, (await server.AssignmentAsync(await server.EnrolAsync())).ManifestDigest);
        Assert.Equal(0, (await server.CatalogueAsync("other-kernel")).Sequence);
    }

    [Fact]
    public async Task Catalogue_PublishedAgain_DoesNotRise()
    {
        await using var server = await StartAsync();
        var patch = server.Publisher.Patch(1);
        await server.PublishAsync(patch);
        Assert.Equal(HttpStatusCode.OK, await server.PutAsync("manifests", patch.Digest, patch.Envelope));
        Assert.Equal(HttpStatusCode.OK, await server.PutAsync("modules", patch.ModuleDigest, patch.Module));
        Assert.Equal(1, (await server.CatalogueAsync()).Sequence);
    }

    [Fact]
    public async Task Catalogue_Unchanged_IsNotSentAgain()
    {
        await using var server = await StartAsync();
        using var first = await server.Client.GetAsync(Path, Ct);
        Assert.False(first.Headers.ETag!.IsWeak);
        Assert.Equal("application/pkcs7-mime", first.Content.Headers.ContentType!.MediaType);
        Assert.Equal(HttpStatusCode.NotModified, await StatusAsync(server, first.Headers.ETag));
        await server.PublishAsync(server.Publisher.Patch(1));
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(server, first.Headers.ETag));
    }

    [Fact]
    public async Task Catalogue_ADayOld_IsSignedAnew()
    {
        await using var server = await StartAsync();
        await server.PublishAsync(server.Publisher.Patch(1));
        var first = await server.CatalogueBytesAsync();
        server.Time.Advance(SignedCatalogues.RenewAfter - TimeSpan.FromSeconds(1));
        Assert.Equal(first, await server.CatalogueBytesAsync());
        server.Time.Advance(TimeSpan.FromSeconds(1));
        Assert.NotEqual(first, await server.CatalogueBytesAsync());
        var renewed = await server.CatalogueAsync(floor: 1);
        Assert.Equal(
            (1, server.Time.GetUtcNow(), server.Time.GetUtcNow().AddDays(7)),
            (renewed.Sequence, renewed.IssuedAt, renewed.ExpiresAt));
    }

    [Fact]
    public async Task Catalogue_SignedWhileTheClockWasAhead_IsSignedAnewWhenItIsSetBack()
    {
        await using var server = await StartAsync();
        await server.PublishAsync(server.Publisher.Patch(1));
        var ahead = await server.CatalogueBytesAsync();
        server.Time.AdjustTime(server.Time.GetUtcNow().AddMinutes(-4));
        Assert.Equal(ahead, await server.CatalogueBytesAsync());
        server.Time.AdjustTime(server.Time.GetUtcNow().AddHours(-20));
        Assert.Equal(server.Time.GetUtcNow(), (await server.CatalogueAsync()).IssuedAt);
    }

    [Fact]
    public async Task Catalogue_OfCountlessKernels_CostsAnEnd()
    {
        await using var server = await StartAsync();
        var refused = 0;
        for (var i = 0; i < SignedCatalogues.MaxEmptySignaturesPerSecond + 5; i++)
        {
            using var answer = await server.Client.GetAsync($"/v1/catalogues/x86_64/k{i}", Ct);
            refused += answer.StatusCode == HttpStatusCode.TooManyRequests ? 1 : 0;
        }

        Assert.Equal(5, refused);
        await server.PublishAsync(server.Publisher.Patch(1));
        Assert.Equal(1, (await server.CatalogueAsync()).Sequence);
        server.Time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(0, (await server.CatalogueAsync("k-new")).Sequence);
    }

    private static async Task<HttpStatusCode> StatusAsync(ServerUnderTest server, EntityTagHeaderValue known)
    {
        using var message = new HttpRequestMessage(HttpMethod.Get, Path);
        message.Headers.IfNoneMatch.Add(known);
        using var answer = await server.Client.SendAsync(message, Ct);
        return answer.StatusCode;
    }
}
