using System.Security.Cryptography;
using System.Security.Cryptography.Pkcs;
using System.Security.Cryptography.Xml;

namespace LivepatchAgent.Publisher.Tests;

public sealed class SignTests : IDisposable
{
    private const int TrailerLength = 40;
    private readonly Workshop _shop = new();

    public void Dispose() => _shop.Dispose();

    [Fact]
    public async Task Sign_Module_OpenSslFindsTheSignatureGood()
    {
        var signed = File.ReadAllBytes(await _shop.SignedAsync());
        var content = Workshop.Module("livepatch_cmdline-6.12.ko.bin");

        Assert.Equal(content, signed[..content.Length]);
        Assert.EndsWith(
            "~Module signature appended~\n", System.Text.Encoding.ASCII.GetString(signed), StringComparison.Ordinal);
        File.WriteAllBytes(_shop["content"], content);
        File.WriteAllBytes(_shop["p7s"], signed[content.Length..^TrailerLength]);
        var ran = await _shop.ProgramAsync(
            "openssl",
            "cms",
            "-verify",
            "-binary",
            "-inform",
            "DER",
            "-in",
            "p7s",
            "-content",
            "content",
            "-noverify",
            "-certfile",
            "publisher.pem",
            "-out",
            "/dev/null");
        Assert.True(ran.Code == 0, ran.Error);
    }

    [Fact]
    public async Task Sign_Module_HasTheSignatureThatSignFileMakes()
    {
        var signFile = Directory.GetDirectories("/usr/lib", "linux-kbuild-*").Select(
            d => Path.Combine(d, "scripts", "sign-file")).FirstOrDefault(File.Exists);
        Assert.True(signFile is not null, "the kernel's scripts/sign-file is not installed; packaging/install-deps");
        var ours = await _shop.SignedAsync();
        var theirs = _shop.Put(name: "theirs.ko");
        var ran = await _shop.ProgramAsync(signFile, "sha256", "publisher.key", "publisher.pem", theirs);
        Assert.True(ran.Code == 0, ran.Error);

        // Not byte for byte: OpenSSL writes the digest's absent parameters as NULL, .NET leaves them out as RFC 5754
        // asks.
        var (a, b) = (Signer(ours), Signer(theirs));
        Assert.Equal(Convert.ToHexString(b.GetSignature()), Convert.ToHexString(a.GetSignature()));
        Assert.Equal(b.DigestAlgorithm.Value, a.DigestAlgorithm.Value);
        Assert.Equal(b.SignatureAlgorithm.Value, a.SignatureAlgorithm.Value);
        Assert.Equal(
            ((X509IssuerSerial)b.SignerIdentifier.Value!).SerialNumber,
            ((X509IssuerSerial)a.SignerIdentifier.Value!).SerialNumber);
        Assert.Empty(a.SignedAttributes);
        Assert.Equal(b.Version, a.Version);
    }

    private static SignerInfo Signer(string path)
    {
        var cms = new SignedCms();
        cms.Decode(
            File.ReadAllBytes(path).AsSpan()[Workshop.Module("livepatch_cmdline-6.12.ko.bin").Length..^TrailerLength]);
        Assert.Empty(cms.Certificates);
        return Assert.Single(cms.SignerInfos.Cast<SignerInfo>());
    }

    [Fact]
    public async Task Sign_Twice_IsRefusedUnlessReplaced()
    {
        var module = await _shop.SignedAsync();
        var before = SHA256.HashData(File.ReadAllBytes(module));

        Workshop.AssertOneLine(await _shop.RunAsync(["sign", module, .. _shop.Keys()]), 1, "--replace-signature");
        Assert.Equal(before, SHA256.HashData(File.ReadAllBytes(module)));
        Assert.Equal(0, (await _shop.RunAsync(["sign", module, "--replace-signature", .. _shop.Keys()])).Code);
        Assert.Equal(before, SHA256.HashData(File.ReadAllBytes(module)));
    }

