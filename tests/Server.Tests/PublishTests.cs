using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Text;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Trust;
using LivepatchAgent.Server.Files;
using static LivepatchAgent.Server.Tests.ServerUnderTest;

namespace LivepatchAgent.Server.Tests;

public sealed class PublishTests
{
    public static TheoryData<string, HttpStatusCode, ProblemCode> BadManifests => new()
    {
        { "unsigned", HttpStatusCode.Forbidden, ProblemCode.ManifestSignatureInvalid },
        { "empty", HttpStatusCode.Forbidden, ProblemCode.ManifestSignatureInvalid },
        { "wrong signer", HttpStatusCode.Forbidden, ProblemCode.ManifestSignatureInvalid },
        { "one bit", HttpStatusCode.Forbidden, ProblemCode.ManifestSignatureInvalid },
        { "truncated", HttpStatusCode.Forbidden, ProblemCode.ManifestSignatureInvalid },
        { "more behind", HttpStatusCode.Forbidden, ProblemCode.ManifestSignatureInvalid },
        { "wrong digest", HttpStatusCode.BadRequest, ProblemCode.ManifestMismatch },
        { "no digest", HttpStatusCode.BadRequest, ProblemCode.RequestInvalid },
        { "oversize", HttpStatusCode.RequestEntityTooLarge, ProblemCode.RequestTooLarge },
        { "sequence 0", HttpStatusCode.BadRequest, ProblemCode.ManifestInvalid },
        { "a withdrawal", HttpStatusCode.BadRequest, ProblemCode.ManifestInvalid },
    };

    [Theory]
    [MemberData(nameof(BadManifests))]
    public async Task Manifest_ThatIsBad_IsRefusedAndLeavesNothing(string how, HttpStatusCode status, ProblemCode code)
    {
        await using var server = await StartAsync();
        var patch = server.Publisher.Patch(1);
        var body = how switch
        {
            "unsigned" => "{}"u8.ToArray(),
            "empty" => [],
            "wrong signer" => new Publisher("stranger").Patch(1).Envelope,
            "one bit" => Flip(patch.Envelope, patch.Envelope.Length / 2),
            "truncated" => patch.Envelope[..^1],
            "more behind" => [.. patch.Envelope, 0],
            "oversize" => new byte[CmsEnvelope.MaxSize + 1],
            "sequence 0" => server.Publisher.Sign(patch.Manifest with { Sequence = 0 }),
            "a withdrawal" => server.Publisher.Withdraw(patch),
            _ => patch.Envelope,
        };
        var digest = how switch
        {
            "wrong digest" => new string('0', 64),
            "no digest" => "latest",
            _ => Publisher.Sha256(body),
        };
        using var answer = await server.Client.PutAsync($"/v1/manifests/{digest}", new ByteArrayContent(body), Ct);
        Assert.Equal((status, code), (answer.StatusCode, (await ProblemAsync(answer)).Code));
        Assert.Empty(Directory.GetFiles(server.Folder.Blobs(BlobKind.Manifest)));
        Assert.Equal(HttpStatusCode.NotFound, await server.PutAsync("modules", patch.ModuleDigest, patch.Module));
    }

    [Fact]
    public async Task Manifest_WithAnySingleBitChanged_IsRefused()
    {
        await using var server = await StartAsync();
        var envelope = server.Publisher.Patch(1).Envelope;
        for (var at = 0; at < envelope.Length; at += 7)
        {
            var changed = Flip(envelope, at);
            var status = await server.PutAsync("manifests", Publisher.Sha256(changed), changed);

            // Some bits of the envelope are not signed and mean nothing (the CMS version); what counts is that the
            // content is as it was signed.
            if (status == HttpStatusCode.Created)
                Assert.Equal(
                    CmsEnvelope.Open(envelope, [server.Publisher.Certificate], "it", ProblemCode.ManifestInvalid).Value,
                    CmsEnvelope.Open(changed, [server.Publisher.Certificate], "it", ProblemCode.ManifestInvalid).Value);
            else Assert.True((int)status is 400 or 403 or 409, $"{status} at {at}");
        }
    }

    [Fact]
    public async Task Manifest_BeforeItsModule_IsNotVisible()
    {
        await using var server = await StartAsync();
        var patch = server.Publisher.Patch(1);
        await server.PutAsync("manifests", patch.Digest, patch.Envelope);
        Assert.Equal(0, (await server.CatalogueAsync()).Sequence);
        await server.PutAsync("modules", patch.ModuleDigest, patch.Module);
        Assert.Equal(1, (await server.CatalogueAsync()).Sequence);
    }

