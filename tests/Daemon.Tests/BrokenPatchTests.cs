using LivepatchAgent.Core;
using LivepatchAgent.Core.Trust;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Daemon.Tests.Surroundings;

namespace LivepatchAgent.Daemon.Tests;

/// <summary>A second patch that must not be loaded, on a host that runs the first; then a third one that may.</summary>
public sealed class BrokenPatchTests
{
    private static readonly Published One = Workshop.Patch(1);
    private static readonly Published Two = Workshop.Patch(2);
    private static readonly Published Three = Workshop.Patch(3);
    private static readonly byte[] TwoWithdrawn = Workshop.Withdraw(Two, "it stalls");

    private sealed record Case(ProblemCode Code, Action<TestServer> Breaks)
    {
        public Published Patch { get; init; } = Two;

        /// <summary>Refused until something else is assigned; otherwise tried again until the server has mended it.</summary>
        public bool ForGood { get; init; }
    }

    private static readonly Dictionary<string, Case> Cases = new()
    {
        ["catalogue of a stranger"] = new(ProblemCode.CatalogueSignatureInvalid, s => s.CatalogueSigner = Workshop.Stranger),
        ["catalogue of the publisher"] = new(ProblemCode.CatalogueSignatureInvalid, s => s.CatalogueSigner = Workshop.Publisher),
        ["catalogue that is none"] = new(ProblemCode.CatalogueSignatureInvalid, s => Answer(s, TestServer.Catalogues, "garbage"u8.ToArray())),
        ["catalogue empty"] = new(ProblemCode.CatalogueSignatureInvalid, s => Answer(s, TestServer.Catalogues, [])),
        ["catalogue too large"] = new(ProblemCode.ServerAnswerTooLarge, s => Answer(s, TestServer.Catalogues, new byte[CmsEnvelope.MaxSize + 1])),
        ["catalogue rolled back"] = new(ProblemCode.CatalogueRolledBack, s => s.Cataloguing = c => c with { Sequence = 1 }),
        ["catalogue expired"] = new(ProblemCode.CatalogueExpired, s => s.Cataloguing = c => c with { ExpiresAt = c.IssuedAt.AddDays(-1) }),
        ["catalogue of the dawn of time"] = new(ProblemCode.CatalogueExpired, s => s.Cataloguing = c => c with { ExpiresAt = DateTimeOffset.MinValue, IssuedAt = DateTimeOffset.MinValue }),
        ["catalogue of tomorrow"] = new(ProblemCode.ClockWrong, s => s.Cataloguing = c => c with { IssuedAt = c.IssuedAt.AddDays(2) }),
        ["catalogue of the end of time"] = new(ProblemCode.ClockWrong, s => s.Cataloguing = c => c with { IssuedAt = DateTimeOffset.MaxValue, ExpiresAt = DateTimeOffset.MaxValue }),
        ["catalogue that never expires"] = new(ProblemCode.CatalogueInvalid, s => s.Cataloguing = c => c with { ExpiresAt = DateTimeOffset.MaxValue, IssuedAt = DateTimeOffset.MinValue }),
        ["catalogue that counts too long"] = new(ProblemCode.CatalogueInvalid, s => s.Cataloguing = c => c with { ExpiresAt = c.IssuedAt.AddDays(31) }),
        ["catalogue for another kernel"] = new(ProblemCode.CatalogueInvalid, s => s.Cataloguing = c => c with { KernelRelease = "6.1\n\u001b[2J" }),
        ["catalogue of another schema"] = new(ProblemCode.CatalogueInvalid, s => s.Cataloguing = c => c with { Schema = "livepatch-catalogue/9" }),
        ["catalogue with a version that plays"] = new(ProblemCode.CatalogueInvalid, s => s.Cataloguing = c => c with { Patches = [.. c.Patches.Select(p => p with { Version = "2\n\u001b[2J" })] }),
        ["catalogue not there"] = new(ProblemCode.ServerError, s => Refuse(s, TestServer.Catalogues)),
        ["catalogue without the patch"] = new(ProblemCode.ManifestMismatch, s => s.Cataloguing = c => c with { Patches = [] }) { ForGood = true },
        ["patch that its publisher withdrew"] = new(ProblemCode.PatchWithdrawn, s => s.Withdrawals[Workshop.Sha256(TwoWithdrawn)] = TwoWithdrawn) { ForGood = true },
        ["manifest swapped"] = new(ProblemCode.ManifestMismatch, s => Answer(s, Two.ManifestPath, One.Envelope)) { ForGood = true },
        ["manifest of a stranger"] = new(ProblemCode.ManifestSignatureInvalid, _ => { }) { Patch = Workshop.Patch(2, manifestSigner: Workshop.Stranger), ForGood = true },
        ["manifest of a stranger with a playful name"] = new(ProblemCode.ManifestSignatureInvalid, _ => { }) { Patch = Workshop.Patch(2, manifestSigner: Workshop.Key("CN=\"x\u001b[2J\n" + new string('y', 3000) + "\"")), ForGood = true },
        ["manifest for another kernel"] = new(ProblemCode.ModuleKernelMismatch, _ => { }) { Patch = Workshop.Patch(2, change: m => m with { KernelRelease = "6.1.0" }), ForGood = true },
        ["manifest with an impossible name"] = new(ProblemCode.ManifestInvalid, _ => { }) { Patch = Workshop.Patch(2, change: m => m with { Module = m.Module with { Name = "../../x" } }), ForGood = true },
        ["manifest of a module of 2 GiB"] = new(ProblemCode.ManifestInvalid, _ => { }) { Patch = Workshop.Patch(2, change: m => m with { Module = m.Module with { Size = 2L << 30 } }), ForGood = true },
        ["manifest not there"] = new(ProblemCode.NotFound, s => Refuse(s, Two.ManifestPath)),
        ["module not there"] = new(ProblemCode.NotFound, s => Refuse(s, Two.ModulePath)),
        ["module a page"] = new(ProblemCode.ServerError, s => s.Instead = c => AnsweredAsync(c, Two.ModulePath, () => c.AnswerAsync(502, "<html>", "text/html"))),
        ["module truncated"] = new(ProblemCode.ServerAnswerInvalid, s => Answer(s, Two.ModulePath, Two.Module[..4000])),
        ["module empty"] = new(ProblemCode.ServerAnswerInvalid, s => Answer(s, Two.ModulePath, [])),
        ["module too long"] = new(ProblemCode.ServerAnswerTooLarge, s => Answer(s, Two.ModulePath, [.. Two.Module, 0])),
        ["module endless"] = new(ProblemCode.ServerAnswerTooLarge, s => s.Instead = c => AnsweredAsync(c, Two.ModulePath, () => EndlessAsync(c))),
        ["module of another part"] = new(ProblemCode.ServerAnswerInvalid, s => s.Instead = c => AnsweredAsync(c, Two.ModulePath, () => c.AnswerAsync(206, Two.Module, headers: "Content-Range: bytes 7-9/10\r\n"))),
        ["module of no part"] = new(ProblemCode.ServerAnswerInvalid, s => s.Instead = c => AnsweredAsync(c, Two.ModulePath, () => c.AnswerAsync(206, Two.Module))),
        ["module with one bit flipped"] = new(ProblemCode.ModuleDigestMismatch, s => Answer(s, Two.ModulePath, Flipped(Two.Module, 3000))) { ForGood = true },
        ["module with one bit of its signature flipped"] = new(ProblemCode.ModuleDigestMismatch, s => Answer(s, Two.ModulePath, Flipped(Two.Module, Two.Module.Length - 60))) { ForGood = true },
        ["module of a stranger"] = new(ProblemCode.ModuleSignerUnknown, _ => { }) { Patch = Workshop.Patch(2, moduleSigner: Workshop.Stranger), ForGood = true },
        ["module unsigned"] = new(ProblemCode.ModuleUnsigned, _ => { }) { Patch = Workshop.Patch(2, module: Corpus.Module(Corpus.CmdlineV2)), ForGood = true },
        ["module for another kernel"] = new(ProblemCode.ModuleKernelMismatch, _ => { }) { Patch = Workshop.Patch(2, module: ModuleSigner.Sign(Corpus.Module(Corpus.CmdlineV2Older), Workshop.Publisher)), ForGood = true },
        ["module of another name"] = new(ProblemCode.ModuleNameMismatch, _ => { }) { Patch = Workshop.Patch(2, change: m => m with { Module = m.Module with { Name = "other" } }), ForGood = true },
        ["module that is no livepatch"] = new(ProblemCode.ModuleNotLivepatch, _ => { }) { Patch = Workshop.Patch(2, module: ModuleSigner.Sign(NoLivepatch(), Workshop.Publisher)), ForGood = true },
        ["module that is no ELF"] = new(ProblemCode.ModuleMalformed, _ => { }) { Patch = Workshop.Patch(2, module: ModuleSigner.Sign("#!/bin/sh\n"u8, Workshop.Publisher)), ForGood = true },
    };

