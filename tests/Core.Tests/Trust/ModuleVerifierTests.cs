using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using LivepatchAgent.Core.Modules;
using LivepatchAgent.Core.Trust;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Core.Tests.TrustTests;

/// <summary>
/// Each test makes a module bad in one way. Where the manifest's digest would catch it first, the manifest is made for
/// the bad file: then only the module's own signature stands between it and the kernel, as when the server's storage
/// and the publisher's manifest disagree about what was meant.
/// </summary>
public sealed class ModuleVerifierTests
{
    private const string Release = "6.12.117+deb12-cloud-amd64";
    private static readonly byte[] Signed = ModuleSigner.Sign(Corpus.Module(Corpus.Cmdline), TestKeys.Publisher);

    [Theory]
    [InlineData(1)]
    [InlineData(4096)]
    [InlineData(1 << 20)]
    public void Finish_GoodModuleInAnyPieces_IsVerified(int piece)
    {
        var verified = Verify(Signed, Manifest(Signed), piece: piece).Value;

        Assert.Equal("livepatch_cmdline", verified.Facts.Name);
        Assert.Equal(Certificates.Fingerprint(TestKeys.Publisher), verified.Signer);
    }

    [Fact]
    public void Finish_SignedByTheKernelsSignFile_IsVerified()
    {
        var file = Corpus.Module(Corpus.CmdlineSigned);
        using var signFile = X509Certificate2.CreateFromPem(
            System.Text.Encoding.ASCII.GetString(Corpus.Module("sign-file.pem")));

        Assert.Null(Verify(file, Manifest(file), publishers: [signFile]).Problem);
    }

    [Fact]
    public void Verify_AnyBitOfTheFileChanged_ManifestCatchesIt()
    {
        var manifest = Manifest(Signed);
        for (var at = 0; at < Signed.Length; at += 97)
        {
            var file = Flip(Signed, at, at % 8);
            Assert.NotNull(Verify(file, manifest, facts: ModuleReader.Read(Signed).Value).Problem);
        }
    }

    [Fact]
    public void Verify_BitOfCodeChanged_SignatureCatchesIt() =>
        AssertRefused(Flip(Signed, 0x60, 0), ProblemCode.ModuleSignatureInvalid);

    [Fact]
    public void Verify_AnyBitOfTheSignatureChanged_NeverThrowsAndTheManifestCatchesIt()
    {
        // A PKCS#7 has fields that its signature does not cover (its version, the list of digests), so a changed one
        // can still fit the content. The manifest's digest covers every byte.
        var (manifest, facts) = (Manifest(Signed), ModuleReader.Read(Signed).Value);
        for (var at = Corpus.Module(Corpus.Cmdline).Length; at < Signed.Length; at++)
        {
            for (var bit = 0; bit < 8; bit++)
            {
                var file = Flip(Signed, at, bit);
                _ = Verify(file, Manifest(file), facts: facts);
                Assert.NotNull(Verify(file, manifest, facts: facts).Problem);
            }
        }
    }

    [Fact]
    public void Verify_AnyBitOfTheSignatureValueChanged_SignatureCatchesIt()
    {
        const int Length = 3072 / 8;
        var start = Signed.Length - ModuleSignature.TrailerLength - Length;
        for (var at = start; at < start + Length; at += 7) AssertRefused(
            Flip(Signed, at, at % 8), ProblemCode.ModuleSignatureInvalid);
    }

    [Fact]
    public void Verify_Truncated_IsRefused()
    {
        int[] fromTheEnd = [.. new[] { 41, 40, 28, 1 }.Select(missing => Signed.Length - missing)];
        foreach (var length in (int[])[0, 1, 27, 28, 39, 40, 41, 1000, .. fromTheEnd])
        {
            var file = Signed[..length];
            Assert.NotNull(Verify(file, Manifest(Signed), facts: ModuleReader.Read(Signed).Value).Problem);
            if (length > 0)
                Assert.NotNull(Verify(file, Manifest(file), facts: ModuleReader.Read(Signed).Value).Problem);
        }
    }

    [Fact]
    public void Verify_Unsigned_IsRefused() => AssertRefused(Corpus.Module(Corpus.Cmdline), ProblemCode.ModuleUnsigned);

    [Fact]
    public void Verify_BytesBehindTheSignature_IsUnsigned() =>
        AssertRefused([.. Signed, 0], ProblemCode.ModuleUnsigned);

    [Fact]
    public void Verify_SignedByAStranger_IsRefused() =>
        AssertRefused(
            ModuleSigner.Sign(Corpus.Module(Corpus.Cmdline), TestKeys.Stranger), ProblemCode.ModuleSignerUnknown);

