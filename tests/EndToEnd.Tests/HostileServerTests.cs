using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using LivepatchAgent.Core;
using LivepatchAgent.Core.History;
using LivepatchAgent.Core.Trust;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.EndToEnd.Tests.Harness;
using static LivepatchAgent.EndToEnd.Tests.Harness.Attacks;
using static LivepatchAgent.EndToEnd.Tests.Harness.BadAnswers;

namespace LivepatchAgent.EndToEnd.Tests;

/// <summary>
/// One host that runs a patch, and a server that was stolen with its TLS key, some of the time with its catalogue key
/// too. Whatever it does, the kernel keeps what it runs and the status says what happened, by its code.
/// </summary>
public sealed class HostileServerTests(Workshop workshop)
{
    [Fact]
    public Task Host_KeepsItsPatchAndSaysWhatHappened() => Scenario.RunAsync(async s =>
    {
        var (server, front) = await s.StolenServerAsync();
        await server.PublishAsync(await workshop.PatchAsync(HostKind.Plain, "livepatch_cmdline", "1.0", 1));
        var host = await s.HostAsync(HostKind.Plain);
        (await host.EnableAsync(await server.TokenAsync())).Good();
        var release = await host.DoAsync("uname -r");
        var first = LastCatalogue(front);

        // The catalogue moves on, so that there is an old one to replay: a patch that is withdrawn again at once.
        var good = await workshop.SignedAsync(await workshop.BuiltAsync(HostKind.Plain, "livepatch_meminfo"));
        await server.PublishAsync(BadPatches.Crafted(good, "livepatch_other", "1.5", 2, release));
        await host.UntilAsync("the second catalogue was seen", x => x.Problem?.Code == ProblemCode.ModuleNameMismatch);

        using var catalogueKey = server.StolenKey("catalogue");
        using var stranger = server.StolenKey("tls");
        var now = DateTimeOffset.UtcNow;
        var listing = new Catalogue
        {
            Schema = Catalogue.SchemaName,
            Architecture = "x86_64",
            KernelRelease = release,
            Sequence = 900,
            IssuedAt = now,
            ExpiresAt = now.AddDays(7),
            Patches = [],
        };
        foreach (var attack in OnTheConversation(first, listing, catalogueKey, stranger))
        {
            await IsWithstoodAsync(front, host, attack);
            // All is well as soon as the server is.
            await host.RefreshAsync();
            await host.UntilAsync($"after \"{attack.What}\"", IsAsBefore);
        }

        await AnotherTlsKeyAsync(front, host);

        // A patch that the host should have: what is on the way to it is attacked.
        var two = await workshop.PatchAsync(HostKind.Plain, "livepatch_cmdline_v2", "2.0", 10);
        var module = await File.ReadAllBytesAsync(two.Module);
        var elsewhere = BadPatches.Crafted(good, "livepatch_meminfo", "3.0", 11, "6.1.0-1-amd64");
        var foreign = await File.ReadAllBytesAsync(elsewhere.Manifest);
        // Between two attacks nothing is let through, as the agent retries on its own.
        await front.WhileAsync(Modules, c => c.AnswerAsync(503, []), async () =>
        {
            await server.PublishAsync(two);
            foreach (var attack in OnTheWay(module, foreign)) await IsWithstoodAsync(front, host, attack);
            var digest = elsewhere.Digest();
            var misleading = listing with
            {
                Sequence = Sequence(front, catalogueKey),
                Patches = [new CatalogueEntry { ManifestDigest = digest, Version = "3.0", Sequence = 11 }],
            };
            await MixAndMatchAsync(front, host, foreign, digest, Forged(catalogueKey, misleading));
        });

        (await host.RefreshAsync()).Good();
        await host.UntilAppliedAsync("2.0");
        await HistoryNamesTheAttacksAsync(host);
        Assert.Equal("", await host.ComplaintsAsync());
    });

    /// <summary>What status says while the server behind is asked, which has one patch that is refused.</summary>
    private static bool IsAsBefore(AgentStatus status) => status is
    {
        Settled: true,
        CheckIn.Result: CheckInResult.Succeeded,
        Problem.Code: ProblemCode.ModuleNameMismatch,
    };

    private static async Task IsWithstoodAsync(HostileServer front, LabHost host, Attack attack)
    {
        await front.WhileAsync(attack.Path, attack.Do, async () =>
        {
            await host.RefreshAsync("--timeout", "2");
            bool IsNoticed(AgentStatus x) => x.Problem?.Code == attack.Code || x.CheckIn.Problem?.Code == attack.Code;
            var status = await host.UntilAsync(attack.What, x => front.Struck && IsNoticed(x), 120);
            await StillAppliedAsync(host, status);
            var problem = status.Problem?.Code == attack.Code ? status.Problem : status.CheckIn.Problem;
            Scenario.Say($"{attack.What}: {problem}");
        });
    }