    public static TheoryData<string> Names => [.. Cases.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public async Task Patch_ThatMustNotBeLoaded_IsToldAndTheHostKeepsWhatItRuns(string name)
    {
        var test = Cases[name];
        await using var host = await HostUnderTest.EnrolledAsync(One);
        test.Breaks(host.Server);
        host.Server.Publish(test.Patch);
        var status = await host.UntilAsync("told", s => s.Settled && s.Problem is not null);
        HostUnderTest.AssertProblem(status.Problem, test.Code);
        Assert.Equal(test.ForGood ? PatchState.Refused : PatchState.Applying, status.State);
        Assert.Equal("1.0", status.Patch?.Version);
        Assert.Equal([One.Name], host.Kernel.Patches);

        var (start, asked, warned) = (host.Time.GetUtcNow(), host.Server.Calls.Count, host.Log.Of(Microsoft.Extensions.Logging.LogLevel.Warning).Length);
        await host.HappensAsync("an hour", () => host.Time.GetUtcNow() - start > TimeSpan.FromHours(1));
        Assert.InRange(host.Server.Calls.Count - asked, 1, 80);
        Assert.InRange(host.Log.Of(Microsoft.Extensions.Logging.LogLevel.Warning).Length, warned, warned + 2);
        Assert.Equal([One.Name], host.Kernel.Loaded);
        Assert.True(new DirectoryInfo(host.Paths.StateFolder).EnumerateFiles("*", SearchOption.AllDirectories).All(f => f.Length <= 64 * 1024));

        Mend(host.Server);
        host.Server.Publish(test.ForGood ? Three : Two);
        await host.UntilAsync("mended", s => s.Settled && s.State == PatchState.Applied && s.Patch?.Version == (test.ForGood ? "3.0" : "2.0"));
        await host.UntilAsync("no problem", s => s.Problem is null);
    }

    [Fact]
    public async Task Patch_OfALowerNumber_IsNotGoneBackTo()
    {
        await using var host = await HostUnderTest.EnrolledAsync(Two);
        host.Server.Publish(One);
        var status = await host.SettledAsync(PatchState.Refused);
        HostUnderTest.AssertProblem(status.Problem, ProblemCode.PatchRolledBack, "number 1");
        Assert.Equal([Two.Name], host.Kernel.Loaded);
    }

    [Fact]
    public async Task Catalogue_ThatFailsWhileNothingNewIsAssigned_LeavesThePatchApplied()
    {
        await using var host = await HostUnderTest.EnrolledAsync(One);
        host.Server.CatalogueSigner = Workshop.Stranger;
        await host.RefreshAsync();
        var status = await host.UntilAsync("told", s => s.Settled && s.Problem is not null);
        Assert.Equal((PatchState.Applied, ProblemCode.CatalogueSignatureInvalid), (status.State, status.Problem!.Code));
        Mend(host.Server);
        await host.UntilAsync("mended", s => s.Settled && s.Problem is null && s.State == PatchState.Applied);
    }

    [Fact]
    public async Task Download_ThatBreaks_GoesOnWhereItWas()
    {
        var big = Workshop.Patch(2, padding: 700_000);
        await using var host = await HostUnderTest.EnrolledAsync(One);
        host.Server.Instead = c => AnsweredAsync(c, big.ModulePath, async () =>
        {
            await c.RawAsync($"HTTP/1.1 200 X\r\nContent-Length: {big.Module.Length}\r\n\r\n");
            await c.RawAsync(big.Module[..400_000]);
        });
        host.Server.Publish(big);
        await host.HappensAsync("broken", () => host.Server.Count(big.ModulePath) == 1 && host.Server.Busy == 0, timePasses: false);
        await host.Server.StopAsync();
        await host.UntilAsync("told", s => s.Problem is not null, timePasses: false);
        Mend(host.Server);
        host.Server.Start();
        await host.UntilAsync("2.0", s => s.Settled && s.Patch?.Version == "2.0");
        var parts = host.Server.Calls.Where(c => c.Path == big.ModulePath).ToArray();
        Assert.Null(parts[0].RangeFrom);
        Assert.Equal(400_000, parts[^1].RangeFrom);
    }

    /// <summary>A page of something in between, cut off where the module goes on later.</summary>
    [Fact]
    public async Task Download_WhoseBeginningIsForeign_IsFetchedAnewInOnePiece()
    {
        var big = Workshop.Patch(2, padding: 700_000);
        await using var host = await HostUnderTest.EnrolledAsync(One);
        var first = true;
        host.Server.Instead = async c => first && await AnsweredAsync(c, big.ModulePath, () =>
        {
            first = false;
            return c.AnswerAsync(200, new byte[5000], "application/octet-stream");
        });
        host.Server.Publish(big);
        var status = await host.UntilAsync("2.0", s => s.Settled && s.Patch?.Version == "2.0");
        Assert.Null(status.Problem);
        var asked = host.Server.Calls.Where(c => c.Path == big.ModulePath).Select(c => c.RangeFrom).ToArray();
        Assert.Equal([null, 5000, null], asked);
    }

    /// <summary>Whose every beginning is foreign: it is not asked for for ever.</summary>
    [Fact]
    public async Task Download_WhoseBeginningIsAlwaysForeign_IsRefusedInTheEnd()
    {
        var big = Workshop.Patch(2, padding: 700_000);
        await using var host = await HostUnderTest.EnrolledAsync(One);
        host.Server.Instead = async c => c.RangeFrom is null && await AnsweredAsync(c, big.ModulePath, () => c.AnswerAsync(200, new byte[5000], "application/octet-stream"));
        host.Server.Publish(big);
        var status = await host.UntilAsync("refused", s => s.Settled && s.State == PatchState.Refused);
        HostUnderTest.AssertProblem(status.Problem, ProblemCode.ModuleDigestMismatch);
        Assert.Equal("1.0", status.Patch?.Version);
        Assert.Equal(4, host.Server.Count(big.ModulePath));
    }

    [Fact]
    public async Task Download_FromAServerWithoutRanges_BeginsAnew()
    {
        var big = Workshop.Patch(2, padding: 700_000);
        await using var host = await HostUnderTest.EnrolledAsync(One);
        var calls = 0;
        host.Server.Instead = c => AnsweredAsync(c, big.ModulePath, async () =>
        {
            await c.RawAsync($"HTTP/1.1 200 X\r\nContent-Length: {big.Module.Length}\r\n\r\n");
            await c.RawAsync(big.Module[..(Interlocked.Increment(ref calls) == 1 ? 400_000 : big.Module.Length)]);
        });
        host.Server.Publish(big);
        await host.UntilAsync("2.0", s => s.Settled && s.Patch?.Version == "2.0");
        Assert.Equal(2, calls);
    }

    [Fact]
    public async Task Download_InADrip_IsGivenUpAndResumed()
    {
        var big = Workshop.Patch(2, padding: 200_000);
        await using var host = await HostUnderTest.EnrolledAsync(One);
        var first = true;
        var part = Path.Combine(host.Paths.StateFolder, "modules", big.Manifest.Module.Sha256 + ".part");
        host.Server.Instead = async c =>
        {
            if (c.Path != big.ModulePath || !first) return false;
            first = false;
            await c.RawAsync($"HTTP/1.1 200 X\r\nContent-Length: {big.Module.Length}\r\n\r\n");
            for (var i = 0; i < big.Module.Length / 100; i++)
            {
                await c.RawAsync(big.Module[(i * 100)..((i + 1) * 100)]);
                await host.HappensAsync("stored", () => c.Line is not { CanRead: true } || File.Exists(part) && new FileInfo(part).Length >= (i + 1) * 100 || host.Board.Current.Problem is not null, timePasses: false);
                host.Time.Advance(TimeSpan.FromSeconds(1));
            }

            return true;
        };
        host.Server.Publish(big);
        var status = await host.UntilAsync("told", s => s.Problem is not null);
        HostUnderTest.AssertProblem(status.Problem, ProblemCode.ServerTimeout);
        await host.UntilAsync("2.0", s => s.Settled && s.Patch?.Version == "2.0");
        Assert.True(host.Server.Calls.Last(c => c.Path == big.ModulePath).RangeFrom > 0);
    }

    private static void Mend(TestServer server)
    {
        server.Instead = _ => Task.FromResult(false);
        server.Cataloguing = c => c;
        server.CatalogueSigner = Workshop.CatalogueKey;
    }

    private static void Answer(TestServer server, string path, byte[] body) =>
        server.Instead = c => AnsweredAsync(c, path, () => c.AnswerAsync(200, body, "application/octet-stream"));

    private static void Refuse(TestServer server, string path) => server.Instead = c =>
        AnsweredAsync(c, path, () => c.AnswerAsync(404, new ErrorAnswer(new Problem(ProblemCode.NotFound, "cannot find it", "ask for another")), WireJson.Default.ErrorAnswer));

    private static async Task<bool> AnsweredAsync(Call call, string path, Func<Task> answer)
    {
        if (!call.Path.StartsWith(path, StringComparison.Ordinal)) return false;
        await answer();
        return true;
    }

    private static async Task EndlessAsync(Call call)
    {
        await call.RawAsync("HTTP/1.1 200 X\r\nConnection: close\r\n\r\n");
        while (true) await call.RawAsync(new byte[1000]);
    }

    private static byte[] Flipped(byte[] bytes, int at)
    {
        byte[] changed = [.. bytes];
        changed[at] ^= 4;
        return changed;
    }

    private static byte[] NoLivepatch()
    {
        var module = Corpus.Module(Corpus.CmdlineV2);
        module[module.AsSpan().IndexOf("livepatch=Y"u8)] = (byte)'L';
        return module;
    }
}
