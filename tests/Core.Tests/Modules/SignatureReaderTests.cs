using System.Security.Cryptography;
using System.Security.Cryptography.Pkcs;
using System.Security.Cryptography.X509Certificates;
using LivepatchAgent.Core.Modules;
using LivepatchAgent.Core.Trust;

namespace LivepatchAgent.Core.Tests.Modules;

/// <summary>What a module's signatures say of their makers, held against what .NET's own reader says.</summary>
public sealed class SignatureReaderTests
{
    private static readonly byte[] Module = Corpus.Module(Corpus.Cmdline);

    [Fact]
    public void Read_SignFilesSignature_NamesTheSigner()
    {
        var facts = ModuleReader.Read(Corpus.Module(Corpus.CmdlineSigned)).Value;

        var signature = Assert.Single(facts.Signatures);
        Assert.Equal(
            (Module.Length, "PKCS#7", null, 0, 0),
            (
                signature.ContentLength,
                signature.Type,
                signature.Fault,
                signature.Certificates,
                signature.TrailingBytes));
        using var certificate = X509CertificateLoader.LoadCertificateFromFile(
            Path.Combine(AppContext.BaseDirectory, "corpus", "modules", "sign-file.pem"));
        var signer = Assert.Single(signature.Signers);
        Assert.Equal(certificate.IssuerName.Name, signer.Issuer);
        Assert.Equal(certificate.SerialNumber.TrimStart('0'), signer.Serial!.ToUpperInvariant().TrimStart('0'));
        Assert.Equal(("sha512", "rsa", false), (signer.Digest, signer.Algorithm, signer.HasSignedAttributes));
    }

    [Fact]
    public void Read_KeyIdAttributesCertificatesEcdsaPss_AreTold()
    {
        using var ecdsa = Certificate(ECDsa.Create(ECCurve.NamedCurves.nistP256), "CN=curve");
        var cms = new SignedCms(new ContentInfo(Module), detached: true);
        cms.ComputeSignature(Signer(TestKeys.Publisher, SubjectIdentifierType.IssuerAndSerialNumber), silent: true);
        cms.ComputeSignature(
            new CmsSigner(SubjectIdentifierType.SubjectKeyIdentifier, ecdsa)
            {
                IncludeOption = X509IncludeOption.EndCertOnly,
                DigestAlgorithm = Algorithms.Sha384,
                SignedAttributes = { new Pkcs9SigningTime() },
            },
            silent: true);
        cms.ComputeSignature(
            new CmsSigner(
                SubjectIdentifierType.IssuerAndSerialNumber,
                TestKeys.Stranger,
                TestKeys.Stranger.GetRSAPrivateKey(),
                RSASignaturePadding.Pss)
            {
                IncludeOption = X509IncludeOption.None,
                DigestAlgorithm = Algorithms.Sha256,
            },
            silent: true);
        var signature = Assert.Single(ModuleReader.Read(ModuleSignature.Append(Module, cms.Encode())).Value.Signatures);

        Assert.Null(signature.Fault);
        Assert.Equal(1, signature.Certificates);
        var keyId = new X509SubjectKeyIdentifierExtension(ecdsa.PublicKey, critical: false).SubjectKeyIdentifier!;
        Assert.Equal(
            [
                ("CN=publisher", null, "sha512", "rsa", false),
                ("CN=stranger", null, "sha256", "rsa-pss", false),
                (null, keyId.ToLowerInvariant(), "sha384", "ecdsa", true),
            ],
            signature.Signers.Select(s => (s.Issuer, s.KeyId, s.Digest, s.Algorithm, s.HasSignedAttributes)).OrderBy(
                s => s.Issuer ?? "Z", StringComparer.Ordinal));
    }

    /// <summary>Names with each kind of part and everything that wants quoting.</summary>
    [Theory]
    [InlineData("CN=Debian Secure Boot Signer 2022 - linux, O=Debian, C=DE, S=Hamburg, L=Altona, OU=a")]
    [InlineData("CN=\"Us, Ltd. + \"\"friends\"\"\", O=\" padded \"")]
    [InlineData("E=patches@example.org, DC=example, DC=org, CN=größer")]
    [InlineData("OID.1.2.3.4=x, T=x, SERIALNUMBER=17, CN=x")]
    public void Read_IssuersName_ReadsAsDotNetReadsIt(string name)
    {
        using var certificate = Certificate(ECDsa.Create(ECCurve.NamedCurves.nistP256), name);
        var signer = Assert.Single(
            Assert.Single(ModuleReader.Read(ModuleSigner.Sign(Module, certificate)).Value.Signatures).Signers);

        Assert.Equal(certificate.IssuerName.Name, signer.Issuer);
    }

    [Fact]
    public void Read_SignedTwice_TellsBothTheLastOneFirst()
    {
        var once = ModuleSigner.Sign(Module, TestKeys.Publisher);
        var facts = ModuleReader.Read(ModuleSigner.Sign(once, TestKeys.Stranger)).Value;

        Assert.Equal(["CN=stranger", "CN=publisher"], facts.Signatures.Select(s => s.Signers[0].Issuer));
        Assert.Equal([once.Length, Module.Length], facts.Signatures.Select(s => s.ContentLength));
        Assert.Equal(once.Length, facts.Signature?.ContentLength);
        Assert.Equal(0, facts.TrailingBytes);
        Assert.Contains(
            "; under another one, so no kernel looks at it\n", ModuleText.Of(facts), StringComparison.Ordinal);
    }

