using System.IO.Compression;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json;
using LivepatchAgent.Core;
using LivepatchAgent.Core.History;
using LivepatchAgent.Core.Trust;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.EndToEnd.Tests.Harness;

namespace LivepatchAgent.EndToEnd.Tests;

/// <summary>
/// One host that runs a patch, and a server that was stolen with its TLS key, some of the time with its catalogue key too.
/// Whatever it does, the kernel keeps what it runs and the status says what happened, by its code.
/// </summary>
public sealed class HostileServerTests(Workshop workshop)
{
    private const string CheckIns = "/v1/check-ins";
    private const string Catalogues = "/v1/catalogues/";
    private const string Manifests = "/v1/manifests/";
    private const string Modules = "/v1/modules/";

    /// <param name="What">For the reader.</param>
    /// <param name="Code">What status says.</param>
    /// <param name="Path">Which calls are answered otherwise.</param>
    /// <param name="Do">How.</param>
    private sealed record Attack(string What, ProblemCode Code, string Path, Func<StolenCall, Task> Do);

    [Fact]
    public Task Host_KeepsItsPatchAndSaysWhatHappened() => Scenario.RunAsync(async s =>
    {
        var (server, front) = await s.StolenServerAsync();
        await server.PublishAsync(await workshop.PatchAsync(HostKind.Plain, "livepatch_cmdline", "1.0", 1));
        var host = await s.HostAsync(HostKind.Plain);
        (await host.EnableAsync(await server.TokenAsync())).Good();
        var release = await host.DoAsync("uname -r");
        var first = front.Recorded.Single(r => r.Key.StartsWith(Catalogues, StringComparison.Ordinal)).Value;

        // The catalogue moves on, so that there is an old one to replay: a patch that is withdrawn again at once.
        var good = await workshop.SignedAsync(await workshop.BuiltAsync(HostKind.Plain, "livepatch_meminfo"));
        await server.PublishAsync(BadPatches.Crafted(good, "livepatch_other", "1.5", 2, release));
        await host.UntilAsync("the second catalogue was seen", x => x.Problem?.Code == ProblemCode.ModuleNameMismatch);

        using var catalogueKey = server.StolenKey("catalogue");
        using var stranger = server.StolenKey("tls");
        var now = DateTimeOffset.UtcNow;
        byte[] Forged(X509Certificate2 signer, Func<Catalogue, Catalogue> change) => CmsEnvelope.Sign(
            JsonSerializer.SerializeToUtf8Bytes(
                change(new Catalogue { Schema = Catalogue.SchemaName, Architecture = "x86_64", KernelRelease = release, Sequence = 900, IssuedAt = now, ExpiresAt = now.AddDays(7), Patches = [] }),
                WireJson.Default.Catalogue),
            signer);
        Attack[] attacks =
        [
            new("replays an old catalogue", ProblemCode.CatalogueRolledBack, Catalogues, c => c.AnswerAsync(200, first)),
            new("freezes: a catalogue that expired, signed with the stolen catalogue key", ProblemCode.CatalogueExpired, Catalogues, c => c.AnswerAsync(200, Forged(catalogueKey, x => x with { IssuedAt = now.AddDays(-9), ExpiresAt = now.AddDays(-2) }))),
            new("has the right TLS key and signs the catalogue with another", ProblemCode.CatalogueSignatureInvalid, Catalogues, c => c.AnswerAsync(200, Forged(stranger, x => x))),
            new("shows the catalogue of another kernel", ProblemCode.CatalogueInvalid, Catalogues, c => c.AnswerAsync(200, Forged(catalogueKey, x => x with { KernelRelease = "6.1.0-1-amd64" }))),
            new("an endless catalogue", ProblemCode.ServerAnswerTooLarge, Catalogues, EndlessAsync),
            new("assigns what no catalogue lists", ProblemCode.ManifestMismatch, CheckIns, c => c.AnswerAsync(200, Assigning(new string('a', 64)))),
            new("an endless answer", ProblemCode.ServerAnswerTooLarge, CheckIns, EndlessAsync),
            new("a compression bomb", ProblemCode.ServerAnswerInvalid, CheckIns, c => c.AnswerAsync(200, Bomb(), headers: "Content-Encoding: gzip\r\n")),
            new("a flood of headers", ProblemCode.ServerAnswerTooLarge, CheckIns, HeadersAsync),
            new("a redirect", ProblemCode.ServerRedirected, CheckIns, c => c.AnswerAsync(307, [], headers: "Location: https://10.0.2.2:1/\r\n")),
            new("a slow drip", ProblemCode.ServerTimeout, CheckIns, DripAsync),
            new("a flood of headers before a catalogue", ProblemCode.ServerAnswerTooLarge, Catalogues, HeadersAsync),
            new("a catalogue in a slow drip", ProblemCode.ServerTimeout, Catalogues, DripAsync),
        ];
        foreach (var attack in attacks)
        {
            await IsWithstoodAsync(front, host, attack);
            // All is well as soon as the server is.
            await host.RefreshAsync();
            await host.UntilAsync($"after \"{attack.What}\"", x => x.Settled && x.CheckIn is { Result: CheckInResult.Succeeded } && x.Problem?.Code == ProblemCode.ModuleNameMismatch);
        }

        await AnotherTlsKeyAsync(front, host);

        // A patch that the host should have: what is on the way to it is attacked.
        var two = await workshop.PatchAsync(HostKind.Plain, "livepatch_cmdline_v2", "2.0", 10);
        var module = await File.ReadAllBytesAsync(two.Module);
        var flipped = module.ToArray();
        flipped[5000] ^= 1;
        var elsewhere = BadPatches.Crafted(good, "livepatch_meminfo", "3.0", 11, "6.1.0-1-amd64");
        var foreign = await File.ReadAllBytesAsync(elsewhere.Manifest);
        attacks =
        [
            new("a flood of headers before a manifest", ProblemCode.ServerAnswerTooLarge, Manifests, HeadersAsync),
            new("a manifest in a slow drip", ProblemCode.ServerTimeout, Manifests, DripAsync),
            new("mixes: the manifest of another patch", ProblemCode.ManifestMismatch, Manifests, c => c.AnswerAsync(200, foreign)),
            new("a flood of headers before a module", ProblemCode.ServerAnswerTooLarge, Modules, HeadersAsync),
            new("a module in a slow drip", ProblemCode.ServerTimeout, Modules, c => DripAsync(c, module)),
            new("swaps a module for one of the same size", ProblemCode.ModuleDigestMismatch, Modules, c => c.AnswerAsync(200, flipped)),
            new("swaps a module for a longer one", ProblemCode.ServerAnswerTooLarge, Modules, c => c.AnswerAsync(200, [.. module, 0])),
            new("sends another range than was asked for", ProblemCode.ServerAnswerInvalid, Modules, c => c.AnswerAsync(206, module[100..200], headers: $"Content-Range: bytes 100-199/{module.Length}\r\n")),
            new("begins the rest of the module rightly and hangs up", ProblemCode.ServerUnreachable, Modules, c => PieceAsync(c, module, 100)),
            new("changes bytes in the rest of the module", ProblemCode.ModuleDigestMismatch, Modules, c => c.RangeFrom is null ? PieceAsync(c, module, 1000) : PieceAsync(c, flipped, flipped.Length)),
            new("an endless module", ProblemCode.ServerAnswerTooLarge, Modules, EndlessAsync),
            new("truncates the module", ProblemCode.ServerAnswerInvalid, Modules, c => c.AnswerAsync(200, module[..100])),
            new("redirects the module", ProblemCode.ServerRedirected, Modules, c => c.AnswerAsync(302, [], headers: "Location: http://10.0.2.2/\r\n")),
        ];
        // In between nothing is let through, as the agent tries again by itself.
        await front.WhileAsync(Modules, c => c.AnswerAsync(503, []), async () =>
        {
            await server.PublishAsync(two);
            foreach (var attack in attacks) await IsWithstoodAsync(front, host, attack);
            await MixAndMatchAsync(front, host, foreign, elsewhere.Digest(), change => Forged(catalogueKey, x => change(x with { Sequence = Sequence(front, catalogueKey) })));
        });

        (await host.RefreshAsync()).Good();
        await host.UntilAppliedAsync("2.0");
        await HistoryTellsAsync(host);
        Assert.Equal("", await host.ComplaintsAsync());
    });