    [Fact]
    public async Task Manifest_WhoseModuleIsHere_IsPublishedAtOnce()
    {
        await using var server = await StartAsync();
        var first = server.Publisher.Patch(1);
        await server.PublishAsync(first);
        var second = server.Publisher.Patch(2, module: first.Module);
        Assert.Equal(HttpStatusCode.Created, await server.PutAsync("manifests", second.Digest, second.Envelope));
        Assert.Equal(2, (await server.CatalogueAsync()).Sequence);

        var wrong = first.Manifest with { Sequence = 3, Module = first.Manifest.Module with { Size = 4999 } };
        var envelope = server.Publisher.Sign(wrong);
        using var answer = await server.Client.PutAsync(
            $"/v1/manifests/{Publisher.Sha256(envelope)}", new ByteArrayContent(envelope), Ct);
        Assert.Equal(ProblemCode.ManifestMismatch, (await ProblemAsync(answer)).Code);
    }

    [Fact]
    public async Task Manifest_OfATakenSequence_IsRefused_UnlessTheOtherWasNeverPublished()
    {
        await using var server = await StartAsync();
        var (abandoned, patch) = (server.Publisher.Patch(1), server.Publisher.Patch(1));
        var late = server.Publisher.Patch(1);
        await server.PutAsync("manifests", abandoned.Digest, abandoned.Envelope);
        await server.PublishAsync(patch);
        using var answer = await server.Client.PutAsync(
            $"/v1/manifests/{late.Digest}", new ByteArrayContent(late.Envelope), Ct);
        Assert.Equal(HttpStatusCode.Conflict, answer.StatusCode);
        Assert.Contains("sequence 1", (await ProblemAsync(answer)).Message, StringComparison.Ordinal);
        Assert.Equal(patch.Digest, Assert.Single((await server.CatalogueAsync()).Patches).ManifestDigest);
    }

    [Fact]
    public async Task Module_ThatIsNotTheOneNamed_IsRefusedAndLeavesNothing()
    {
        await using var server = await StartAsync();
        var patch = server.Publisher.Patch(1);
        await server.PutAsync("manifests", patch.Digest, patch.Envelope);
        var path = $"/v1/modules/{patch.ModuleDigest}";
        foreach (var (body, code) in new[]
        {
            (patch.Module[..^1], ProblemCode.ModuleDigestMismatch),
            (Array.Empty<byte>(), ProblemCode.ModuleDigestMismatch),
            (Flip(patch.Module, 0), ProblemCode.ModuleDigestMismatch),
            ([.. patch.Module, 0], ProblemCode.ModuleTooLarge),
            (new byte[1 << 20], ProblemCode.ModuleTooLarge),
        })
        {
            using var answer = await server.Client.PutAsync(path, new ByteArrayContent(body), Ct);
            Assert.Equal(code, (await ProblemAsync(answer)).Code);
        }

        var content = new StreamContent(new MemoryStream(new byte[100_000]));
        using (var chunked = new HttpRequestMessage(HttpMethod.Put, path) { Content = content })
        {
            chunked.Headers.TransferEncodingChunked = true;
            using var answer = await server.Client.SendAsync(chunked, Ct);
            Assert.Equal(HttpStatusCode.RequestEntityTooLarge, answer.StatusCode);
        }

        Assert.Empty(Directory.GetFiles(server.Folder.Uploads));
        Assert.Empty(Directory.GetFiles(server.Folder.Blobs(BlobKind.Module)));
        Assert.Equal(0, (await server.CatalogueAsync()).Sequence);
    }

