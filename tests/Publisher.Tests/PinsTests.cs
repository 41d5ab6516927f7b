using System.Security.Cryptography.X509Certificates;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Trust;

namespace LivepatchAgent.Publisher.Tests;

/// <summary>Several publishers, and sets of pins, by the real command line.</summary>
public sealed class PinsTests : IDisposable
{
    private readonly Workshop _shop = new();

    public void Dispose() => _shop.Dispose();

    [Fact]
    public async Task Pins_CreatedCosignedShownAndPublished()
    {
        var (first, second) = (_shop.Keys(), await OtherAsync("b"));
        var server = await OtherAsync("server", "catalogue");
        string[] what =
        [
            "--version",
            "1",
            "--threshold",
            "2",
            "--publisher",
            first[3],
            "--publisher",
            second[3],
            "--catalogue",
            server[3],
            "--tls",
            new string('A', 64),
            "--out",
            _shop["pins-1"],
        ];
        var ran = await _shop.RunAsync(["pins", "create", .. what, .. first]);
        Assert.Equal((0, ""), (ran.Code, ran.Error));
        Assert.Contains("2 of 2 publishers", ran.Out, StringComparison.Ordinal);
        Workshop.AssertOneLine(await _shop.RunAsync(["pins", "create", .. what, .. first]), 1, "it exists");

        Workshop.AssertOneLine(await _shop.RunAsync(["cosign", _shop["pins-1"], .. first]), 1, "has signed it already");
        ran = await _shop.RunAsync(["cosign", _shop["pins-1"], .. second]);
        Assert.Equal((0, ""), (ran.Code, ran.Error));
        Assert.Contains("now has 2 signatures", ran.Out, StringComparison.Ordinal);
        Assert.Contains(
            "2 (not checked)", (await _shop.RunAsync("pins", "show", _shop["pins-1"])).Out, StringComparison.Ordinal);

        using var a = X509CertificateLoader.LoadCertificateFromFile(first[3]);
        using var b = X509CertificateLoader.LoadCertificateFromFile(second[3]);
        var pins = PinSetVerifier.Verify(File.ReadAllBytes(_shop["pins-1"]), [a, b], 2, 0).Value.Content;
        Assert.Equal((1, 2, new string('a', 64)), (pins.Version, pins.Threshold, Assert.Single(pins.Tls)));
        Assert.NotNull(PinSetVerifier.Verify(File.ReadAllBytes(_shop["pins-1"]), [a, b], 2, 1).Problem);

        await using var taking = new TlsServer(_ => TlsServer.Answer(201));
        ran = await _shop.RunAsync(
            "pins", "publish", _shop["pins-1"], "--server", taking.Url, "--server-pin", taking.Pin);
        Assert.Equal((0, ""), (ran.Code, ran.Error));
        var upload = Assert.Single(taking.Uploads);
        Assert.Equal(("PUT /v1/pins/1 HTTP/1.1", "application/pkcs7-mime"), (upload.Path, upload.ContentType));
        Assert.Equal(File.ReadAllBytes(_shop["pins-1"]), upload.Body);
    }

    [Theory]
    [InlineData("its threshold is 3, of 1 publishers", "--threshold", "3")]
    [InlineData("its threshold is 0, of 1 publishers", "--threshold", "0")]
    [InlineData("a TLS pin in it is not a SHA-256", "--tls", "zz")]
    public async Task Pins_ThatNoHostWouldFollow_AreNotMade(string why, params string[] options)
    {
        var keys = _shop.Keys();
        string[] certificates = ["--publisher", keys[3], "--catalogue", keys[3]];
        string[] create = ["pins", "create", .. certificates, "--out", _shop["p"], .. keys];
        var ran = await _shop.RunAsync([.. create, "--version", "1", .. options]);
        Workshop.AssertOneLine(ran, 1, why);
        Assert.False(File.Exists(_shop["p"]));
        Assert.Equal(
            64,
            (await _shop.RunAsync([.. create, "--version", "0"])).Code);
        File.WriteAllText(_shop["garbage"], "garbage");
        Workshop.AssertOneLine(await _shop.RunAsync("pins", "show", _shop["garbage"]), 1, "cannot use");
        Workshop.AssertOneLine(
            await _shop.RunAsync(["cosign", _shop["garbage"], .. keys]), 1, "it is not a CMS message");
    }

    [Fact]
    public async Task ManifestAndWithdrawal_AreCosigned()
    {
        var (first, second) = (_shop.Keys(), await OtherAsync("b"));
        using var a = X509CertificateLoader.LoadCertificateFromFile(first[3]);
        using var b = X509CertificateLoader.LoadCertificateFromFile(second[3]);
        var manifest = await _shop.ManifestAsync(await _shop.SignedAsync());
        Assert.Equal(
            ProblemCode.ManifestSignatureInvalid,
            ManifestVerifier.Verify(File.ReadAllBytes(manifest), null, [a, b], 2).Problem?.Code);
        Assert.Equal(0, (await _shop.RunAsync(["cosign", manifest, .. second])).Code);
        var verified = ManifestVerifier.Verify(File.ReadAllBytes(manifest), null, [a, b], 2).Value;

        Assert.Equal(
            0,
            (await _shop.RunAsync(
                ["withdrawal", "create", manifest, "--reason", "it stalls", "--out", _shop["w"], .. first])).Code);
        Assert.Equal(0, (await _shop.RunAsync(["cosign", _shop["w"], .. second])).Code);
        Assert.Equal(
            verified.Digest,
            ManifestVerifier.VerifyWithdrawal(File.ReadAllBytes(_shop["w"]), null, [a, b], 2).Value.ManifestDigest);
        await using var server = new TlsServer(_ => TlsServer.Answer(201));
        Assert.Equal(
            0,
            (await _shop.RunAsync(
                "withdrawal", "publish", _shop["w"], "--server", server.Url, "--server-pin", server.Pin)).Code);
        Assert.StartsWith("PUT /v1/withdrawals/", Assert.Single(server.Uploads).Path, StringComparison.Ordinal);
    }

    /// <summary>The options that name another key.</summary>
    private async Task<string[]> OtherAsync(string name, string kind = "publisher")
    {
        string[] bits = kind == "publisher" ? ["--bits", "3072"] : [];
        var ran = await _shop.RunAsync(
            ["keygen", "--out", _shop[name], "--name", name, "--kind", kind, "--no-passphrase", .. bits]);
        Assert.Equal((0, ""), (ran.Code, ran.Error));
        return ["--key", Path.Combine(_shop[name], kind + ".key"), "--cert", Path.Combine(_shop[name], kind + ".pem")];
    }
}