    private static async Task IsWithstoodAsync(HostileServer front, LabHost host, Attack attack)
    {
        await front.WhileAsync(attack.Path, attack.Do, async () =>
        {
            await host.RefreshAsync("--timeout", "2");
            var status = await host.UntilAsync(attack.What, x => front.Struck && (x.Problem?.Code == attack.Code || x.CheckIn.Problem?.Code == attack.Code), 120);
            await StillAppliedAsync(host, status);
            Scenario.Say($"{attack.What}: {(status.Problem?.Code == attack.Code ? status.Problem : status.CheckIn.Problem)}");
        });
    }

    private static async Task AnotherTlsKeyAsync(HostileServer front, LabHost host)
    {
        var right = front.Certificate;
        using var key = System.Security.Cryptography.ECDsa.Create(System.Security.Cryptography.ECCurve.NamedCurves.nistP256);
        using var wrong = new CertificateRequest("CN=10.0.2.2", key, System.Security.Cryptography.HashAlgorithmName.SHA256).CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        front.Certificate = wrong;
        // Lines that are open are the real server's: they are closed by the first answer.
        await front.WhileAsync(CheckIns, _ => Task.CompletedTask, async () =>
        {
            await host.RefreshAsync("--timeout", "2");
            await StillAppliedAsync(host, await host.UntilAsync("another TLS key", x => x.CheckIn.Problem?.Code == ProblemCode.ServerCertificateMismatch));
        });
        front.Certificate = right;
        await host.RefreshAsync();
    }