    private static async Task AnotherTlsKeyAsync(HostileServer front, LabHost host)
    {
        var right = front.Certificate;
        var now = DateTimeOffset.UtcNow;
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=10.0.2.2", key, HashAlgorithmName.SHA256);
        using var wrong = request.CreateSelfSigned(now.AddDays(-1), now.AddDays(1));
        front.Certificate = wrong;
        // Lines that are open are the real server's: they are closed by the first answer.
        await front.WhileAsync(CheckIns, _ => Task.CompletedTask, async () =>
        {
            await host.RefreshAsync("--timeout", "2");
            var status = await host.UntilAsync(
                "another TLS key", x => x.CheckIn.Problem?.Code == ProblemCode.ServerCertificateMismatch);
            await StillAppliedAsync(host, status);
        });
        front.Certificate = right;
        await host.RefreshAsync();
    }

    /// <summary>
    /// The catalogue key is stolen as well: it lists, and the server assigns, what the publisher signed for another
    /// kernel.
    /// </summary>
    private static async Task MixAndMatchAsync(
        HostileServer front, LabHost host, byte[] foreign, string digest, byte[] catalogue)
    {
        await front.WhileAsync("/v1/", c => c.Path switch
        {
            CheckIns => c.AnswerAsync(200, Assigning(digest)),
            var path when path.StartsWith(Catalogues, StringComparison.Ordinal) => c.AnswerAsync(200, catalogue),
            _ => c.AnswerAsync(200, foreign),
        }, async () =>
        {
            await host.RefreshAsync("--timeout", "2");
            var status = await host.UntilAsync(
                "a manifest for another kernel", x => x.Problem?.Code == ProblemCode.ModuleKernelMismatch);
            await StillAppliedAsync(host, status);
        });
    }

    private static async Task StillAppliedAsync(LabHost host, AgentStatus status)
    {
        Assert.Equal("1.0", status.Patch?.Version);
        // A server that assigns something new all the time keeps the agent busy:
        // for moments a step is under way and there is no refusal to show.
        for (var tries = 0; ; tries++)
        {
            var text = await host.StatusTextOfPatchedAsync();
            if (text.Status == 1 && text.Out.Contains("cure: ", StringComparison.Ordinal)) return;
            Assert.True(tries < 30, $"{text}");
            await Task.Delay(200, TestContext.Current.CancellationToken);
        }
    }

    private static async Task HistoryNamesTheAttacksAsync(LabHost host)
    {
        await host.HistoryIsWholeAsync();
        var json = await host.DoAsync("livepatch-agent history --limit 1000 --format json");
        var history = JsonSerializer.Deserialize(json, HistoryJson.Default.HistoryAnswer)!;
        var entries = history.Entries.Select(e => (e.Kind, e.Problem)).ToHashSet();
        (string, string?)[] expected =
        [
            ("catalogue-refused", "catalogue-rolled-back"),
            ("catalogue-refused", "catalogue-expired"),
            ("catalogue-refused", "catalogue-signature-invalid"),
            ("catalogue-refused", "catalogue-invalid"),
            ("refused", "manifest-mismatch"),
            ("refused", "module-digest-mismatch"),
            ("refused", "module-kernel-mismatch"),
            ("server-distrusted", "server-certificate-mismatch"),
        ];
        Assert.All(expected, e => Assert.Contains(e, entries));
        Assert.Equal(2, history.Entries.Count(e => e.Kind == "loaded"));
        Assert.Equal(5, (await host.TryAsync("runuser -u nobody -- livepatch-agent history")).Status);

        // An edit is detected, and so is a missing end.
        await host.DoAsync(
            """
            cd /var/lib/livepatch-agent && cp -p history.jsonl /root/history.jsonl &&
                sed -i s/manifest-mismatch/manifest-mislaid/ history.jsonl
            """);
        Assert.Equal(1, (await host.TryAsync("livepatch-agent history --verify")).Status);
        await host.DoAsync("cd /var/lib/livepatch-agent && sed '$d' /root/history.jsonl >history.jsonl");
        var cut = await host.TryAsync("livepatch-agent history --verify");
        Assert.Contains("the end was cut off", cut.Out, StringComparison.Ordinal);
        await host.DoAsync(
            """
            cat /root/history.jsonl >/var/lib/livepatch-agent/history.jsonl && livepatch-agent history --verify
            """);
    }

    /// <summary>The one that the host saw last, as it was sent.</summary>
    private static byte[] LastCatalogue(HostileServer front) =>
        front.Recorded.Single(r => r.Key.StartsWith(Catalogues, StringComparison.Ordinal)).Value;

    private static long Sequence(HostileServer front, X509Certificate2 key)
    {
        var opened = CmsEnvelope.Open(LastCatalogue(front), [key], "it", ProblemCode.CatalogueInvalid);
        return JsonSerializer.Deserialize(opened.Value, WireJson.Default.Catalogue)!.Sequence;
    }
}
