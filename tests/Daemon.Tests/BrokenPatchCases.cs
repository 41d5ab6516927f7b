using System.Security.Cryptography.X509Certificates;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Trust;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Daemon.Tests.Surroundings;

namespace LivepatchAgent.Daemon.Tests;

/// <summary>A patch that must not be loaded, and what the status says of it.</summary>
internal sealed record BrokenPatchCase(ProblemCode Code, Action<TestServer> Breaks)
{
    public Published Patch { get; init; } = BrokenPatchCases.Two;

    /// <summary>
    /// Refused until something else is assigned; otherwise tried again until the server has mended it.
    /// </summary>
    public bool ForGood { get; init; }
}

/// <summary>Faults of the catalogue, the manifest and the module, and of how a server sends them.</summary>
internal static class BrokenPatchCases
{
    public static readonly Published One = Workshop.Patch(1);
    public static readonly Published Two = Workshop.Patch(2);
    private static readonly byte[] TwoWithdrawn = Workshop.Withdraw(Two, "it stalls");

    public static readonly Dictionary<string, BrokenPatchCase> All = new()
    {
        ["catalogue of a stranger"] = new(
            ProblemCode.CatalogueSignatureInvalid, s => s.CatalogueSigner = Workshop.Stranger),
        ["catalogue of the publisher"] = new(
            ProblemCode.CatalogueSignatureInvalid, s => s.CatalogueSigner = Workshop.Publisher),
        ["catalogue that is garbage"] = new(
            ProblemCode.CatalogueSignatureInvalid, s => Answer(s, TestServer.Catalogues, "garbage"u8.ToArray())),
        ["catalogue empty"] = new(
            ProblemCode.CatalogueSignatureInvalid, s => Answer(s, TestServer.Catalogues, [])),
        ["catalogue too large"] = new(
            ProblemCode.ServerAnswerTooLarge, s => Answer(s, TestServer.Catalogues, new byte[CmsEnvelope.MaxSize + 1])),
        ["catalogue rolled back"] = Listed(ProblemCode.CatalogueRolledBack, c => c with { Sequence = 1 }),
        ["catalogue expired"] = Listed(
            ProblemCode.CatalogueExpired, c => c with { ExpiresAt = c.IssuedAt.AddDays(-1) }),
        ["catalogue of the dawn of time"] = Dated(
            ProblemCode.CatalogueExpired, DateTimeOffset.MinValue, DateTimeOffset.MinValue),
        ["catalogue of tomorrow"] = Listed(ProblemCode.ClockWrong, c => c with { IssuedAt = c.IssuedAt.AddDays(2) }),
        ["catalogue of the end of time"] = Dated(
            ProblemCode.ClockWrong, DateTimeOffset.MaxValue, DateTimeOffset.MaxValue),
        ["catalogue that never expires"] = Dated(
            ProblemCode.CatalogueInvalid, DateTimeOffset.MinValue, DateTimeOffset.MaxValue),
        ["catalogue that counts too long"] = Listed(
            ProblemCode.CatalogueInvalid, c => c with { ExpiresAt = c.IssuedAt.AddDays(31) }),
        ["catalogue for another kernel"] = Listed(
            ProblemCode.CatalogueInvalid, c => c with { KernelRelease = "6.1\n\u001b[2J" }),
        ["catalogue of another schema"] = Listed(
            ProblemCode.CatalogueInvalid, c => c with { Schema = "livepatch-catalogue/9" }),
        ["catalogue with a version that plays"] = Listed(
            ProblemCode.CatalogueInvalid,
            c => c with { Patches = [.. c.Patches.Select(p => p with { Version = "2\n\u001b[2J" })] }),
        ["catalogue not there"] = new(ProblemCode.ServerError, s => Refuse(s, TestServer.Catalogues)),
        ["catalogue without the patch"] = Listed(
            ProblemCode.ManifestMismatch, c => c with { Patches = [] }) with { ForGood = true },
        ["patch that its publisher withdrew"] = new(
            ProblemCode.PatchWithdrawn, s => s.Withdrawals[Workshop.Sha256(TwoWithdrawn)] = TwoWithdrawn)
            { ForGood = true },
        ["manifest swapped"] = new(
            ProblemCode.ManifestMismatch, s => Answer(s, Two.ManifestPath, One.Envelope)) { ForGood = true },
        ["manifest of a stranger"] = Made(
            ProblemCode.ManifestSignatureInvalid, Workshop.Patch(2, manifestSigner: Workshop.Stranger)),
        ["manifest of a stranger with a playful name"] = Made(
            ProblemCode.ManifestSignatureInvalid, Workshop.Patch(2, manifestSigner: Playful())),
        ["manifest for another kernel"] = Described(
            ProblemCode.ModuleKernelMismatch, m => m with { KernelRelease = "6.1.0" }),
        ["manifest with an impossible name"] = Described(
            ProblemCode.ManifestInvalid, m => m with { Module = m.Module with { Name = "../../x" } }),
        ["manifest of a module of 2 GiB"] = Described(
            ProblemCode.ManifestInvalid, m => m with { Module = m.Module with { Size = 2L << 30 } }),
        ["manifest not there"] = new(ProblemCode.NotFound, s => Refuse(s, Two.ManifestPath)),
        ["module not there"] = new(ProblemCode.NotFound, s => Refuse(s, Two.ModulePath)),
        ["module a page"] = Sent(ProblemCode.ServerError, c => c.AnswerAsync(502, "<html>", "text/html")),
        ["module truncated"] = new(
            ProblemCode.ServerAnswerInvalid, s => Answer(s, Two.ModulePath, Two.Module[..4000])),
        ["module empty"] = new(ProblemCode.ServerAnswerInvalid, s => Answer(s, Two.ModulePath, [])),
        ["module too long"] = new(
            ProblemCode.ServerAnswerTooLarge, s => Answer(s, Two.ModulePath, [.. Two.Module, 0])),
        ["module endless"] = Sent(ProblemCode.ServerAnswerTooLarge, EndlessAsync),
        ["module of another part"] = Sent(
            ProblemCode.ServerAnswerInvalid,
            c => c.AnswerAsync(206, Two.Module, headers: "Content-Range: bytes 7-9/10\r\n")),
        ["module of no part"] = Sent(ProblemCode.ServerAnswerInvalid, c => c.AnswerAsync(206, Two.Module)),
        ["module with one bit flipped"] = Flipped(3000),
        ["module with one bit of its signature flipped"] = Flipped(Two.Module.Length - 60),
        ["module of a stranger"] = Made(
            ProblemCode.ModuleSignerUnknown, Workshop.Patch(2, moduleSigner: Workshop.Stranger)),
        ["module unsigned"] = Made(
            ProblemCode.ModuleUnsigned, Workshop.Patch(2, module: Corpus.Module(Corpus.CmdlineV2))),
        ["module for another kernel"] = Made(
            ProblemCode.ModuleKernelMismatch, Signed(Corpus.Module(Corpus.CmdlineV2Older))),
        ["module of another name"] = Described(
            ProblemCode.ModuleNameMismatch, m => m with { Module = m.Module with { Name = "other" } }),
        ["module that is no livepatch"] = Made(ProblemCode.ModuleNotLivepatch, Signed(NoLivepatch())),
        ["module that is no ELF"] = Made(ProblemCode.ModuleMalformed, Signed([.. "#!/bin/sh\n"u8])),
    };

