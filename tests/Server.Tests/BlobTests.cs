using System.Net;
using System.Net.Http.Headers;
using static LivepatchAgent.Server.Tests.ServerUnderTest;

namespace LivepatchAgent.Server.Tests;

public sealed class BlobTests
{
    [Fact]
    public async Task Blobs_AreImmutable()
    {
        await using var server = await StartAsync();
        var patch = server.Publisher.Patch(1);
        await server.PublishAsync(patch);
        (string Path, string Digest, int Length)[] blobs =
        [
            ("manifests", patch.Digest, patch.Envelope.Length),
            ("modules", patch.ModuleDigest, patch.Module.Length),
        ];
        foreach (var (path, digest, length) in blobs)
        {
            using var answer = await GetAsync(server, $"/v1/{path}/{digest}");
            Assert.Equal($"\"{digest}\"", answer.Headers.ETag!.Tag);
            Assert.Equal(
                "public, max-age=31536000, immutable", string.Join(", ", answer.Headers.NonValidated["Cache-Control"]));
            Assert.Equal(length, answer.Content.Headers.ContentLength);
            using var head = await GetAsync(server, $"/v1/{path}/{digest}", m => m.Method = HttpMethod.Head);
            Assert.Equal(length, head.Content.Headers.ContentLength);
        }

        Assert.Equal(
            HttpStatusCode.BadRequest,
            await server.PutAsync("modules", patch.ModuleDigest, new byte[patch.Module.Length]));
        Assert.Equal(patch.Module, await server.Client.GetByteArrayAsync($"/v1/modules/{patch.ModuleDigest}", Ct));
    }

    [Theory]
    [InlineData(0, 99, 0, 100)]
    [InlineData(4990, null, 4990, 10)]
    [InlineData(null, 7, 4993, 7)]
    [InlineData(4999, 9999, 4999, 1)]
    public async Task Module_ByRange_IsThatPartOfIt(int? from, int? to, int start, int length)
    {
        await using var server = await StartAsync();
        var patch = await PublishedAsync(server);
        using var answer = await GetAsync(
            server, $"/v1/modules/{patch.ModuleDigest}", m => m.Headers.Range = new RangeHeaderValue(from, to));
        Assert.Equal(HttpStatusCode.PartialContent, answer.StatusCode);
        Assert.Equal(new ContentRangeHeaderValue(start, start + length - 1, 5000), answer.Content.Headers.ContentRange);
        Assert.Equal(patch.Module.AsSpan(start, length).ToArray(), await answer.Content.ReadAsByteArrayAsync(Ct));
    }

    [Fact]
    public async Task Module_ByARangeBeyondIt_IsNotGiven()
    {
        await using var server = await StartAsync();
        var patch = await PublishedAsync(server);
        using var answer = await GetAsync(
            server, $"/v1/modules/{patch.ModuleDigest}", m => m.Headers.Range = new RangeHeaderValue(5000, null));
        Assert.Equal(HttpStatusCode.RequestedRangeNotSatisfiable, answer.StatusCode);
        Assert.Equal(5000, answer.Content.Headers.ContentRange!.Length);
        Assert.Null(answer.Headers.CacheControl);
    }

    [Fact]
    public async Task Module_WithIfRange_IsGivenInPartOnlyWhenItIsTheSame()
    {
        await using var server = await StartAsync();
        var patch = await PublishedAsync(server);
        async Task<HttpStatusCode> StatusAsync(string tag)
        {
            using var answer = await GetAsync(server, $"/v1/modules/{patch.ModuleDigest}", m =>
            {
                m.Headers.Range = new RangeHeaderValue(100, null);
                m.Headers.IfRange = new RangeConditionHeaderValue(new EntityTagHeaderValue($"\"{tag}\""));
            });
            return answer.StatusCode;
        }

        Assert.Equal(HttpStatusCode.PartialContent, await StatusAsync(patch.ModuleDigest));
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(new string('0', 64)));
    }

    [Theory]
    [InlineData("..%2f..%2fserver.db")]
    [InlineData("../../keys/tls.key")]
    [InlineData("%2e%2e%2f%2e%2e%2fkeys%2ftls.key")]
    [InlineData("ABCDEF0000000000000000000000000000000000000000000000000000000000")]
    [InlineData("%00")]
    [InlineData("x")]
    public async Task Blob_OfAnImpossibleName_IsNotFound(string name)
    {
        await using var server = await StartAsync();
        foreach (var kind in new[] { "manifests", "modules", "withdrawals" })
        {
            using var answer = await GetAsync(server, $"/v1/{kind}/{name}");
            Assert.True(
                answer.StatusCode is HttpStatusCode.NotFound or HttpStatusCode.BadRequest, $"{answer.StatusCode}");
            Assert.NotEqual("public, max-age=31536000, immutable", answer.Headers.CacheControl?.ToString());
        }
    }

    private static async Task<Patch> PublishedAsync(ServerUnderTest server)
    {
        var patch = server.Publisher.Patch(1);
        await server.PublishAsync(patch);
        return patch;
    }

    private static async Task<HttpResponseMessage> GetAsync(
        ServerUnderTest server, string path, Action<HttpRequestMessage>? change = null)
    {
        using var message = new HttpRequestMessage(HttpMethod.Get, path);
        change?.Invoke(message);
        return await server.Client.SendAsync(message, Ct);
    }
}