    /// <summary>The catalogue key is stolen as well: it lists, and the server assigns, what the publisher signed for another kernel.</summary>
    private static async Task MixAndMatchAsync(HostileServer front, LabHost host, byte[] foreign, string digest, Func<Func<Catalogue, Catalogue>, byte[]> forge)
    {
        var catalogue = forge(x => x with { Patches = [new CatalogueEntry { ManifestDigest = digest, Version = "3.0", Sequence = 11 }] });
        await front.WhileAsync("/v1/", c => c.Path switch
        {
            CheckIns => c.AnswerAsync(200, Assigning(digest)),
            var path when path.StartsWith(Catalogues, StringComparison.Ordinal) => c.AnswerAsync(200, catalogue),
            _ => c.AnswerAsync(200, foreign),
        }, async () =>
        {
            await host.RefreshAsync("--timeout", "2");
            await StillAppliedAsync(host, await host.UntilAsync("a manifest for another kernel", x => x.Problem?.Code == ProblemCode.ModuleKernelMismatch));
        });
    }

    private static async Task StillAppliedAsync(LabHost host, AgentStatus status)
    {
        Assert.Equal("1.0", status.Patch?.Version);
        // A server that assigns anew all the time has the agent look again all the time: for moments there is a step under way and no refusal to show.
        for (var tries = 0; ; tries++)
        {
            var text = await host.StatusTextOfPatchedAsync();
            if (text.Status == 1 && text.Out.Contains("cure: ", StringComparison.Ordinal)) return;
            Assert.True(tries < 30, $"{text}");
            await Task.Delay(200, TestContext.Current.CancellationToken);
        }
    }