    [Fact]
    public void Read_BytesAroundTheSignature_AreTold()
    {
        var signed = ModuleSigner.Sign(Module, TestKeys.Publisher);
        var pkcs7 = signed[Module.Length..^ModuleSignature.TrailerLength];

        var before = ModuleReader.Read(ModuleSigner.Sign([.. Module, 1, 2, 3], TestKeys.Publisher)).Value;
        Assert.Equal(
            (3, 0, 0), (before.TrailingBytes, before.Signatures[0].TrailingBytes, before.BytesBehindSignature));
        var within = ModuleReader.Read(ModuleSignature.Append(Module, [.. pkcs7, 0, 0])).Value;
        Assert.Equal(
            (0, 2, 0), (within.TrailingBytes, within.Signatures[0].TrailingBytes, within.BytesBehindSignature));
        Assert.Single(within.Signatures[0].Signers);
        var behind = ModuleReader.Read([.. signed, .. new byte[5]]).Value;
        Assert.Empty(behind.Signatures);
        Assert.Equal((signed.Length + 5 - Module.Length, 5), (behind.TrailingBytes, behind.BytesBehindSignature));
        Assert.Contains(
            "a signature with 5 bytes behind it: to a kernel the module is unsigned\n",
            ModuleText.Of(behind),
            StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0, "PGP")]
    [InlineData(1, "X.509")]
    [InlineData(7, "type 7")]
    public void Read_TypeThatNoKernelKnows_IsToldAndCountsForNothing(byte type, string word)
    {
        var signed = ModuleSigner.Sign(Module, TestKeys.Publisher);
        signed[^(ModuleSignature.TrailerLength - 2)] = type;
        var facts = ModuleReader.Read(signed).Value;

        Assert.Null(facts.Signature);
        Assert.Equal(
            (word, $"its signature is of type {type}, not PKCS#7 (2)"),
            (facts.Signatures[0].Type, facts.Signatures[0].Fault));
    }

    [Theory]
    [InlineData(0, 1)] // an algorithm where PKCS#7 has none
    [InlineData(5, 1)] // padding that is not zero
    [InlineData(8, 1)] // a length beyond the file
    public void Read_DescriptorThatNoKernelTakes_IsRefused(int at, byte value)
    {
        var signed = ModuleSigner.Sign(Module, TestKeys.Publisher);
        signed[signed.Length - ModuleSignature.TrailerLength + at] = value;

        Assert.Equal(ProblemCode.ModuleMalformed, ModuleReader.Read(signed).Problem?.Code);
    }

    [Fact]
    public void Read_NotPkcs7_IsToldAsSuch()
    {
        Assert.Equal("it is not a PKCS#7 message", Fault([1, 2, 3]));
        Assert.Equal(
            "it is a CMS message, not a signed one",
            Fault([0x30, 0x0b, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01]));
        var attached = new SignedCms(new ContentInfo([1]), detached: false);
        attached.ComputeSignature(
            Signer(TestKeys.Publisher, SubjectIdentifierType.IssuerAndSerialNumber), silent: true);
        Assert.Equal("it holds content of its own, which no kernel takes", Fault(attached.Encode()));
        var none = new SignedCms(new ContentInfo(Module), detached: true);
        none.ComputeSignature(Signer(TestKeys.Publisher, SubjectIdentifierType.IssuerAndSerialNumber), silent: true);
        none.RemoveSignature(0);
        Assert.Equal("it has no signer", Fault(none.Encode()));
    }

    [Fact]
    public void Read_AnyBitOfTheSignatureChanged_NeverThrows()
    {
        var signed = ModuleSigner.Sign(Module, TestKeys.Publisher);
        for (var bit = 8 * Module.Length; bit < 8 * (signed.Length - ModuleSignature.TrailerLength); bit++)
        {
            signed[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.NotEmpty(ModuleText.Of(ModuleReader.Read(signed).Value));
            signed[bit / 8] ^= (byte)(1 << (bit % 8));
        }
    }

    private static string? Fault(byte[] pkcs7) =>
        Assert.Single(ModuleReader.Read(ModuleSignature.Append(Module, pkcs7)).Value.Signatures).Fault;

    private static CmsSigner Signer(X509Certificate2 certificate, SubjectIdentifierType type) =>
        new(type, certificate) { IncludeOption = X509IncludeOption.None, DigestAlgorithm = Algorithms.Sha512 };

    private static X509Certificate2 Certificate(ECDsa key, string name)
    {
        using (key)
        {
            var request = new CertificateRequest(new X500DistinguishedName(name), key, HashAlgorithmName.SHA256);
            request.CertificateExtensions.Add(
                new X509SubjectKeyIdentifierExtension(request.PublicKey, critical: false));
            return request.CreateSelfSigned(DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch.AddYears(200));
        }
    }
}
