using LivepatchAgent.EndToEnd.Tests.Harness;

namespace LivepatchAgent.EndToEnd.Tests;

/// <summary>A publisher's key is exchanged for two others, both of whom must sign, while the host runs; nobody touches the host.</summary>
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
            "pins", "create", "--version", "1", "--threshold", "2", "--publisher", Certificate(a), "--publisher", Certificate(b), "--catalogue", Path.Combine(server.Data, "catalogue.crt"), "--tls", await server.PinAsync(),
            "--out", pins, "--key", Workshop.PublisherKey, "--cert", Workshop.PublisherCertificate);
        (await server.PublisherAsync("pins", "publish", pins)).Good();
        await host.DoAsync("for i in $(seq 150); do livepatch-agent history | grep -q 'pins-changed.*2 of 2 publishers' && exit; sleep 0.2; done; exit 1");
        await host.UntilAppliedAsync("1.0");

        // The old key speaks for nothing any more, on the server as on the host.
        var old = await workshop.PatchAsync(HostKind.Plain, "livepatch_cmdline_v2", "2.0", 2);
        Assert.Contains("no key that this host trusts has signed it", (await server.PublisherAsync("publish", old.Module, old.Manifest)).Error, StringComparison.Ordinal);

        var module = workshop.Fresh("livepatch_cmdline_v2.ko");
        await Workshop.ToolAsync(["sign", await workshop.BuiltAsync(HostKind.Plain, "livepatch_cmdline_v2"), "--out", module, .. Signing(a)]);
        await Workshop.ToolAsync(["manifest", module, "--version", "3.0", "--sequence", "3", "--notice", "LPN-0003", "--covered-until", "2099-06-30", .. Signing(a)]);
        var manifest = Path.ChangeExtension(module, ".manifest");
        Assert.Contains("and 2 are needed", (await server.PublisherAsync("publish", module, manifest)).Error, StringComparison.Ordinal);
        await host.UntilAppliedAsync("1.0");

        File.Delete(manifest);
        await Workshop.ToolAsync(["manifest", module, "--version", "4.0", "--sequence", "4", "--notice", "LPN-0004", "--covered-until", "2099-06-30", .. Signing(a)]);
        await Workshop.ToolAsync(["cosign", manifest, .. Signing(b)]);
        (await server.PublisherAsync("publish", module, manifest)).Good();
        await host.UntilAppliedAsync("4.0");
        Assert.StartsWith("✓ whole: ", (await host.TryAsync("LANG=C.UTF-8 livepatch-agent history --verify")).Good(), StringComparison.Ordinal);
    });

    private async Task<string> KeysAsync()
    {
        var keys = workshop.Fresh("keys");
        await Workshop.ToolAsync("keygen", "--out", keys, "--name", "Another publisher", "--no-passphrase", "--bits", "3072");
        return keys;
    }

    private static string Certificate(string keys) => Path.Combine(keys, "publisher.pem");

    private static string[] Signing(string keys) => ["--key", Path.Combine(keys, "publisher.key"), "--cert", Certificate(keys)];
}
