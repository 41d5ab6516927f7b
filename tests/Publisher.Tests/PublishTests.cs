using System.Security.Cryptography;
using LivepatchAgent.Core.Trust;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Publisher.Keys;

namespace LivepatchAgent.Publisher.Tests;

public sealed class PublishTests : IDisposable
{
    private readonly Workshop _shop = new();

    public void Dispose() => _shop.Dispose();

    [Fact]
    public async Task Publish_Pinned_SendsTheManifestThenTheModule()
    {
        await using var server = new TlsServer(_ => TlsServer.Answer(201));
        var module = await _shop.SignedAsync();
        var manifest = await _shop.ManifestAsync(module);
        var ran = await _shop.RunAsync("publish", module, "--server", server.Url, "--server-pin", server.Pin);

        Assert.Equal((0, ""), (ran.Code, ran.Error));
        var uploads = server.Uploads.ToArray();
        Assert.Equal(2, uploads.Length);
        Assert.Equal(
            ($"PUT /v1/manifests/{Sha256(manifest)} HTTP/1.1", "application/pkcs7-mime"),
            (uploads[0].Path, uploads[0].ContentType));
        Assert.Equal($"PUT /v1/modules/{Sha256(module)} HTTP/1.1", uploads[1].Path);
        Assert.Equal(File.ReadAllBytes(module), uploads[1].Body);
        Assert.Contains("published: livepatch_cmdline 2.1 (sequence 7)", ran.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Publish_Again_SaysItWasThere()
    {
        await using var server = new TlsServer(_ => TlsServer.Answer(200));
        Assert.Contains("was there already", (await PublishAsync(server)).Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Publish_OwnAuthority_IsTrustedAndTheSystemsAreNot()
    {
        await using var server = new TlsServer(_ => TlsServer.Answer(201));
        File.WriteAllText(_shop["ca.pem"], server.Pem);
        var module = await _shop.SignedAsync();
        await _shop.ManifestAsync(module);

        Workshop.AssertOneLine(await _shop.RunAsync("publish", module, "--server", server.Url), 1, "is not trusted");
        Assert.Empty(server.Uploads);
        Assert.Equal(
            0, (await _shop.RunAsync("publish", module, "--server", server.Url, "--ca", _shop["ca.pem"])).Code);
    }

    [Fact]
    public async Task Publish_WrongPin_SendsNothing()
    {
        await using var server = new TlsServer(_ => TlsServer.Answer(201));
        var module = await _shop.SignedAsync();
        await _shop.ManifestAsync(module);

        Workshop.AssertOneLine(
            await _shop.RunAsync("publish", module, "--server", server.Url, "--server-pin", new string('0', 64)),
            1,
            "does not have the key that --server-pin names");
        Assert.Empty(server.Uploads);
    }

    private static string Flood => string.Concat(Enumerable.Repeat($"X-Flood: {new string('x', 1000)}\r\n", 40));

    public static TheoryData<string, string> BadAnswers => new()
    {
        { TlsServer.Answer(500, "<html>oops</html>", "text/html"), "answered 500 without a reason" },
        { TlsServer.Answer(404, "<html>nginx</html>", "text/html"), "not as a livepatch-server does" },
        { TlsServer.Answer(400, "{\"error\":", "application/json"), "not as a livepatch-server does" },
        { TlsServer.Answer(400, "[]", "application/json"), "not as a livepatch-server does" },
        { TlsServer.Answer(400, "null", "application/json"), "not as a livepatch-server does" },
        { TlsServer.Answer(400, new string(' ', 100_000), "application/json"), "not as a livepatch-server does" },
        { "HTTP/1.1 302 X\r\nLocation: https://elsewhere.invalid/\r\nContent-Length: 0\r\n\r\n", "is not followed" },
        { "garbage\r\n\r\n", "cannot reach" },
        { "", "cannot reach" },
        { $"HTTP/1.1 201 X\r\n{Flood}\r\n", "cannot reach" },
        {
            TlsServer.Answer(409, """
                {"error":{"code":"patch-rolled-back","message":"cannot take: \u001b[31mold","cure":"raise --sequence"}}
                """),
            "refused: cannot take: \\u001b[31mold; raise --sequence"
        },
    };

    [Theory]
    [MemberData(nameof(BadAnswers))]
    public async Task Publish_BadAnswer_IsOneLine(string answer, string expected)
    {
        await using var server = new TlsServer(_ => answer);
        Workshop.AssertOneLine(await PublishAsync(server), 1, expected);
    }

    [Fact]
    public async Task Publish_NothingListens_IsOneLine()
    {
        var module = await _shop.SignedAsync();
        await _shop.ManifestAsync(module);
        var ran = await _shop.RunAsync("publish", module, "--server", "https://127.0.0.1:1");
        Workshop.AssertOneLine(ran, 1, "cannot reach 127.0.0.1:1: connection refused");
    }

    [Fact]
    public async Task Publish_ManifestOfAnotherModule_SendsNothing()
    {
        await using var server = new TlsServer(_ => TlsServer.Answer(201));
        var manifest = await _shop.ManifestAsync(await _shop.SignedAsync());
        var other = _shop.Put("livepatch_cmdline_v2-6.12.ko.bin", "other.ko");

        Workshop.AssertOneLine(
            await _shop.RunAsync("publish", other, manifest, "--server", server.Url, "--server-pin", server.Pin),
            1,
            "is not the manifest of");
        Assert.Empty(server.Uploads);
    }

    [Theory]
    [InlineData("--server", "http://localhost")]
    [InlineData("--server", "https://user@localhost")]
    [InlineData("--server-pin", "abc")]
    public async Task Publish_ImpossibleAddress_IsAUsageError(string option, string value)
    {
        string[] args = option == "--server"
            ? ["publish", "x.ko", option, value]
            : ["publish", "x.ko", "--server", "https://localhost", option, value];
        Workshop.AssertOneLine(await _shop.RunAsync(args), 64, option);
    }

    [Fact]
    public async Task Withdraw_Manifest_SendsASignedWithdrawal()
    {
        await using var server = new TlsServer(_ => TlsServer.Answer(201));
        var manifest = await _shop.ManifestAsync(await _shop.SignedAsync());
        string[] to = ["--server", server.Url, "--server-pin", server.Pin];
        var ran = await _shop.RunAsync(["withdraw", manifest, "--reason", "it oopses", .. to, .. _shop.Keys()]);

        Assert.Equal((0, ""), (ran.Code, ran.Error));
        var upload = Assert.Single(server.Uploads);
        var digest = Convert.ToHexStringLower(SHA256.HashData(upload.Body));
        Assert.Equal($"PUT /v1/withdrawals/{digest} HTTP/1.1", upload.Path);
        using var certificate = SigningKey.LoadCertificate(_shop["publisher.pem"]).Value;
        Assert.Equal(
            new PatchWithdrawal
            {
                Schema = PatchWithdrawal.SchemaName,
                ManifestDigest = Sha256(manifest),
                Reason = "it oopses",
            },
            ManifestVerifier.VerifyWithdrawal(upload.Body, digest, [certificate]).Value);
    }

    [Fact]
    public async Task Withdraw_WhatWasWithdrawnBefore_SaysThatItChangedNothing()
    {
        await using var server = new TlsServer(_ => TlsServer.Answer(200));
        var manifest = await _shop.ManifestAsync(await _shop.SignedAsync());
        string[] to = ["--server", server.Url, "--server-pin", server.Pin];
        var ran = await _shop.RunAsync(["withdraw", manifest, "--reason", "it oopses", .. to, .. _shop.Keys()]);
        Assert.Equal((0, ""), (ran.Code, ran.Error));
        Assert.StartsWith($"withdrawn before: {Sha256(manifest)} on ", ran.Out, StringComparison.Ordinal);

        await _shop.RunAsync(
            ["withdrawal", "create", manifest, "--reason", "it oopses", "--out", _shop["w"], .. _shop.Keys()]);
        ran = await _shop.RunAsync(["withdrawal", "publish", _shop["w"], .. to]);
        Assert.StartsWith("withdrawn before: ", ran.Out, StringComparison.Ordinal);
        Assert.Contains("changed nothing", ran.Out, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("sign")]
    [InlineData("manifest")]
    [InlineData("publish")]
    [InlineData("inspect")]
    public async Task Module_OfTwoGiB_IsRefusedInALine(string verb)
    {
        using (var sparse = File.Create(_shop["huge.ko"])) sparse.SetLength(2L << 30);
        string[] rest = verb switch
        {
            "sign" => _shop.Keys(),
            "manifest" =>
            [
                "--version",
                "1",
                "--sequence",
                "1",
                "--notice",
                "N",
                "--covered-until",
                "2027-01-01",
                .. _shop.Keys(),
            ],
            "publish" => ["--server", "https://localhost:1"],
            _ => [],
        };
        Workshop.AssertOneLine(
            await _shop.RunAsync([verb, _shop["huge.ko"], .. rest]),
            1,
            "huge.ko: it has more than 268435456 bytes; no livepatch is that large");
    }

    private async Task<Ran> PublishAsync(TlsServer server)
    {
        var module = await _shop.SignedAsync();
        await _shop.ManifestAsync(module);
        return await _shop.RunAsync("publish", module, "--server", server.Url, "--server-pin", server.Pin);
    }

    private static string Sha256(string path) => Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(path)));
}
