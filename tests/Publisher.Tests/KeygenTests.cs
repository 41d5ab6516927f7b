using System.Security.Cryptography.X509Certificates;

namespace LivepatchAgent.Publisher.Tests;

public sealed class KeygenTests : IDisposable
{
    private readonly Workshop _shop = new();

    public void Dispose() => _shop.Dispose();

    [Fact]
    public async Task Keygen_Publisher_WritesAnEncryptedKeyOnlyItsOwnerCanRead()
    {
        _shop.Variables["LIVEPATCH_PASSPHRASE"] = "correct horse";
        var ran = await _shop.RunAsync("keygen", "--out", _shop["keys"], "--bits", "3072");

        Assert.Equal((0, ""), (ran.Code, ran.Error));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(_shop["keys/publisher.key"]));
        Assert.StartsWith(
            "-----BEGIN ENCRYPTED PRIVATE KEY-----",
            File.ReadAllText(_shop["keys/publisher.key"]),
            StringComparison.Ordinal);
        using var certificate = X509CertificateLoader.LoadCertificateFromFile(_shop["keys/publisher.der"]);
        Assert.Equal(Workshop.Now.AddYears(10), certificate.NotAfter.ToUniversalTime());
        Assert.Equal(
            0,
            (await OpenSslAsync("rsa -in keys/publisher.key -check -noout", "-passin", "pass:correct horse")).Code);
    }

    [Fact]
    public async Task Keygen_Publisher_CertificateIsAModuleSignersToOpenSsl()
    {
        _shop.Keys();
        var text = (await _shop.ProgramAsync("openssl", "x509", "-in", "publisher.pem", "-noout", "-text")).Out;

        Assert.Contains("CA:FALSE", text, StringComparison.Ordinal);
        Assert.Contains("Digital Signature", text, StringComparison.Ordinal);
        Assert.Contains("Code Signing, 1.3.6.1.4.1.2312.16.1.2", text, StringComparison.Ordinal);
        Assert.Contains("Subject Key Identifier", text, StringComparison.Ordinal);
        Assert.Equal(
            0,
            (await OpenSslAsync(
                "verify -check_ss_sig -CAfile publisher.pem -partial_chain",
                "-attime", $"{Workshop.Now.ToUnixTimeSeconds()}", "publisher.pem")).Code);
    }

    [Fact]
    public async Task Keygen_Catalogue_IsP256()
    {
        _shop.Variables["LIVEPATCH_PASSPHRASE"] = "of the publisher's key";
        var ran = await _shop.RunAsync("keygen", "--out", _shop.Folder, "--kind", "catalogue");

        Assert.Equal((0, ""), (ran.Code, ran.Error));
        Assert.Contains(
            "(not encrypted; for the server, which reads it without a passphrase)", ran.Out, StringComparison.Ordinal);
        Assert.Contains(
            "prime256v1",
            (await _shop.ProgramAsync("openssl", "ec", "-in", "catalogue.key", "-noout", "-text")).Out,
            StringComparison.Ordinal);
        Assert.False(File.Exists(_shop["catalogue.der"]));
    }

    [Fact]
    public async Task Keygen_CatalogueWithAPassphrase_IsAUsageError() =>
        Workshop.AssertOneLine(
            await _shop.RunAsync("keygen", "--out", _shop["keys"], "--kind", "catalogue", "--passphrase-file", "x"),
            64,
            "takes no passphrase");

    [Fact]
    public async Task Keygen_PassphraseFile_EncryptsTheKeyAndOpensItAgain()
    {
        File.WriteAllText(_shop["secret"], "correct horse\r\nnot this line\n");
        File.SetUnixFileMode(_shop["secret"], UnixFileMode.UserRead);
        string[] keygen = ["keygen", "--out", _shop["keys"], "--bits", "3072"];
        Assert.Equal(0, (await _shop.RunAsync([.. keygen, "--passphrase-file", _shop["secret"]])).Code);
        Assert.Equal(
            0,
            (await OpenSslAsync("rsa -in keys/publisher.key -noout", "-passin", "pass:correct horse")).Code);
        string[] sign =
        [
            "sign",
            _shop.Put(),
            "--key",
            _shop["keys/publisher.key"],
            "--cert",
            _shop["keys/publisher.pem"],
        ];
        Workshop.AssertOneLine(await _shop.RunAsync(sign), 1, "no passphrase was given");
        var ran = await _shop.RunAsync([.. sign, "--passphrase-file", _shop["secret"]]);
        Assert.Equal((0, ""), (ran.Code, ran.Error));
    }

    [Fact]
    public async Task Keygen_KeyExists_LeavesItAlone()
    {
        _shop.Keys();
        var before = File.ReadAllBytes(_shop["publisher.key"]);
        var ran = await _shop.RunAsync("keygen", "--out", _shop.Folder, "--no-passphrase");

        Workshop.AssertOneLine(ran, 1, "publisher.key exists");
        Assert.Equal(before, File.ReadAllBytes(_shop["publisher.key"]));
    }

    [Theory]
    [InlineData(new string[0], "no passphrase was given")]
    [InlineData(new[] { "short" }, "fewer than 8")]
    [InlineData(new[] { "correct horse", "battery staple" }, "differ")]
    public async Task Keygen_BadPassphraseTyped_MakesNothing(string[] typed, string expected)
    {
        // A short one is asked for twice, too: the complaint comes after.
        foreach (var line in typed.Length == 1 ? [.. typed, .. typed] : typed) _shop.Typed.Enqueue(line);
        var ran = await _shop.RunAsync("keygen", "--out", _shop["keys"], "--bits", "3072");

        Workshop.AssertOneLine(ran, 1, expected);
        Assert.False(Directory.Exists(_shop["keys"]));
    }

    [Fact]
    public async Task Keygen_PassphraseFileReadableByOthers_IsRefused()
    {
        File.WriteAllText(_shop["secret"], "correct horse\n");
        File.SetUnixFileMode(_shop["secret"], UnixFileMode.UserRead | UnixFileMode.OtherRead);

        Workshop.AssertOneLine(
            await _shop.RunAsync("keygen", "--out", _shop["keys"], "--passphrase-file", _shop["secret"]),
            1,
            "chmod 600");
    }

    private Task<Ran> OpenSslAsync(string words, params string[] more) =>
        _shop.ProgramAsync("openssl", [.. words.Split(' '), .. more]);
}
