using System.Text.Json;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Publisher.Tests;

public sealed class ManifestTests : IDisposable
{
    private readonly Workshop _shop = new();

    public void Dispose() => _shop.Dispose();

    [Fact]
    public async Task Manifest_SignedModule_OpenSslReadsIt()
    {
        await _shop.ManifestAsync(await _shop.SignedAsync());
        var ran = await _shop.ProgramAsync(
            "openssl",
            "cms",
            "-verify",
            "-binary",
            "-inform",
            "DER",
            "-in",
            "patch.manifest",
            "-noverify",
            "-certfile",
            "publisher.pem");

        Assert.True(ran.Code == 0, ran.Error);
        var manifest = JsonSerializer.Deserialize(ran.Out, WireJson.Default.PatchManifest)!;
        Assert.Equal("6.12.117+deb12-cloud-amd64", manifest.KernelRelease);
        Assert.Equal("x86_64", manifest.Architecture);
        Assert.Equal((7, "2.1", "LPN-0002"), (manifest.Sequence, manifest.Version, manifest.Notice));
        Assert.Equal(["CVE-2026-0001", "CVE-2026-0002"], manifest.Fixes);
        Assert.Equal(new DateOnly(2027, 6, 30), manifest.CoveredUntil);
        Assert.False(manifest.ForceAllowed);
        Assert.Equal(new FileInfo(_shop["patch.ko"]).Length, manifest.Module.Size);
        Assert.Equal([new PatchedFunction("vmlinux", "cmdline_proc_show")], manifest.Module.Functions);
    }

    [Fact]
    public async Task Show_WithCertificate_ChecksTheSignature()
    {
        var manifest = await _shop.ManifestAsync(await _shop.SignedAsync(), "--force-allowed");
        await _shop.RunAsync("keygen", "--out", _shop["k"], "--bits", "3072", "--no-passphrase");

        var good = await _shop.RunAsync("show", manifest, "--cert", _shop["publisher.pem"]);
        Assert.Equal(0, good.Code);
        Assert.Contains("signature:     good, by CN=test publisher", good.Out, StringComparison.Ordinal);
        Assert.Contains("force allowed: yes", good.Out, StringComparison.Ordinal);
        Workshop.AssertOneLine(
            await _shop.RunAsync("show", manifest, "--cert", _shop["k/publisher.pem"]),
            1,
            "no key that this host trusts");
        Assert.Contains("not checked", (await _shop.RunAsync("show", manifest)).Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Manifest_UnsignedModule_IsRefused() =>
        Workshop.AssertOneLine(await TryAsync(_shop.Put()), 1, "is not signed");

    [Fact]
    public async Task Manifest_ModuleSignedByAnother_IsRefused()
    {
        await _shop.RunAsync("keygen", "--out", _shop["k"], "--bits", "3072", "--no-passphrase");
        var module = _shop.Put();
        await _shop.RunAsync("sign", module, "--key", _shop["k/publisher.key"], "--cert", _shop["k/publisher.pem"]);

        Workshop.AssertOneLine(await TryAsync(module), 1, "a host would refuse it");
        Assert.False(File.Exists(_shop["patch.manifest"]));
    }

    [Theory]
    [InlineData("--sequence", "0")]
    [InlineData("--sequence", "-1")]
    [InlineData("--sequence", "x")]
    [InlineData("--covered-until", "2027-02-30")]
    [InlineData("--covered-until", "30.6.2027")]
    public async Task Manifest_ImpossibleOption_IsAUsageError(string option, string value)
    {
        var ran = await _shop.RunAsync(
            ["manifest", await _shop.SignedAsync(), .. Options(option, value), .. _shop.Keys()]);
        Workshop.AssertOneLine(ran, 64, option);
    }

    [Theory]
    [InlineData("--fixes", "CVE 1")]
    [InlineData("--version", "")]
    [InlineData("--notice", "two\nlines")]
    public async Task Manifest_WhatAHostWouldRefuse_IsNotSigned(string option, string value)
    {
        var ran = await _shop.RunAsync(
            ["manifest", await _shop.SignedAsync(), .. Options(option, value), .. _shop.Keys()]);
        Workshop.AssertOneLine(ran, 1, "cannot make a manifest");
    }

    private async Task<Ran> TryAsync(string module) =>
        await _shop.RunAsync(["manifest", module, .. Options("", ""), .. _shop.Keys()]);

    private static IEnumerable<string> Options(string changed, string value)
    {
        (string Name, string Value)[] options =
        [
            ("--version", "1"),
            ("--sequence", "1"),
            ("--notice", "LPN-1"),
            ("--covered-until", "2027-06-30"),
            ("--fixes", "CVE-1"),
        ];
        return options.SelectMany(option => new[] { option.Name, option.Name == changed ? value : option.Value });
    }
}