    [Fact]
    public async Task Module_OfTwoGiB_IsRefusedBeforeItComes()
    {
        await using var server = await StartAsync();
        var patch = server.Publisher.Patch(1);
        await server.PutAsync("manifests", patch.Digest, patch.Envelope);
        (string Kind, string Digest, string Code)[] uploads =
        [
            ("modules", patch.ModuleDigest, "module-too-large"),
            ("manifests", patch.Digest, "request-too-large"),
        ];
        foreach (var (kind, digest, code) in uploads)
        {
            await using var call = await RawCall.StartAsync(server, "PUT", $"/v1/{kind}/{digest}", [], 2L << 30);
            var answer = await call.AnswerAsync();
            Assert.Equal(HttpStatusCode.RequestEntityTooLarge, answer.Status);
            Assert.Contains(code, answer.Text, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Module_CutOffOnTheWay_LeavesNothing()
    {
        await using var server = await StartAsync();
        var patch = server.Publisher.Patch(1, bytes: 200_000);
        await server.PutAsync("manifests", patch.Digest, patch.Envelope);
        using (var socket = new TcpClient())
        {
            await socket.ConnectAsync(IPAddress.Loopback, server.Server.Address.Port, Ct);
#pragma warning disable CA5359 // only the cut connection is looked at
            await using var tls = new SslStream(socket.GetStream(), false, (_, _, _, _) => true);
#pragma warning restore CA5359
            await tls.AuthenticateAsClientAsync("localhost");
            await tls.WriteAsync(
                Encoding.ASCII.GetBytes(
                    $"PUT /v1/modules/{patch.ModuleDigest} HTTP/1.1\r\n"
                    + "Host: localhost\r\nContent-Length: 200000\r\n\r\n"),
                Ct);
            await tls.WriteAsync(patch.Module.AsMemory(0, 100_000), Ct);
            while (Directory.GetFiles(server.Folder.Uploads).Length == 0) await Task.Delay(2, Ct);
        }

        while (Directory.GetFiles(server.Folder.Uploads).Length > 0) await Task.Delay(2, Ct);
        Assert.Equal(0, (await server.CatalogueAsync()).Sequence);
        Assert.Equal(HttpStatusCode.Created, await server.PutAsync("modules", patch.ModuleDigest, patch.Module));
    }

    [Fact]
    public async Task Withdrawal_OfAStranger_OrOfNothing_IsRefused()
    {
        await using var server = await StartAsync();
        var (patch, foreign) = (server.Publisher.Patch(1), new Publisher("stranger"));
        await server.PublishAsync(patch);
        var stranger = foreign.Withdraw(patch);
        Assert.Equal(
            HttpStatusCode.Forbidden, await server.PutAsync("withdrawals", Publisher.Sha256(stranger), stranger));
        var unknown = server.Publisher.Withdraw(server.Publisher.Patch(2));
        Assert.Equal(HttpStatusCode.NotFound, await server.PutAsync("withdrawals", Publisher.Sha256(unknown), unknown));
        var (first, second) = (server.Publisher.Withdraw(patch), server.Publisher.Withdraw(patch, "another reason"));
        Assert.Equal(HttpStatusCode.Created, await server.PutAsync("withdrawals", Publisher.Sha256(first), first));
        Assert.Equal(HttpStatusCode.OK, await server.PutAsync("withdrawals", Publisher.Sha256(second), second));
        Assert.Equal(
            Publisher.Sha256(first), Assert.Single((await server.CatalogueAsync(floor: 2)).Patches).Withdrawal);
    }

    [Theory]
    [InlineData("shorter")]
    [InlineData("changed")]
    [InlineData("gone")]
    public async Task Blobs_DamagedOnTheDisk_AreMendedByPublishingAgain(string how)
    {
        await using var server = await StartAsync();
        var patch = server.Publisher.Patch(1);
        await server.PublishAsync(patch);
        (BlobKind Kind, string Digest)[] blobs =
        [
            (BlobKind.Manifest, patch.Digest),
            (BlobKind.Module, patch.ModuleDigest),
        ];
        foreach (var (kind, digest) in blobs)
        {
            var path = server.Folder.Blob(kind, digest);
            var bytes = await File.ReadAllBytesAsync(path, Ct);
            if (how == "gone") File.Delete(path);
            else await File.WriteAllBytesAsync(path, how == "shorter" ? bytes[..^1] : Flip(bytes, 9), Ct);
        }

        Assert.Equal(HttpStatusCode.OK, await server.PutAsync("manifests", patch.Digest, patch.Envelope));
        if (how == "changed")
        {
            using var answer = await server.Client.PutAsync(
                $"/v1/modules/{patch.ModuleDigest}", new ByteArrayContent(patch.Module), Ct);
            Assert.Equal(
                (HttpStatusCode.InternalServerError, ProblemCode.DiskError),
                (answer.StatusCode, (await ProblemAsync(answer)).Code));
        }

        await server.PutAsync("modules", patch.ModuleDigest, patch.Module);
        Assert.Equal(HttpStatusCode.OK, await server.PutAsync("modules", patch.ModuleDigest, patch.Module));
        Assert.Equal(patch.Envelope, await server.Client.GetByteArrayAsync($"/v1/manifests/{patch.Digest}", Ct));
        Assert.Equal(patch.Module, await server.Client.GetByteArrayAsync($"/v1/modules/{patch.ModuleDigest}", Ct));
        Assert.Equal(1, (await server.CatalogueAsync()).Sequence);
    }

    [Fact]
    public async Task Leftovers_OfACrash_AreRemovedAtStart()
    {
        await using var server = await StartAsync();
        await server.StopAsync();
        await File.WriteAllTextAsync(Path.Combine(server.Folder.Uploads, "half"), "half", Ct);
        await server.StartAgainAsync();
        Assert.Empty(Directory.GetFiles(server.Folder.Uploads));
    }

    private static byte[] Flip(byte[] bytes, int at)
    {
        var changed = bytes.ToArray();
        changed[at] ^= 1;
        return changed;
    }
}
