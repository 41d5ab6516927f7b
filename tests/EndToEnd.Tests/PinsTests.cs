using LivepatchAgent.EndToEnd.Tests.Harness;

namespace LivepatchAgent.EndToEnd.Tests;

/// <summary>
/// A publisher's key is exchanged for two others, which must both sign, while the host runs. Nobody touches the host.
/// </summary>
public sealed class PinsTests(Workshop workshop)
{
    [Fact]
    public Task Host_FollowsItsPublisherToOthers() => Scenario.RunAsync(async s =>
    {
        var server = await s.ServerAsync();
        await server.PublishAsync(await workshop.PatchAsync(HostKind.Plain, "livepatch_cmdline", "1.0", 1));
        var host = await s.HostAsync(HostKind.Plain);
        (await host.EnableAsync(await server.TokenAsync())).Good();

        var (a, b) = (await KeysAsync(), await KeysAsync());
        var pins = workshop.Fresh("pins-1");
        await Workshop.ToolAsync(
        [
            "pins", "create", "--version", "1", "--threshold", "2",
            "--publisher", Certificate(a), "--publisher", Certificate(b),
            "--catalogue", Path.Combine(server.Data, "catalogue.crt"), "--tls", await server.PinAsync(),
            "--out", pins, .. Workshop.Signing,
        ]);
        (await server.PublisherAsync("pins", "publish", pins)).Good();
        await host.UntilHoldsAsync(
            "livepatch-agent history | grep -q 'pins-changed.*2 of 2 publishers'", tries: 100);
        await host.UntilAppliedAsync("1.0");

        // The old key speaks for nothing any more, on the server as on the host.
        var old = await workshop.PatchAsync(HostKind.Plain, "livepatch_cmdline_v2", "2.0", 2);
        var untrusted = await server.PublisherAsync("publish", old.Module, old.Manifest);
        Assert.Contains("no key that this host trusts has signed it", untrusted.Error, StringComparison.Ordinal);

        var module = workshop.Fresh("livepatch_cmdline_v2.ko");
        var built = await workshop.BuiltAsync(HostKind.Plain, "livepatch_cmdline_v2");
        await Workshop.ToolAsync(["sign", built, "--out", module, .. Signing(a)]);
        await ManifestAsync(module, 3, a);
        var manifest = Path.ChangeExtension(module, ".manifest");
        var half = await server.PublisherAsync("publish", module, manifest);
        Assert.Contains("and 2 are needed", half.Error, StringComparison.Ordinal);
        await host.UntilAppliedAsync("1.0");

        File.Delete(manifest);
        await ManifestAsync(module, 4, a);
        await Workshop.ToolAsync(["cosign", manifest, .. Signing(b)]);
        (await server.PublisherAsync("publish", module, manifest)).Good();
        await host.UntilAppliedAsync("4.0");
        await host.HistoryIsWholeAsync();
    });

    private static Task ManifestAsync(string module, int sequence, string keys) => Workshop.ToolAsync(
    [
        "manifest", module, "--version", $"{sequence}.0", "--sequence", $"{sequence}", "--notice", $"LPN-{sequence:D4}",
        "--covered-until", "2099-06-30", .. Signing(keys),
    ]);

    private async Task<string> KeysAsync()
    {
        var keys = workshop.Fresh("keys");
        string[] words = ["keygen", "--out", keys, "--name", "Another publisher", "--no-passphrase", "--bits", "3072"];
        await Workshop.ToolAsync(words);
        return keys;
    }

    private static string Certificate(string keys) => Path.Combine(keys, "publisher.pem");

    private static string[] Signing(string keys) =>
        ["--key", Path.Combine(keys, "publisher.key"), "--cert", Certificate(keys)];
}