    [Fact]
    public void Verify_StrangerUnderThePublishersName_IsRefused()
    {
        using var key = RSA.Create(3072);
        var name = TestKeys.Publisher.SubjectName;
        var request = new CertificateRequest(name, key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        using var issued = request.Create(
            name,
            X509SignatureGenerator.CreateForRSA(key, RSASignaturePadding.Pkcs1),
            DateTimeOffset.UnixEpoch,
            DateTimeOffset.UnixEpoch.AddYears(200),
            TestKeys.Publisher.SerialNumberBytes.Span);
        using var impostor = issued.CopyWithPrivateKey(key);

        AssertRefused(ModuleSigner.Sign(Corpus.Module(Corpus.Cmdline), impostor), ProblemCode.ModuleSignatureInvalid);
    }

    [Fact]
    public void Verify_SignedTwiceByThePublisher_KernelsViewCounts() =>
        // The kernel checks the last signature over all before it; the inner one is content.
        Assert.Null(Verify(ModuleSigner.Sign(Signed, TestKeys.Publisher)).Problem);

    [Fact]
    public void Verify_StrangerSignsOverThePublisher_IsRefused() =>
        AssertRefused(ModuleSigner.Sign(Signed, TestKeys.Stranger), ProblemCode.ModuleSignerUnknown);

    [Fact]
    public void Finish_AnotherKernel_IsRefused() =>
        Assert.Equal(
            ProblemCode.ModuleKernelMismatch,
            Verify(Signed, Manifest(Signed), release: "6.1.0-56-cloud-amd64").Problem?.Code);

    [Fact]
    public void Finish_VermagicOfAnotherKernel_IsRefused() =>
        AssertRefused(
            ModuleSigner.Sign(Corpus.Module(Corpus.CmdlineV2Older), TestKeys.Publisher),
            ProblemCode.ModuleKernelMismatch);

    [Fact]
    public void Finish_NotALivepatch_IsRefused()
    {
        var module = Corpus.Module(Corpus.Cmdline);
        "nolivepat"u8.CopyTo(module.AsSpan(module.AsSpan().IndexOf("livepatch=Y"u8)));
        AssertRefused(ModuleSigner.Sign(module, TestKeys.Publisher), ProblemCode.ModuleNotLivepatch);
    }

    [Fact]
    public void Finish_AnotherName_IsRefused()
    {
        var facts = ModuleReader.Read(Signed).Value with { Name = "other" };
        Assert.Equal(ProblemCode.ModuleNameMismatch, Verify(Signed, Manifest(Signed), facts: facts).Problem?.Code);
    }

    [Fact]
    public void Finish_SomeBytesMissingOrTooMany_IsRefused()
    {
        foreach (var fed in new[] { Signed[..^1], [.. Signed, 0] })
        {
            using var verifier = ModuleVerifier.Begin(
                Manifest(Signed), [TestKeys.Publisher], Signed.Length, Signed).Value;
            verifier.Append(fed);
            Assert.Equal(
                ProblemCode.ModuleDigestMismatch,
                verifier.Finish(ModuleReader.Read(Signed).Value, Release, "x86_64").Problem?.Code);
        }
    }

    [Fact]
    public void Begin_TailTooShort_IsRefused() =>
        Assert.NotNull(
            ModuleVerifier.Begin(
                Manifest(Signed), [TestKeys.Publisher], Signed.Length, Signed.AsSpan(Signed.Length - 100)).Problem);

    private static void AssertRefused(byte[] file, ProblemCode expected)
    {
        Assert.Equal(expected, Verify(file).Problem?.Code);
        if (expected is not ProblemCode.ModuleKernelMismatch and not ProblemCode.ModuleNotLivepatch)
            Assert.Equal(
                ProblemCode.ModuleDigestMismatch,
                Verify(Pad(file), Manifest(Signed)).Problem?.Code ?? ProblemCode.InternalError);
    }

    /// <summary>
    /// Against the manifest of the good module another file is refused by its size or digest, whatever else it is.
    /// </summary>
    private static byte[] Pad(byte[] file) => file.Length == Signed.Length ? [.. file, 0] : file;

    private static Result<VerifiedModule> Verify(
        byte[] file,
        VerifiedManifest? manifest = null,
        ModuleFacts? facts = null,
        string release = Release,
        IReadOnlyList<X509Certificate2>? publishers = null,
        int piece = 64 << 10)
    {
        if (!ModuleVerifier.Begin(
            manifest ?? Manifest(file),
            publishers ?? [TestKeys.Publisher],
            file.Length,
            file).TryGet(out var verifier, out var problem))
            return problem;
        using (verifier)
        {
            for (var at = 0; at < file.Length; at += piece) verifier.Append(
                file.AsSpan(at, Math.Min(piece, file.Length - at)));
            if (facts is null && !ModuleReader.Read(file).TryGet(out facts, out problem)) return problem;
            return verifier.Finish(facts, release, "x86_64");
        }
    }

    private static VerifiedManifest Manifest(byte[] file)
    {
        var manifest = new PatchManifest
        {
            Schema = PatchManifest.SchemaName,
            Version = "1",
            Sequence = 1,
            Notice = "LPN-0001",
            KernelRelease = Release,
            Architecture = "x86_64",
            Module = new ManifestModule
            {
                Name = ModuleReader.Read(file).TryGet(out var facts, out _) ? facts.Name : "livepatch_cmdline",
                Sha256 = Convert.ToHexStringLower(SHA256.HashData(file)),
                Size = file.Length,
            },
            Fixes = [],
            CoveredUntil = new DateOnly(2030, 1, 1),
        };
        return new VerifiedManifest(manifest, new string('0', 64));
    }

    private static byte[] Flip(byte[] file, int at, int bit)
    {
        var changed = (byte[])file.Clone();
        changed[at] ^= (byte)(1 << bit);
        return changed;
    }
}
