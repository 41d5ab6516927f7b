using System.Security.Cryptography;
using System.Security.Cryptography.Pkcs;
using System.Security.Cryptography.X509Certificates;
using LivepatchAgent.Core.Modules;
using LivepatchAgent.Core.Trust;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Core.Tests.TrustTests;

/// <summary>Weak keys and digests are refused by name, wherever a signature is believed.</summary>
public sealed class AlgorithmsTests
{
    private static readonly byte[] Content = "{\"a\":1}"u8.ToArray();

    private static readonly Dictionary<string, (Func<X509Certificate2> Make, string? Fault)> Keys = new()
    {
        ["RSA 1024"] = (() => Rsa(1024), "RSA with 1024 bits"),
        ["RSA 2048"] = (() => Rsa(2048), "RSA with 2048 bits"),
        ["RSA 3071"] = (() => Rsa(3064), "RSA with 3064 bits"),
        ["RSA 3072"] = (() => TestKeys.Publisher, null),
        ["P-192"] = (() => Curve("1.2.840.10045.3.1.1"), "of the curve P-192"),
        ["P-224"] = (() => Curve("1.3.132.0.33"), "of the curve P-224"),
        ["P-256"] = (() => Curve("1.2.840.10045.3.1.7"), null),
        ["P-384"] = (() => Curve("1.3.132.0.34"), null),
        ["P-521"] = (() => Curve("1.3.132.0.35"), "of the curve P-521"),
        ["secp256k1, as long as P-256"] = (() => Curve("1.3.132.0.10"), "of the curve secp256k1"),
        ["brainpoolP256r1"] = (() => Curve("1.3.36.3.3.2.8.1.1.7"), "of the curve brainpoolP256r1"),
        ["brainpoolP384r1"] = (() => Curve("1.3.36.3.3.2.8.1.1.11"), "of the curve brainpoolP384r1"),
    };

    public static TheoryData<string> KeyNames => [.. Keys.Keys];

