using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Trust;
using LivepatchAgent.Core.Wire;
using static LivepatchAgent.EndToEnd.Tests.Harness.BadAnswers;

namespace LivepatchAgent.EndToEnd.Tests.Harness;

/// <param name="What">For the reader.</param>
/// <param name="Code">What status says.</param>
/// <param name="Path">Which calls are answered otherwise.</param>
/// <param name="Do">How.</param>
internal sealed record Attack(string What, ProblemCode Code, string Path, Func<StolenCall, Task> Do);

/// <summary>What a stolen server tries, in the order in which a host meets it.</summary>
internal static class Attacks
{
    public const string CheckIns = "/v1/check-ins";
    public const string Catalogues = "/v1/catalogues/";
    public const string Manifests = "/v1/manifests/";
    public const string Modules = "/v1/modules/";

    public static Attack[] OnTheConversation(
        byte[] first, Catalogue listing, X509Certificate2 catalogueKey, X509Certificate2 stranger)
    {
        const string gzipped = "Content-Encoding: gzip\r\n";
        var now = listing.IssuedAt;
        var expired = listing with { IssuedAt = now.AddDays(-9), ExpiresAt = now.AddDays(-2) };
        var ofAnotherKernel = listing with { KernelRelease = "6.1.0-1-amd64" };
        return
        [
            new("replays an old catalogue", ProblemCode.CatalogueRolledBack, Catalogues, With(first)),
            new("freezes: a catalogue that expired, signed with the stolen catalogue key",
                ProblemCode.CatalogueExpired, Catalogues, With(() => Forged(catalogueKey, expired))),
            new("has the right TLS key and signs the catalogue with another",
                ProblemCode.CatalogueSignatureInvalid, Catalogues, With(() => Forged(stranger, listing))),
            new("shows the catalogue of another kernel",
                ProblemCode.CatalogueInvalid, Catalogues, With(() => Forged(catalogueKey, ofAnotherKernel))),
            new("an endless catalogue", ProblemCode.ServerAnswerTooLarge, Catalogues, EndlessAsync),
            new("assigns what no catalogue lists",
                ProblemCode.ManifestMismatch, CheckIns, With(() => Assigning(new string('a', 64)))),
            new("an endless answer", ProblemCode.ServerAnswerTooLarge, CheckIns, EndlessAsync),
            new("a compression bomb", ProblemCode.ServerAnswerInvalid, CheckIns, With(Bomb, gzipped)),
            new("a flood of headers", ProblemCode.ServerAnswerTooLarge, CheckIns, HeadersAsync),
            new("a redirect", ProblemCode.ServerRedirected, CheckIns, Redirect(307, "https://10.0.2.2:1/")),
            new("a slow drip", ProblemCode.ServerTimeout, CheckIns, DripAsync),
            new("a flood of headers before a catalogue", ProblemCode.ServerAnswerTooLarge, Catalogues, HeadersAsync),
            new("a catalogue in a slow drip", ProblemCode.ServerTimeout, Catalogues, DripAsync),
        ];
    }

    /// <summary>On the download of a patch that the host should have.</summary>
    public static Attack[] OnTheWay(byte[] module, byte[] foreign)
    {
        var flipped = module.ToArray();
        flipped[5000] ^= 1;
        return
        [
            new("a flood of headers before a manifest", ProblemCode.ServerAnswerTooLarge, Manifests, HeadersAsync),
            new("a manifest in a slow drip", ProblemCode.ServerTimeout, Manifests, DripAsync),
            new("mixes: the manifest of another patch", ProblemCode.ManifestMismatch, Manifests, With(foreign)),
            new("a flood of headers before a module", ProblemCode.ServerAnswerTooLarge, Modules, HeadersAsync),
            new("a module in a slow drip", ProblemCode.ServerTimeout, Modules, c => DripAsync(c, module)),
            new("swaps a module for one of the same size", ProblemCode.ModuleDigestMismatch, Modules, With(flipped)),
            new("swaps a module for a longer one", ProblemCode.ServerAnswerTooLarge, Modules, With([.. module, 0])),
            new("sends another range than was asked for",
                ProblemCode.ServerAnswerInvalid, Modules, c => RangeAsync(c, module, 100..200)),
            new("begins the rest of the module rightly and hangs up",
                ProblemCode.ServerUnreachable, Modules, c => PieceAsync(c, module, 100)),
            new("changes bytes in the rest of the module",
                ProblemCode.ModuleDigestMismatch, Modules, c => ChangedAsync(c, module, flipped)),
            new("an endless module", ProblemCode.ServerAnswerTooLarge, Modules, EndlessAsync),
            new("truncates the module", ProblemCode.ServerAnswerInvalid, Modules, With(module[..100])),
            new("redirects the module", ProblemCode.ServerRedirected, Modules, Redirect(302, "http://10.0.2.2/")),
        ];
    }

    public static byte[] Forged(X509Certificate2 signer, Catalogue catalogue) =>
        CmsEnvelope.Sign(JsonSerializer.SerializeToUtf8Bytes(catalogue, WireJson.Default.Catalogue), signer);
}