    [Fact]
    public async Task Sign_Out_LeavesTheSourceAlone()
    {
        var module = _shop.Put();
        Assert.Equal(0, (await _shop.RunAsync(["sign", module, "--out", _shop["signed.ko"], .. _shop.Keys()])).Code);

        Assert.Equal(Workshop.Module("livepatch_cmdline-6.12.ko.bin"), File.ReadAllBytes(module));
        Assert.True(File.Exists(_shop["signed.ko"]));
    }

    [Fact]
    public async Task Sign_NotALivepatch_Warns()
    {
        var module = _shop.Put();
        var bytes = File.ReadAllBytes(module);
        "nolivepat"u8.CopyTo(bytes.AsSpan(bytes.AsSpan().IndexOf("livepatch=Y"u8)));
        File.WriteAllBytes(module, bytes);

        Workshop.AssertOneLine(await _shop.RunAsync(["sign", module, .. _shop.Keys()]), 0, "is not a livepatch");
    }

    /// <summary>As `strip --strip-unneeded` leaves it.</summary>
    [Fact]
    public async Task Sign_NewCodeWithoutItsName_Warns()
    {
        var module = _shop.Put();
        var bytes = File.ReadAllBytes(module);
        bytes[bytes.AsSpan().LastIndexOf("patched_cmdline_proc_show\0"u8)] = 0;
        File.WriteAllBytes(module, bytes);

        var ran = await _shop.RunAsync(["sign", module, .. _shop.Keys()]);
        Workshop.AssertOneLine(ran, 0, "patched-functions: no symbol names the new code of vmlinux:cmdline_proc_show");
    }

    [Theory]
    [InlineData(UnixFileMode.UserRead | UnixFileMode.GroupRead)]
    [InlineData(UnixFileMode.UserRead | UnixFileMode.OtherWrite)]
    public async Task Sign_KeyOpenToOthers_IsRefusedWithTheCure(UnixFileMode mode)
    {
        var module = _shop.Put();
        var keys = _shop.Keys();
        File.SetUnixFileMode(_shop["publisher.key"], mode);

        Workshop.AssertOneLine(await _shop.RunAsync(["sign", module, .. keys]), 1, "chmod 600");
    }

    [Fact]
    public async Task Sign_EncryptedKey_TakesThePassphraseFromThePrompt()
    {
        _shop.Variables["LIVEPATCH_PASSPHRASE"] = "correct horse";
        await _shop.RunAsync("keygen", "--out", _shop["k"], "--bits", "3072");
        _shop.Variables.Clear();
        string[] sign = ["sign", _shop.Put(), "--key", _shop["k/publisher.key"], "--cert", _shop["k/publisher.pem"]];

        Workshop.AssertOneLine(await _shop.RunAsync(sign), 1, "no passphrase was given");
        _shop.Typed.Enqueue("wrong horse");
        Workshop.AssertOneLine(await _shop.RunAsync(sign), 1, "the passphrase is wrong");
        _shop.Typed.Enqueue("correct horse");
        Assert.Equal(0, (await _shop.RunAsync(sign)).Code);
    }

    [Fact]
    public async Task Sign_CertificateOfAnotherKey_IsRefused()
    {
        await _shop.RunAsync("keygen", "--out", _shop["k"], "--bits", "3072", "--no-passphrase");
        _shop.Keys();

        Workshop.AssertOneLine(
            await _shop.RunAsync(
                "sign", _shop.Put(), "--key", _shop["publisher.key"], "--cert", _shop["k/publisher.pem"]),
            1,
            "is not the private key of");
    }

    [Fact]
    public async Task Sign_Garbage_IsOneLine()
    {
        File.WriteAllText(_shop["garbage.ko"], "not a module");
        Workshop.AssertOneLine(
            await _shop.RunAsync(["sign", _shop["garbage.ko"], .. _shop.Keys()]), 1, "it is not an ELF file");
        Workshop.AssertOneLine(await _shop.RunAsync(["sign", _shop["missing.ko"], .. _shop.Keys()]), 1, "no such file");
        Workshop.AssertOneLine(await _shop.RunAsync(["sign", _shop.Folder, .. _shop.Keys()]), 1, "cannot read");
    }
}
