using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.Pkcs;
using System.Security.Cryptography.X509Certificates;
using LivepatchAgent.Core.Modules;
using LivepatchAgent.Core.Trust;

namespace LivepatchAgent.Core.Tests.TrustTests;

/// <summary>Whether a module's signature is right, held against what .NET's own reader says.</summary>
public sealed class ModuleProofTests
{
    private static readonly byte[] Module = [.. Enumerable.Range(0, 300).Select(i => (byte)i)];

    private static readonly X509Certificate2 Curve = Certificate("CN=publisher, O=Curves");

    private static readonly X509Certificate2[] Known = [TestKeys.Stranger, Curve, TestKeys.Publisher];

    [Fact]
    public void SignatureHolds_OfAKnownSigner_IsToldAndOfAnother_IsNot()
    {
        foreach (var (signer, how) in Known.Select(k => (
            k,
            SubjectIdentifierType.IssuerAndSerialNumber)).Append((Curve, SubjectIdentifierType.SubjectKeyIdentifier)))
        {
            var signed = Sign(signer, how);
            Assert.True(Holds(signed, Known));
            Assert.Null(Holds(signed, [.. Known.Where(k => k != signer)]));
            Assert.Null(Holds(signed, []));
            signed[17] ^= 1;
            Assert.False(Holds(signed, Known) ?? true);
        }
    }

    [Fact]
    public void SignatureHolds_OfSeveralSigners_IsTrueWhenOneIsRight()
    {
        var cms = new SignedCms(new ContentInfo(Module), detached: true);
        cms.ComputeSignature(Signer(TestKeys.Publisher, SubjectIdentifierType.IssuerAndSerialNumber), silent: true);
        cms.ComputeSignature(Signer(Curve, SubjectIdentifierType.IssuerAndSerialNumber), silent: true);
        var signed = ModuleSignature.Append(Module, cms.Encode());

        Assert.True(Holds(signed, Known));
        Assert.True(Holds(signed, [Curve]));
        for (var i = cms.SignerInfos.Count; i < 17; i++) cms.ComputeSignature(
            Signer(TestKeys.Publisher, SubjectIdentifierType.IssuerAndSerialNumber), silent: true);
        Assert.Null(Holds(ModuleSignature.Append(Module, cms.Encode()), Known));
    }

    [Fact]
    public void SignatureHolds_OfAKindThatModulesDoNotHave_IsNotKnown()
    {
        foreach (var signer in new[]
        {
            Signer(
                Curve,
                SubjectIdentifierType.IssuerAndSerialNumber,
                a => a.SignedAttributes.Add(new Pkcs9SigningTime())),
            Signer(
                Curve, SubjectIdentifierType.IssuerAndSerialNumber, a => a.DigestAlgorithm = new Oid("1.3.14.3.2.26")),
            new CmsSigner(
                SubjectIdentifierType.IssuerAndSerialNumber,
                TestKeys.Publisher,
                TestKeys.Publisher.GetRSAPrivateKey(),
                RSASignaturePadding.Pss)
            {
                IncludeOption = X509IncludeOption.None,
                DigestAlgorithm = Algorithms.Sha256,
            },
        })
        {
            var cms = new SignedCms(new ContentInfo(Module), detached: true);
            cms.ComputeSignature(signer, silent: true);
            Assert.Null(Holds(ModuleSignature.Append(Module, cms.Encode()), Known));
        }
    }

    /// <summary>
    /// Each bit of each signature: no answer is another than .NET's. Where .NET's reader has none, the right signature
    /// may still be found: a few bits of tags tell this one nothing, and whether a message can be read at all preflight
    /// tells before. Where this one has none, it is stricter: with versions, as a kernel is.
    /// </summary>
    [Theory]
    [InlineData(SubjectIdentifierType.IssuerAndSerialNumber)]
    [InlineData(SubjectIdentifierType.SubjectKeyIdentifier)]
    public void SignatureHolds_WithAnyBitChanged_AgreesWithDotNet(SubjectIdentifierType how)
    {
        List<string> others = [];
        foreach (var signer in new[] { Curve, TestKeys.Publisher })
        {
            var signed = Sign(signer, how);
            for (var bit = 8 * Module.Length; bit < 8 * (signed.Length - ModuleSignature.TrailerLength); bit++)
            {
                signed[bit / 8] ^= (byte)(1 << (bit % 8));
                var (ours, theirs) = (Holds(signed, Known), HoldsByDotNet(signed));
                if (ours is not null && ours != theirs && (theirs is not null || ours == false))
                    others.Add($"{signer.Subject} byte {(bit / 8) - Module.Length} bit {bit % 8}: {ours} {theirs}");
                signed[bit / 8] ^= (byte)(1 << (bit % 8));
            }
        }

        Assert.True(others.Count == 0, string.Join("\n", others));
    }

    private static bool? Holds(byte[] file, IReadOnlyList<X509Certificate2> known) =>
        ModuleSignature.TryFind(file, file.Length, out var signature, out _)
            ? ModuleProof.SignatureHolds(file, signature, known)
            : null;

    private static bool? HoldsByDotNet(byte[] file)
    {
        try
        {
            ModuleSignature.TryFind(file, file.Length, out var signature, out _);
            var cms = new SignedCms(new ContentInfo([]), detached: true);
            cms.Decode(file.AsSpan((int)signature.ContentLength, signature.Pkcs7Length));
            if (cms.SignerInfos.Count != 1) return null;
            var signer = cms.SignerInfos[0];
            if (signer.SignedAttributes.Count > 0
                || Algorithms.SignatureFault(signer.SignatureAlgorithm, module: true) is not null
                || Algorithms.Digest(signer.DigestAlgorithm) is not { } digest)
                return null;
            if (SignerCertificate.Find(signer, Known) is not { } certificate) return null;
            using var check = Algorithms.Check(certificate, digest);
            check.Take(CryptographicOperations.HashData(digest, Module));
            return check.Holds(signer.GetSignature());
        }
        catch (Exception e) when (e is CryptographicException or AsnContentException)
        {
            return null;
        }
    }

    private static byte[] Sign(X509Certificate2 signer, SubjectIdentifierType how)
    {
        var cms = new SignedCms(new ContentInfo(Module), detached: true);
        cms.ComputeSignature(Signer(signer, how), silent: true);
        return ModuleSignature.Append(Module, cms.Encode());
    }

    private static CmsSigner Signer(
        X509Certificate2 certificate, SubjectIdentifierType how, Action<CmsSigner>? change = null)
    {
        var signer = new CmsSigner(how, certificate)
        {
            IncludeOption = X509IncludeOption.None,
            DigestAlgorithm = Algorithms.Sha256,
        };
        change?.Invoke(signer);
        return signer;
    }

    private static X509Certificate2 Certificate(string name)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest(name, key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, critical: false));
        return request.CreateSelfSigned(DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch.AddYears(200));
    }
}