    private static async Task HistoryTellsAsync(LabHost host)
    {
        Assert.StartsWith("✓ whole: ", (await host.TryAsync("LANG=C.UTF-8 livepatch-agent history --verify")).Good(), StringComparison.Ordinal);
        var history = JsonSerializer.Deserialize(await host.DoAsync("livepatch-agent history --limit 1000 --format json"), HistoryJson.Default.HistoryAnswer)!;
        var told = history.Entries.Select(e => (e.Kind, e.Problem)).ToHashSet();
        (string, string)[] expected =
        [
            ("catalogue-refused", "catalogue-rolled-back"), ("catalogue-refused", "catalogue-expired"), ("catalogue-refused", "catalogue-signature-invalid"), ("catalogue-refused", "catalogue-invalid"),
            ("refused", "manifest-mismatch"), ("refused", "module-digest-mismatch"), ("refused", "module-kernel-mismatch"), ("server-distrusted", "server-certificate-mismatch"),
        ];
        Assert.All(expected, e => Assert.Contains((e.Item1, (string?)e.Item2), told));
        Assert.Equal(2, history.Entries.Count(e => e.Kind == "loaded"));
        Assert.Equal(5, (await host.TryAsync("runuser -u nobody -- livepatch-agent history")).Status);

        // Whoever edits it is found out.
        await host.DoAsync("cd /var/lib/livepatch-agent && cp -p history.jsonl /root/history.jsonl && sed -i s/manifest-mismatch/manifest-mislaid/ history.jsonl");
        Assert.Equal(1, (await host.TryAsync("livepatch-agent history --verify")).Status);
        await host.DoAsync("cd /var/lib/livepatch-agent && sed '$d' /root/history.jsonl >history.jsonl");
        Assert.Contains("the end was cut off", (await host.TryAsync("livepatch-agent history --verify")).Out, StringComparison.Ordinal);
        await host.DoAsync("cat /root/history.jsonl >/var/lib/livepatch-agent/history.jsonl && livepatch-agent history --verify");
    }

    /// <summary>Of the catalogue that the host saw last.</summary>
    private static long Sequence(HostileServer front, X509Certificate2 key) => JsonSerializer.Deserialize(
        CmsEnvelope.Open(front.Recorded.Single(r => r.Key.StartsWith(Catalogues, StringComparison.Ordinal)).Value, [key], "it", ProblemCode.CatalogueInvalid).Value, WireJson.Default.Catalogue)!.Sequence;

    private static byte[] Assigning(string manifest) =>
        JsonSerializer.SerializeToUtf8Bytes(new Assignment { Tag = "stolen-" + Guid.NewGuid(), ManifestDigest = manifest, CheckInSeconds = 900, Now = DateTimeOffset.UtcNow }, WireJson.Default.Assignment);

    private static byte[] Bomb()
    {
        using var packed = new MemoryStream();
        using (var gzip = new GZipStream(packed, CompressionLevel.SmallestSize)) gzip.Write(new byte[100 << 20]);
        return packed.ToArray();
    }

    private static async Task EndlessAsync(StolenCall call)
    {
        await call.RawAsync("HTTP/1.1 200 X\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n");
        var block = Encoding.ASCII.GetBytes(new string(' ', 64 * 1024));
        while (true) await call.RawAsync(block);
    }

    private static async Task HeadersAsync(StolenCall call)
    {
        await call.RawAsync("HTTP/1.1 200 X\r\n");
        for (var i = 0; ; i++) await call.RawAsync($"X-Header-{i}: {new string('x', 500)}\r\n");
    }

    private static Task DripAsync(StolenCall call) => DripAsync(call, Encoding.ASCII.GetBytes(new string(' ', 1000)));

    private static async Task DripAsync(StolenCall call, byte[] body)
    {
        await call.RawAsync($"HTTP/1.1 200 X\r\nContent-Type: application/json\r\nContent-Length: {body.Length}\r\n\r\n");
        for (var i = 0; i < 900; i++)
        {
            await call.RawAsync(body[i..(i + 1)]);
            await Task.Delay(500, call.Closing);
        }
    }

    /// <summary>So many bytes from where the host goes on, of all that are announced; the line is then closed.</summary>
    private static async Task PieceAsync(StolenCall call, byte[] module, int bytes)
    {
        var from = call.RangeFrom ?? 0;
        var range = call.RangeFrom is null ? "" : $"Content-Range: bytes {from}-{module.Length - 1}/{module.Length}\r\n";
        await call.RawAsync($"HTTP/1.1 {(call.RangeFrom is null ? 200 : 206)} X\r\nContent-Type: application/octet-stream\r\nContent-Length: {module.Length - from}\r\n{range}\r\n");
        await call.RawAsync(module[from..Math.Min(module.Length, from + bytes)]);
    }
}