    public static void Mend(TestServer server)
    {
        server.Instead = _ => Task.FromResult(false);
        server.Cataloguing = c => c;
        server.CatalogueSigner = Workshop.CatalogueKey;
    }

    /// <summary>Whether the call is one below this path, and then was answered so.</summary>
    public static async Task<bool> AnsweredAsync(Call call, string path, Func<Task> answer)
    {
        if (!call.Path.StartsWith(path, StringComparison.Ordinal)) return false;
        await answer();
        return true;
    }

    private static BrokenPatchCase Listed(ProblemCode code, Func<Catalogue, Catalogue> change) =>
        new(code, s => s.Cataloguing = change);

    private static BrokenPatchCase Dated(ProblemCode code, DateTimeOffset issued, DateTimeOffset expires) =>
        Listed(code, c => c with { IssuedAt = issued, ExpiresAt = expires });

    private static BrokenPatchCase Made(ProblemCode code, Published patch) =>
        new(code, _ => { }) { Patch = patch, ForGood = true };

    private static BrokenPatchCase Described(ProblemCode code, Func<PatchManifest, PatchManifest> change) =>
        Made(code, Workshop.Patch(2, change: change));

    private static BrokenPatchCase Sent(ProblemCode code, Func<Call, Task> answer) =>
        new(code, s => s.Instead = Answering(Two.ModulePath, answer));

    private static BrokenPatchCase Flipped(int at)
    {
        byte[] changed = [.. Two.Module];
        changed[at] ^= 4;
        return new(ProblemCode.ModuleDigestMismatch, s => Answer(s, Two.ModulePath, changed)) { ForGood = true };
    }

    private static Func<Call, Task<bool>> Answering(string path, Func<Call, Task> answer) =>
        call => AnsweredAsync(call, path, () => answer(call));

    private static void Answer(TestServer server, string path, byte[] body) =>
        server.Instead = Answering(path, c => c.AnswerAsync(200, body, "application/octet-stream"));

    private static void Refuse(TestServer server, string path) => server.Instead = Answering(
        path, c => c.AnswerAsync(404, new Problem(ProblemCode.NotFound, "cannot find it", "ask for another")));

    private static Published Signed(byte[] module) =>
        Workshop.Patch(2, module: ModuleSigner.Sign(module, Workshop.Publisher));

    private static X509Certificate2 Playful() =>
        Workshop.Key("CN=\"x\u001b[2J\n" + new string('y', 3000) + "\"");

    private static byte[] NoLivepatch()
    {
        var module = Corpus.Module(Corpus.CmdlineV2);
        module[module.AsSpan().IndexOf("livepatch=Y"u8)] = (byte)'L';
        return module;
    }

    private static async Task EndlessAsync(Call call)
    {
        await call.RawAsync("HTTP/1.1 200 X\r\nConnection: close\r\n\r\n");
        while (true) await call.RawAsync(new byte[1000]);
    }
}