    [Theory]
    [MemberData(nameof(KeyNames))]
    public void Keys_AreAcceptedOrRefusedByName(string name)
    {
        var (make, fault) = Keys[name];
        var key = make();
        if (fault is null)
        {
            Assert.Null(Algorithms.KeyFault(key));
            Assert.Equal(Content, Open(CmsEnvelope.Sign(Content, key), key).Value);
            Assert.True(Certificates.TryLoad(key.RawData, out _));
            return;
        }

        Assert.StartsWith(fault, Algorithms.KeyFault(key), StringComparison.Ordinal);
        Assert.False(Certificates.TryLoad(key.RawData, out _, out var why));
        Assert.Contains(fault, why, StringComparison.Ordinal);
        // Pinned all the same, by a journal or a folder of before: its signature still counts for nothing.
        Assert.Contains(fault, Open(CmsEnvelope.Sign(Content, key), key).Problem!.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("1.3.14.3.2.26", "SHA-1")]
    [InlineData("1.2.840.113549.2.5", "MD5")]
    [InlineData("2.16.840.1.101.3.4.2.1", null)]
    [InlineData("2.16.840.1.101.3.4.2.2", null)]
    [InlineData("2.16.840.1.101.3.4.2.3", null)]
    public void Digests_AreAcceptedOrRefusedByName(string oid, string? refused)
    {
        foreach (var key in new[] { TestKeys.Publisher, Curve("1.2.840.10045.3.1.7") })
        {
            // MD5 with ECDSA is not even to be had.
            if (refused == "MD5" && key != TestKeys.Publisher) continue;
            var problem = Open(Signed(key, oid), key).Problem;
            if (refused is null) Assert.Null(problem);
            else Assert.Contains($"over a {refused}", problem!.Message, StringComparison.Ordinal);

            var module = Corpus.Module(Corpus.Cmdline);
            var file = ModuleSignature.Append(module, Signed(key, oid, module));
            var verdict = Verify(file, key);
            if (refused is null) Assert.Null(verdict);
            else Assert.Equal(
                (ProblemCode.ModuleSignatureInvalid, true),
                (verdict!.Code, verdict.Message.Contains($"over a {refused}", StringComparison.Ordinal)));
        }
    }

    [Fact]
    public void Faults_OfWhatIsNotKnown_NameItsNumber()
    {
        Assert.Contains("1.2.3.4", Algorithms.DigestFault(new Oid("1.2.3.4")), StringComparison.Ordinal);
        Assert.Contains("1.2.3.4", Algorithms.SignatureFault(new Oid("1.2.3.4")), StringComparison.Ordinal);
        Assert.Contains(
            "ML-DSA-65", Algorithms.SignatureFault(new Oid("2.16.840.1.101.3.4.3.18")), StringComparison.Ordinal);
        Assert.Equal("made with ECDSA, which is not accepted", Algorithms.SignatureFault(new Oid("1.2.840.10045.2.1")));
        Assert.Contains(
            "over a SHAKE256", Algorithms.DigestFault(new Oid("2.16.840.1.101.3.4.2.12")), StringComparison.Ordinal);
        Assert.Contains(
            "RSASSA-PSS",
            Algorithms.SignatureFault(new Oid("1.2.840.113549.1.1.10"), module: true),
            StringComparison.Ordinal);
        Assert.Null(Algorithms.SignatureFault(new Oid("1.2.840.113549.1.1.10")));
    }

    [Fact]
    public void Open_OfAnRsaPssSignature_IsAccepted()
    {
        var cms = new SignedCms(new ContentInfo(Content), detached: false);
        cms.ComputeSignature(
            new CmsSigner(
                SubjectIdentifierType.IssuerAndSerialNumber,
                TestKeys.Publisher,
                TestKeys.Publisher.GetRSAPrivateKey(),
                RSASignaturePadding.Pss)
            {
                IncludeOption = X509IncludeOption.None,
                DigestAlgorithm = Algorithms.Sha256,
            });
        Assert.Equal(Content, Open(cms.Encode(), TestKeys.Publisher).Value);
    }

    [Fact]
    public void Threshold_CountsDifferentTrustedKeys()
    {
        var (a, b, c) = (TestKeys.Publisher, Curve("1.2.840.10045.3.1.7"), Curve("1.3.132.0.34"));
        var twin = Renewed(b);
        var one = CmsEnvelope.Sign(Content, a);
        var two = CmsEnvelope.AddSignature(one, b);
        var three = CmsEnvelope.AddSignature(two, c);
        X509Certificate2[] all = [a, b, c, twin];

        Assert.Equal(Content, Open(one, 1, all).Value);
        Assert.Contains(
            "1 of the keys that this host trusts signed it, and 2 are needed",
            Open(one, 2, all).Problem!.Message,
            StringComparison.Ordinal);
        Assert.Equal(Content, Open(two, 2, all).Value);
        Assert.NotNull(Open(two, 3, all).Problem);
        Assert.Equal(Content, Open(three, 3, all).Value);
        Assert.NotNull(Open(three, 2, [a]).Problem);
        Assert.Equal(Content, Open(three, 1, [c]).Value);
        Assert.NotNull(Open(three, 1, [TestKeys.Stranger]).Problem);
        Assert.NotNull(Open(three, 0, [TestKeys.Stranger]).Problem);
        // The same key twice, by two certificates or by two signatures, is one.
        Assert.NotNull(Open(CmsEnvelope.AddSignature(CmsEnvelope.Sign(Content, b), twin), 2, all).Problem);
        Assert.NotNull(Open(CmsEnvelope.AddSignature(one, a), 2, all).Problem);
        // A signature under a trusted name that does not verify spoils the whole.
        var spoilt = two.ToArray();
        spoilt[^5] ^= 1;
        Assert.True(Open(spoilt, 1, all).Problem is not null || Open(spoilt, 1, all).Value.SequenceEqual(Content));
        var crowd = one;
        for (var i = 0; i < CmsEnvelope.MaxSigners; i++) crowd = CmsEnvelope.AddSignature(crowd, b);
        Assert.Contains("1 to 16 signatures", Open(crowd, 1, all).Problem!.Message, StringComparison.Ordinal);
    }

    private static Result<byte[]> Open(byte[] envelope, X509Certificate2 key) => Open(envelope, 1, [key]);

    private static Result<byte[]> Open(byte[] envelope, int threshold, X509Certificate2[] keys) =>
        CmsEnvelope.Open(envelope, keys, "the manifest", ProblemCode.ManifestSignatureInvalid, threshold);

    private static Problem? Verify(byte[] file, X509Certificate2 key)
    {
        var facts = ModuleReader.Read(file).Value;
        var manifest = new VerifiedManifest(
            new PatchManifest
            {
                Schema = PatchManifest.SchemaName,
                Version = "1",
                Sequence = 1,
                Notice = "n",
                KernelRelease = facts.KernelRelease,
                Architecture = facts.Architecture,
                Fixes = [],
                CoveredUntil = default,
                Module = new ManifestModule
                {
                    Name = facts.Name,
                    Sha256 = Convert.ToHexStringLower(SHA256.HashData(file)),
                    Size = file.Length,
                },
            },
            new string('a', 64));
        if (!ModuleVerifier.Begin(manifest, [key], file.Length, file).TryGet(out var verifier, out var problem))
            return problem;
        using (verifier)
        {
            verifier.Append(file);
            return verifier.Finish(facts, facts.KernelRelease, facts.Architecture).Problem;
        }
    }

    /// <summary>As `openssl cms -sign -md …` would: what our own tool does not do.</summary>
    private static byte[] Signed(X509Certificate2 key, string digest, byte[]? detached = null)
    {
        var cms = new SignedCms(new ContentInfo(detached ?? Content), detached is not null);
        cms.ComputeSignature(
            new CmsSigner(SubjectIdentifierType.IssuerAndSerialNumber, key)
            {
                IncludeOption = X509IncludeOption.None,
                DigestAlgorithm = new Oid(digest),
            });
        return cms.Encode();
    }

    private static X509Certificate2 Rsa(int bits)
    {
        using var key = RSA.Create(bits);
        return Made(new CertificateRequest($"CN=rsa {bits}", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1));
    }

    private static X509Certificate2 Curve(string oid)
    {
        using var key = ECDsa.Create(ECCurve.CreateFromValue(oid));
        return Made(new CertificateRequest($"CN=curve {oid}", key, HashAlgorithmName.SHA256));
    }

    /// <summary>Another certificate of the same key.</summary>
    private static X509Certificate2 Renewed(X509Certificate2 certificate)
    {
        using var key = certificate.GetECDsaPrivateKey()!;
        return Made(new CertificateRequest("CN=renewed", key, HashAlgorithmName.SHA256));
    }

    private static X509Certificate2 Made(CertificateRequest request) =>
        request.CreateSelfSigned(DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch.AddYears(200));
}
